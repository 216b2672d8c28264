# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""RT-DETR's hybrid encoder (arXiv 2304.08069, section 4.2) whose stages have two paths."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anydepth_core.depth import Depth
from anydepth_core.models.rtdetr.config import DetrConfig
from anydepth_core.nn.conv import ConvNorm, RepConv
from anydepth_core.nn.maps import joined
from anydepth_core.nn.position import sine_positions
from anydepth_core.nn.stage import two_paths
from anydepth_core.nn.transformer import EncoderLayer

HEADS = 8
BLOCKS = 3


def essential_count(count: int) -> int:
    """Return how many of `count` RepVGG blocks are essential: 1 of 3 (paper appendix A.1)."""
    return max(1, (count + 1) // 2 - 1)


class CspRep(nn.Module):
    """RepVGG blocks on one 1x1 projection of the input, added to a second projection.

    Args:
        channels_in, channels: of input and output.
        count: RepVGG blocks in a row.
        expansion: their width as a fraction of `channels`; a last 1x1 convolution restores the
            channels where it is not 1.
    """

    def __init__(self, channels_in: int, channels: int, count: int, expansion: float) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.conv1 = ConvNorm(channels_in, hidden, activation=nn.SiLU())
        self.conv2 = ConvNorm(channels_in, hidden, activation=nn.SiLU())
        self.blocks = nn.Sequential(*(RepConv(hidden, activation=nn.SiLU())
                                      for _ in range(count)))
        self.conv3 = (nn.Identity() if hidden == channels
                      else ConvNorm(hidden, channels, activation=nn.SiLU()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels, H, W)."""
        return self.conv3(self.blocks(self.conv1(x)) + self.conv2(x))


def join(config: DetrConfig, *, full: bool) -> CspRep:
    """Return the CspRep that reduces two concatenated maps of the neck to one."""
    count = BLOCKS if full else essential_count(BLOCKS)
    return CspRep(2 * config.neck_width, config.neck_width, count, config.expansion)


class TopDown(nn.Module):
    """FPN stage: convolves the deeper map, doubles it and joins it with the one beside it."""

    def __init__(self, config: DetrConfig, *, full: bool) -> None:
        super().__init__()
        self.lateral = ConvNorm(config.neck_width, config.neck_width, activation=nn.SiLU())
        self.join = join(config, full=full)

    def forward(self, deeper: Tensor, beside: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, H, W) and (B, C, 2 H, 2 W) to the convolved deeper and the joined map."""
        deeper = self.lateral(deeper)
        return deeper, self.join(joined(deeper, beside))


class FirstTopDown(nn.Module):
    """FPN4: projects the backbone's maps, lets P5 attend to itself, then is a TopDown."""

    def __init__(self, config: DetrConfig, *, full: bool) -> None:
        super().__init__()
        self.projections = nn.ModuleList(ConvNorm(channels, config.neck_width)
                                         for channels in config.stage_channels[1:])
        self.attention = EncoderLayer(config.neck_width, HEADS, config.neck_hidden)
        self.top_down = TopDown(config, full=full)

    def forward(self, *maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map P3, P4, P5 of the backbone to projected P3, convolved P5 and FPN4."""
        p3, p4, p5 = (project(x) for project, x in zip(self.projections, maps, strict=True))
        height, width = p5.shape[-2:]
        positions = sine_positions(height, width, p5.shape[1], p5.device)
        tokens = self.attention(p5.flatten(2).transpose(1, 2), positions)
        return (p3, *self.top_down(tokens.transpose(1, 2).unflatten(2, (height, width)), p4))


class BottomUp(nn.Module):
    """PAN stage: a stride-2 convolution of the finer map, joined with the one beside it."""

    def __init__(self, config: DetrConfig, *, full: bool) -> None:
        super().__init__()
        self.down = ConvNorm(config.neck_width, config.neck_width, 3, 2, activation=nn.SiLU())
        self.join = join(config, full=full)

    def forward(self, finer: Tensor, beside: Tensor) -> Tensor:
        """Map (B, C, 2 H, 2 W) and (B, C, H, W) to (B, C, H, W)."""
        return self.join(torch.cat((self.down(finer), beside), dim=1))


class HybridNeck(nn.Module):
    """Top-down stages FPN4 and FPN3, then bottom-up stages PAN4 and PAN5."""

    def __init__(self, config: DetrConfig) -> None:
        super().__init__()
        self.fpn4 = two_paths(lambda full: FirstTopDown(config, full=full))
        self.fpn3 = two_paths(lambda full: TopDown(config, full=full))
        self.pan4 = two_paths(lambda full: BottomUp(config, full=full))
        self.pan5 = two_paths(lambda full: BottomUp(config, full=full))

    def forward(self, maps: dict[str, Tensor], depth: Depth) -> dict[str, Tensor]:
        """Map the backbone's maps to 'fpn4' 'fpn3' 'pan4' 'pan5' of strides 16, 8, 16, 32."""
        p3, lateral5, fpn4 = self.fpn4(maps['p3'], maps['p4'], maps['p5'], full=depth['fpn4'])
        lateral4, fpn3 = self.fpn3(fpn4, p3, full=depth['fpn3'])
        pan4 = self.pan4(fpn3, lateral4, full=depth['pan4'])
        pan5 = self.pan5(pan4, lateral5, full=depth['pan5'])
        return {'fpn4': fpn4, 'fpn3': fpn3, 'pan4': pan4, 'pan5': pan5}
