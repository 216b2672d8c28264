# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-stage-partial blocks of the YOLO family (YOLOv12, arXiv 2502.12524; paper section 3.2.2).

The classes are ordinary: any number of blocks, one norm each. An essential path is the same class
with fewer blocks, whose aggregator may be a column slice of the full path's.
"""

from __future__ import annotations

from collections.abc import Callable
import functools

import torch
from torch import Tensor, nn

from anydepth_core.nn.conv import ColumnSliceConv2d, ConvNorm
from anydepth_core.nn.divided import JoinConvNorm, SplitConvNorm
from anydepth_core.nn.stage import TwoPathStage

norm = functools.partial(nn.BatchNorm2d, eps=1e-3, momentum=0.03)


def conv(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, groups: int = 1,
         *, activate: bool = True, sliced_from: int | None = None) -> ConvNorm:
    """Return the family's convolution: batch norm with its constants, SiLU unless told not to."""
    return ConvNorm(channels_in, channels_out, kernel, stride, groups, norm=norm,
                    activation=nn.SiLU() if activate else None, sliced_from=sliced_from)


def split_conv(channels_in: int, channels_out: int, count: int, repeats: int = 1, *,
               activate: bool = True) -> SplitConvNorm:
    """Return a 1x1 one whose result is split into `count` maps; see SplitConvNorm."""
    return SplitConvNorm(channels_in, channels_out, count, repeats, norm=norm,
                         activation=nn.SiLU() if activate else None)


def join_conv(channels_deeper: int, channels_beside: int, channels_out: int) -> JoinConvNorm:
    """Return a 1x1 one of a doubled map and one beside it; see JoinConvNorm."""
    return JoinConvNorm(channels_deeper, channels_beside, channels_out, norm=norm,
                        activation=nn.SiLU())


class Bottleneck(nn.Module):
    """Two 3x3 convolutions added to their input."""

    def __init__(self, channels: int, expansion: float) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.conv1 = conv(channels, hidden, 3)
        self.conv2 = conv(hidden, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return x + self.conv2(self.conv1(x))


class C3k(nn.Module):
    """Half of the channels through `count` bottlenecks, half past them, joined by a 1x1."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.conv1 = conv(channels, hidden)
        self.conv2 = conv(channels, hidden)
        self.blocks = nn.Sequential(*(Bottleneck(hidden, 1.0) for _ in range(count)))
        self.aggregate = conv(2 * hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return self.aggregate(torch.cat((self.blocks(self.conv1(x)), self.conv2(x)), dim=1))


class Csp(nn.Module):
    """Blocks in a row whose outputs are all concatenated and reduced by an aggregator (Eq. 3).

    C3k2 starts from two halves of its first convolution, A2C2f from one map.

    Args:
        enter: makes what the first block reads, (B, hidden, H, W), or several of which it reads
            the last one.
        channels_out: number of channels of the result.
        hidden: channels of each block.
        make_block: makes one block, (B, hidden, H, W) to the same shape.
        count: blocks to run.
        slice_count: when given, the aggregator is a column slice of one for this many blocks.
        residual: add the input, with a learned scale per channel that starts at 0.01.
    """

    def __init__(self, enter: ConvNorm, channels_out: int, hidden: int,
                 make_block: Callable[[], nn.Module], count: int, *,
                 slice_count: int | None = None, residual: bool = False) -> None:
        super().__init__()
        entries = enter.split.count if isinstance(enter, SplitConvNorm) else 1
        self.enter = enter
        self.blocks = nn.ModuleList(make_block() for _ in range(count))
        self.aggregate = conv(
            (entries + count) * hidden, channels_out,
            sliced_from=None if slice_count is None else (entries + slice_count) * hidden)
        self.gamma = nn.Parameter(torch.full((channels_out,), 0.01)) if residual else None

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map what `enter` reads to (B, channels_out, H, W), the size of what that makes.

        With `residual` that is one map (B, channels_out, H, W).
        """
        entered = self.enter(*inputs)
        outputs = list(entered) if isinstance(entered, tuple) else [entered]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        y = self.aggregate(torch.cat(outputs, dim=1))
        return y if self.gamma is None else inputs[0] + self.gamma[:, None, None] * y


def slice_aggregators(model: nn.Module) -> int:
    """Make, in place, every essential path's own aggregator a column slice of the full path's.

    Undoes the paper's switchable aggregator (section 3.2.2), to measure what it is worth.

    Returns:
        How many there were; 0 for a network that has none of its own.
    """
    count = 0
    for stage in [module for module in model.modules() if isinstance(module, TwoPathStage)]:
        full_modules = dict(stage.full.named_modules())
        for name, block in stage.essential.named_modules():
            twin = full_modules.get(name)
            if not isinstance(block, Csp) or not isinstance(twin, Csp):
                continue
            own, wide = block.aggregate.conv, twin.aggregate.conv
            if own.weight.shape != wide.weight.shape:
                with torch.device('meta'):
                    sliced = ColumnSliceConv2d(own.in_channels, own.out_channels, wide.in_channels)
                sliced.weight = wide.weight
                block.aggregate.conv = sliced
                count += 1
    return count
