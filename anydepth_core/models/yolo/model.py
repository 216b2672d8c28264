# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""AnyDepth-YOLO: YOLOv12 whose backbone and neck stages have two paths."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from anydepth_core.depth import Depth, DepthSpace
from anydepth_core.models.base import AnyDepthModel, RawPredictions
from anydepth_core.models.yolo.config import YoloConfig
from anydepth_core.models.yolo.head import DenseOutputs, YoloHead
from anydepth_core.models.yolo.stages import (
    DownJoin,
    DownStage,
    UpJoin,
    attention_stage,
    c3k2,
    c3k_stage,
)
from anydepth_core.nn.csp import conv
from anydepth_core.nn.stage import two_paths


class YoloBackbone(nn.Module):
    """Stem and the stages P2 to P5."""

    def __init__(self, config: YoloConfig) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = map(config.channels, (64, 128, 256, 512, 1024))
        c_p3 = config.channels(512)
        groups = (2, 4) if config.layout == 'turbo' else (1, 1)
        self.stem = nn.Sequential(conv(3, c1, 3, 2), conv(c1, c2, 3, 2, groups[0]))
        self.p2 = two_paths(lambda full: c3k2(config, c2, c3, 0.25, full=full, c3k=config.c3k))
        self.p3 = two_paths(lambda full: DownStage(
            c3, c3, groups[1], c3k2(config, c3, c_p3, 0.25, full=full, c3k=config.c3k)))
        self.p4 = two_paths(lambda full: DownStage(
            c_p3, c4, 1, attention_stage(config, c4, 4, full=full)))
        self.p5 = two_paths(lambda full: DownStage(
            c4, c5, 1, attention_stage(config, c5, 1, full=full)))

    def forward(self, stem: Tensor, depth: Depth) -> dict[str, Tensor]:
        """Map the stem's output to the maps 'p2'..'p5' of strides 4, 8, 16, 32."""
        p2 = self.p2(stem, full=depth['p2'])
        p3 = self.p3(p2, full=depth['p3'])
        p4 = self.p4(p3, full=depth['p4'])
        return {'p2': p2, 'p3': p3, 'p4': p4, 'p5': self.p5(p4, full=depth['p5'])}


class YoloNeck(nn.Module):
    """Top-down stages FPN4 and FPN3, then bottom-up stages PAN4 and PAN5."""

    def __init__(self, config: YoloConfig) -> None:
        super().__init__()
        c3, c4, c5 = map(config.channels, (256, 512, 1024))
        self.channels = (c3, c4, c5)
        self.fpn4 = two_paths(lambda full: UpJoin(c3k_stage(config, (c5, c4), c4, full=full)))
        self.fpn3 = two_paths(lambda full: UpJoin(c3k_stage(config, (c4, c4), c3, full=full)))
        self.pan4 = two_paths(lambda full: DownJoin(
            c3, c3k_stage(config, c3 + c4, c4, full=full)))
        self.pan5 = two_paths(lambda full: DownJoin(
            c4, c3k2(config, c4 + c5, c5, 0.5, full=full, c3k=True)))

    def forward(self, maps: dict[str, Tensor], depth: Depth) -> dict[str, Tensor]:
        """Map the backbone's maps to 'fpn4' 'fpn3' 'pan4' 'pan5' of strides 16, 8, 16, 32."""
        fpn4 = self.fpn4(maps['p5'], maps['p4'], full=depth['fpn4'])
        fpn3 = self.fpn3(fpn4, maps['p3'], full=depth['fpn3'])
        pan4 = self.pan4(fpn3, fpn4, full=depth['pan4'])
        pan5 = self.pan5(pan4, maps['p5'], full=depth['pan5'])
        return {'fpn4': fpn4, 'fpn3': fpn3, 'pan4': pan4, 'pan5': pan5}


class AnyDepthYolo(AnyDepthModel):
    """The whole detector.

    Args:
        config: which network of the topology.
        num_classes: classes to score.
    """

    family = 'yolo'
    decoding: Literal['nms', 'top_k'] = 'nms'

    def __init__(self, config: YoloConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.depths = DepthSpace()
        self.backbone = YoloBackbone(config)
        self.neck = YoloNeck(config)
        self.head = YoloHead(self.neck.channels, num_classes)

    def new(self) -> AnyDepthYolo:
        """Return a network of the same kind and size with new random weights."""
        return AnyDepthYolo(self.config, self.num_classes)

    def stem(self, images: Tensor) -> Tensor:
        """Return the input of stage P2, (B, C, H / 4, W / 4)."""
        stem: Tensor = self.backbone.stem(images)
        return stem

    def stages(self, stem: Tensor, depth: Depth) -> dict[str, Tensor]:
        """Return the output of every stage by its name, each (B, C, H / stride, W / stride)."""
        maps = self.backbone(stem, depth)
        return maps | self.neck(maps, depth)

    def detect_dense(self, features: dict[str, Tensor]) -> DenseOutputs:
        """Return the head's outputs for the features of one pass."""
        return self.head((features['fpn3'], features['pan4'], features['pan5']))

    def predict(self, features: dict[str, Tensor], depth: Depth,
                size: tuple[int, int]) -> RawPredictions:
        """Return the predictions for the stages' outputs; see AnyDepthModel."""
        outputs = self.detect_dense(features)
        return RawPredictions(outputs.logits, outputs.boxes)
