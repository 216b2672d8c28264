# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""AnyDepth-YOLO in every published size, and a tiny one."""

from __future__ import annotations

import dataclasses

from anydepth_core.models.registry import register
from anydepth_core.models.yolo.config import YoloConfig
from anydepth_core.models.yolo.model import AnyDepthYolo

# The AnyDepth authors' table; they have no m, which takes the official one.
AUTHORS = {
    'n': YoloConfig(depth=0.75, width=0.25, max_channels=1024, c3k=False),
    's': YoloConfig(depth=1.00, width=0.50, max_channels=512, c3k=False),
    'm': YoloConfig(depth=0.50, width=1.00, max_channels=512, c3k=True),
    'l': YoloConfig(depth=1.00, width=1.00, max_channels=512, c3k=True, mlp_ratio=1.5),
    'x': YoloConfig(depth=1.00, width=1.50, max_channels=512, c3k=True, mlp_ratio=1.5),
}
# The official YOLOv12 table, so that checkpoints people have load into the full path.
OFFICIAL = {
    'n': YoloConfig(depth=0.50, width=0.25, max_channels=1024, c3k=False, residual=False),
    's': YoloConfig(depth=0.50, width=0.50, max_channels=1024, c3k=False, residual=False),
    'm': YoloConfig(depth=0.50, width=1.00, max_channels=512, c3k=True, residual=False),
    'l': AUTHORS['l'],
    'x': AUTHORS['x'],
}
# Ours: thin, and deep enough that base costs 0.7 of full (the head's share is fixed).
PICO = YoloConfig(depth=2.00, width=0.125, max_channels=1024, c3k=True, mlp_ratio=1.5)
TINY = YoloConfig(depth=1.00, width=0.125, max_channels=512, c3k=True, mlp_ratio=1.5)


def _register(name: str, config: YoloConfig) -> None:
    def build(num_classes: int) -> AnyDepthYolo:
        return AnyDepthYolo(config, num_classes)

    register(name, build)


for _size, _config in AUTHORS.items():
    _register(f'anydepth-yolo-{_size}', _config)
    _register(f'anydepth-yolo-{_size}-outer', dataclasses.replace(_config, c3k2='outer'))
for _size, _config in OFFICIAL.items():
    _register(f'anydepth-yolo-{_size}-turbo', _config)
    _register(f'anydepth-yolo-{_size}-ultralytics', dataclasses.replace(
        _config, layout='ultralytics', mlp_ratio=1.2 if _config.mlp_ratio == 1.5 else 2.0))
_register('anydepth-yolo-pico', PICO)
_register('anydepth-yolo-pico-outer', dataclasses.replace(PICO, c3k2='outer'))
_register('anydepth-yolo-tiny', TINY)

__all__ = ['AUTHORS', 'OFFICIAL', 'PICO', 'TINY', 'AnyDepthYolo', 'YoloConfig']
