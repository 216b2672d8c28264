# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""ResNet with average-pooled shortcuts whose stages have two paths (paper section 3.2.1)."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from anydepth_core.depth import Depth
from anydepth_core.models.rtdetr.config import DetrConfig
from anydepth_core.nn.conv import ConvNorm, Norm
from anydepth_core.nn.stage import TwoPathStage, two_paths


def essential_count(count: int) -> int:
    """Return how many of a stage's `count` blocks are essential: half rounded up, but not all."""
    return max(1, min(count - 1, (count + 1) // 2))


def activated(channels_in: int, channels_out: int, kernel: int, stride: int, norm: Norm,
              ) -> ConvNorm:
    """Return a convolution with norm and ReLU."""
    return ConvNorm(channels_in, channels_out, kernel, stride, norm=norm,
                    activation=nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    """ReLU(branch(x) + shortcut(x)) with a branch of two or three convolutions.

    Args:
        channels_in: channels of the input.
        channels: channels of the output.
        stride: step of the 3x3 convolution; the shortcut averages 2x2 pixels to follow it.
        bottleneck: squeeze to a quarter of the channels around one 3x3 convolution.
        project: give the shortcut a 1x1 convolution (first block of a stage).
        norm: makes the norm for a number of channels.
    """

    # As in the authors' network both paths share the whole shortcut, with its one norm.
    shared_norms = ('shortcut',)

    def __init__(self, channels_in: int, channels: int, stride: int, *, bottleneck: bool,
                 project: bool, norm: Norm) -> None:
        super().__init__()
        if bottleneck:
            width = channels // 4
            self.branch = nn.Sequential(
                activated(channels_in, width, 1, 1, norm),
                activated(width, width, 3, stride, norm),
                ConvNorm(width, channels, 1, norm=norm))
        else:
            self.branch = nn.Sequential(
                activated(channels_in, channels, 3, stride, norm),
                ConvNorm(channels, channels, 3, norm=norm))
        self.shortcut = nn.Sequential()
        if stride == 2:
            self.shortcut.append(nn.AvgPool2d(2))
        if project:
            self.shortcut.append(ConvNorm(channels_in, channels, norm=norm))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels, H / stride, W / stride)."""
        return self.activation(self.branch(x) + self.shortcut(x))


def residual_stage(channels_in: int, channels: int, count: int, stride: int, *, bottleneck: bool,
                   norm: Norm) -> nn.Sequential:
    """Return `count` blocks in a row, the first of which changes channels and size."""
    first = ResidualBlock(channels_in, channels, stride, bottleneck=bottleneck, project=True,
                          norm=norm)
    return nn.Sequential(first, *(
        ResidualBlock(channels, channels, 1, bottleneck=bottleneck, project=False, norm=norm)
        for _ in range(count - 1)))


class ResNet(nn.Module):
    """Stem and the stages P2 to P5."""

    def __init__(self, config: DetrConfig) -> None:
        super().__init__()
        norm: Norm = FrozenBatchNorm2d if config.frozen else nn.BatchNorm2d
        width = config.stem_width
        if config.deep_stem:
            convs = [activated(3, width // 2, 3, 2, norm),
                     activated(width // 2, width // 2, 3, 1, norm),
                     activated(width // 2, width, 3, 1, norm)]
        else:
            convs = [activated(3, width, 7, 2, norm)]
        self.stem = nn.Sequential(*convs, nn.MaxPool2d(3, 2, 1)).requires_grad_(not config.frozen)
        widths = (width, *config.stage_channels)

        def stage(index: int, stride: int) -> TwoPathStage:
            count = config.blocks[index]
            return two_paths(lambda full: residual_stage(
                widths[index], widths[index + 1], count if full else essential_count(count),
                stride, bottleneck=config.bottleneck, norm=norm))

        self.p2 = stage(0, 1)
        self.p3 = stage(1, 2)
        self.p4 = stage(2, 2)
        self.p5 = stage(3, 2)

    def forward(self, stem: Tensor, depth: Depth) -> dict[str, Tensor]:
        """Map the stem's output to the maps 'p2'..'p5' of strides 4, 8, 16, 32."""
        p2 = self.p2(stem, full=depth['p2'])
        p3 = self.p3(p2, full=depth['p3'])
        p4 = self.p4(p3, full=depth['p4'])
        return {'p2': p2, 'p3': p3, 'p4': p4, 'p5': self.p5(p4, full=depth['p5'])}
