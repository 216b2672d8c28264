# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The stages of the YOLO family and how their two paths are built."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from anydepth_core.models.yolo.config import YoloConfig
from anydepth_core.nn.attention import AttentionBlock
from anydepth_core.nn.conv import ConvNorm
from anydepth_core.nn.csp import Bottleneck, C3k, Csp, conv, join_conv, split_conv

C3K_BOTTLENECKS = 2
OWN_AGGREGATOR_BLOCKS = 4


def essential_count(count: int) -> int:
    """Return how many of `count` blocks are essential: half, rounded up (paper section 3.2)."""
    return (count + 1) // 2


def c3k2(config: YoloConfig, channels_in: int, channels_out: int, expansion: float, *,
         full: bool, c3k: bool) -> Csp:
    """Return a C3k2 of one path; inner or outer refinement as the config says."""
    hidden = int(channels_out * expansion)
    total = config.repeats(2)
    inner = config.c3k2 == 'inner'
    count = total if full or inner else essential_count(total)
    depth = essential_count(C3K_BOTTLENECKS) if inner and not full else C3K_BOTTLENECKS
    return Csp(split_conv(channels_in, 2 * hidden, 2), channels_out, hidden,
               lambda: C3k(hidden, depth) if c3k else Bottleneck(hidden, 0.5), count,
               slice_count=total if count < total else None)


def attention_stage(config: YoloConfig, channels: int, areas: int, *, full: bool) -> Csp:
    """Return an A2C2f with attention; a block is two attention blocks in a row."""
    hidden = channels // 2
    total = config.repeats(4)

    def block() -> nn.Module:
        return nn.Sequential(*(AttentionBlock(hidden, areas, config.mlp_ratio, config.layout)
                               for _ in range(2)))

    return _aggregated(conv(channels, hidden), channels, hidden, block, total, full,
                       config.residual)


def c3k_stage(config: YoloConfig, channels_in: int | tuple[int, int], channels_out: int, *,
              full: bool) -> Csp:
    """Return an A2C2f without attention; a block is a C3k.

    It reads one map or, with two numbers of channels, two as an UpJoin has them.
    """
    hidden = channels_out // 2
    enter = (conv(channels_in, hidden) if isinstance(channels_in, int)
             else join_conv(*channels_in, hidden))
    return _aggregated(enter, channels_out, hidden, lambda: C3k(hidden, C3K_BOTTLENECKS),
                       config.repeats(2), full, False)


def _aggregated(enter: ConvNorm, channels_out: int, hidden: int, block: Callable[[], nn.Module],
                total: int, full: bool, residual: bool) -> Csp:
    """Return one path of an A2C2f; stages of four blocks and more have an aggregator per path."""
    count = total if full else essential_count(total)
    sliced = count < total < OWN_AGGREGATOR_BLOCKS
    return Csp(enter, channels_out, hidden, block, count, residual=residual,
               slice_count=total if sliced else None)


class DownStage(nn.Module):
    """A backbone stage with the stride-2 convolution that feeds it."""

    def __init__(self, channels_in: int, channels: int, groups: int, block: nn.Module) -> None:
        super().__init__()
        self.down = conv(channels_in, channels, 3, 2, groups)
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, C, H / 2, W / 2)."""
        return self.block(self.down(x))


class UpJoin(nn.Module):
    """A neck stage that doubles the deeper map and joins it with the one beside it."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, deeper: Tensor, beside: Tensor) -> Tensor:
        """Map (B, C1, H, W) and (B, C2, 2 H, 2 W) to (B, C, 2 H, 2 W)."""
        return self.block(deeper, beside)


class DownJoin(nn.Module):
    """A neck stage that halves the finer map and joins it with the one beside it."""

    def __init__(self, channels_finer: int, block: nn.Module) -> None:
        super().__init__()
        self.down: ConvNorm = conv(channels_finer, channels_finer, 3, 2)
        self.block = block

    def forward(self, finer: Tensor, beside: Tensor) -> Tensor:
        """Map (B, C1, 2 H, 2 W) and (B, C2, H, W) to (B, C, H, W)."""
        return self.block(torch.cat((self.down(finer), beside), dim=1))
