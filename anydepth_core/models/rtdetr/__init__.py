# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""AnyDepth-DETR in every published size, and a tiny one."""

from __future__ import annotations

import dataclasses

from anydepth_core.models.registry import register
from anydepth_core.models.rtdetr.config import DetrConfig
from anydepth_core.models.rtdetr.denoising import DenoisingQueries, draw_denoising
from anydepth_core.models.rtdetr.model import AnyDepthDetr, DetrOutputs

R18 = DetrConfig(blocks=(2, 2, 2, 2), bottleneck=False, expansion=0.5, decoder_layers=3)
R34 = DetrConfig(blocks=(3, 4, 6, 3), bottleneck=False, expansion=0.5, decoder_layers=4)
R50_VD = DetrConfig(blocks=(3, 4, 6, 3), bottleneck=True, frozen=True)
R101_VD = DetrConfig(blocks=(3, 4, 23, 3), bottleneck=True, frozen=True, neck_width=384,
                     neck_hidden=2048)
TINY = DetrConfig(blocks=(2, 2, 2, 2), bottleneck=False, stem_width=16, neck_width=64,
                  neck_hidden=128, expansion=0.5, decoder_width=64, decoder_hidden=128,
                  decoder_layers=3, queries=100)
CONFIGS = {
    'r18': R18,
    'r34': R34,
    'r50-vd': R50_VD,
    'r101-vd': R101_VD,
    # The paper's networks have torchvision's 7x7 stem.
    'r50': dataclasses.replace(R50_VD, deep_stem=False),
    'r101': dataclasses.replace(R101_VD, deep_stem=False),
    'tiny': TINY,
}


def _register(name: str, config: DetrConfig) -> None:
    def build(num_classes: int) -> AnyDepthDetr:
        return AnyDepthDetr(config, num_classes)

    register(name, build)


for _size, _config in CONFIGS.items():
    _register(f'anydepth-detr-{_size}', _config)

__all__ = ['CONFIGS', 'AnyDepthDetr', 'DenoisingQueries', 'DetrConfig', 'DetrOutputs',
           'draw_denoising']
