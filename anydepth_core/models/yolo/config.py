# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What distinguishes one YOLO from another (facts of the published configurations)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anydepth_core.nn.attention import Layout


@dataclass(frozen=True, kw_only=True)
class YoloConfig:
    """One network of the YOLOv12 topology.

    Attributes:
        depth: factor on the number of blocks of each stage.
        width: factor on the channels, after `max_channels` has capped them.
        max_channels: cap on the channels of a stage before `width`.
        c3k: the blocks of P2 and P3 are C3k instead of bottlenecks.
        residual: the attention stages add their input (AnyDepth: every size; official: l and x).
        mlp_ratio: hidden width of the attention blocks' perceptrons.
        c3k2: where a C3k2 stage refines: 'inner', inside each C3k (the paper's networks), or
            'outer', in the number of C3k (the authors' follow-up).
        layout: see AreaAttention; 'turbo' also groups the convolutions before P2 and P3.
    """

    depth: float
    width: float
    max_channels: int
    c3k: bool
    residual: bool = True
    mlp_ratio: float = 2.0
    c3k2: Literal['inner', 'outer'] = 'inner'
    layout: Layout = 'turbo'

    def channels(self, count: int) -> int:
        """Return the channels of a stage that has `count` at width 1: a multiple of 8."""
        return -(-int(min(count, self.max_channels) * self.width) // 8) * 8

    def repeats(self, count: int) -> int:
        """Return the blocks of a stage that has `count` at depth 1; at least one."""
        return max(round(count * self.depth), 1)
