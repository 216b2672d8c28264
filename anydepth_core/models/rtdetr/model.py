# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""AnyDepth-DETR: RT-DETR whose backbone and neck stages have two paths."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from anydepth_core.depth import Depth, DepthSpace
from anydepth_core.models.base import AnyDepthModel, RawPredictions
from anydepth_core.models.rtdetr.backbone import ResNet
from anydepth_core.models.rtdetr.config import DetrConfig
from anydepth_core.models.rtdetr.decoder import Decoder, DecoderOutputs
from anydepth_core.models.rtdetr.denoising import DenoisingQueries, no_denoising
from anydepth_core.models.rtdetr.neck import HybridNeck


class DetrOutputs(NamedTuple):
    """One pass in training.

    Attributes:
        decoder: scores and boxes of every decoder layer, see DecoderOutputs.
        denoising: the denoising queries that ran, none of them if none were given.
        features: the output of every stage by its name, each (B, C, H / stride, W / stride).
    """

    decoder: DecoderOutputs
    denoising: DenoisingQueries
    features: dict[str, Tensor]


class AnyDepthDetr(AnyDepthModel):
    """The whole detector.

    Args:
        config: which network of the topology.
        num_classes: classes to score.
    """

    family = 'rtdetr'
    decoding: Literal['nms', 'top_k'] = 'top_k'

    def __init__(self, config: DetrConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.depths = DepthSpace(decoder_layers=config.decoder_layers)
        self.backbone = ResNet(config)
        self.neck = HybridNeck(config)
        self.decoder = Decoder(config, num_classes)

    def new(self) -> AnyDepthDetr:
        """Return a network of the same kind and size with new random weights."""
        return AnyDepthDetr(self.config, self.num_classes)

    def stem(self, images: Tensor) -> Tensor:
        """Return the input of stage P2, (B, C, H / 4, W / 4)."""
        stem: Tensor = self.backbone.stem(images)
        return stem

    def stages(self, stem: Tensor, depth: Depth) -> dict[str, Tensor]:
        """Return the output of every stage by its name, each (B, C, H / stride, W / stride)."""
        maps = self.backbone(stem, depth)
        return maps | self.neck(maps, depth)

    def predict(self, features: dict[str, Tensor], depth: Depth,
                size: tuple[int, int]) -> RawPredictions:
        """Return the predictions for the stages' outputs; see AnyDepthModel.

        N is 300, or the places there are if fewer.
        """
        layers = depth.decoder_layers or self.config.decoder_layers
        logits, boxes = self.decoder(decoder_maps(features), layers)
        return RawPredictions(logits, corners(boxes, *size))

    def train_outputs(self, features: dict[str, Tensor],
                      denoising: DenoisingQueries | None = None) -> DetrOutputs:
        """Return the decoder's outputs for the features of one pass, with all its layers.

        Args:
            features: from `features` at any depth.
            denoising: drawn once per iteration by `draw_denoising`; None for none.
        """
        noise = no_denoising(features['pan5']) if denoising is None else denoising
        return DetrOutputs(self.decoder.train_outputs(decoder_maps(features), noise), noise,
                           features)

    def drop_unused(self, depth: Depth) -> None:
        """Remove, in place, decoder layers and heads that `forward` at this depth never runs."""
        self.decoder.drop_unused(depth.decoder_layers or self.config.decoder_layers)


def decoder_maps(features: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the stages' outputs that the decoder reads, of strides 8, 16 and 32."""
    return features['fpn3'], features['pan4'], features['pan5']


def corners(boxes: Tensor, height: int, width: int) -> Tensor:
    """Turn (..., 4) normalised cx cy w h into x1 y1 x2 y2 in pixels of a height x width image."""
    cx, cy, w, h = boxes.unbind(-1)
    return torch.stack(((cx - w / 2) * width, (cy - h / 2) * height,
                        (cx + w / 2) * width, (cy + h / 2) * height), dim=-1)
