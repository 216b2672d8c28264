# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What distinguishes one AnyDepth-DETR from another (facts of the published configurations)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DetrConfig:
    """One network of the RT-DETR topology (arXiv 2304.08069).

    Attributes:
        blocks: residual blocks of P2, P3, P4 and P5.
        bottleneck: blocks of three convolutions (1x1, 3x3, 1x1) instead of two 3x3.
        deep_stem: three 3x3 convolutions, as in the official RT-DETR, instead of one 7x7.
        frozen: the backbone's norms and stem are not trained.
        stem_width: channels after the stem; P2's 3x3 convolutions have as many.
        neck_width: channels of the neck.
        neck_hidden: hidden width of the perceptron in the neck's transformer layer.
        expansion: width of the neck's RepVGG blocks, as a fraction of `neck_width`.
        decoder_width: channels of queries and memory.
        decoder_hidden: hidden width of the perceptrons in the decoder layers.
        decoder_layers: decoder layers at full depth.
        queries: detections per image.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    deep_stem: bool = True
    frozen: bool = False
    stem_width: int = 64
    neck_width: int = 256
    neck_hidden: int = 1024
    expansion: float = 1.0
    decoder_width: int = 256
    decoder_hidden: int = 1024
    decoder_layers: int = 6
    queries: int = 300

    @property
    def stage_channels(self) -> tuple[int, int, int, int]:
        """Output channels of P2, P3, P4 and P5."""
        width = self.stem_width * (4 if self.bottleneck else 1)
        return (width, 2 * width, 4 * width, 8 * width)
