# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Convolution, normalisation and activation as one block, and how each of these fuses."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

Norm = Callable[[int], nn.Module]


class Fusible(nn.Module):
    """A module that knows a cheaper module of equal outputs in inference."""

    @abstractmethod
    def fused(self) -> nn.Module:
        """Return the cheaper module; the original stays as it is."""


class ConvNorm(Fusible):
    """Convolution without bias, normalisation, activation.

    Args:
        channels_in, channels_out: numbers of channels.
        kernel: side of the square kernel; the padding keeps the size at stride 1.
        stride: step in pixels.
        groups: number of channel groups.
        activation: module applied last; None for none.
        norm: makes the norm for a number of channels.
        sliced_from: when given, the weight has this many input channels and only the first
            `channels_in` of them are used (see ColumnSliceConv2d).
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1,
                 groups: int = 1, *, activation: nn.Module | None = None,
                 norm: Norm = nn.BatchNorm2d, sliced_from: int | None = None) -> None:
        super().__init__()
        if sliced_from is None:
            self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2,
                                  groups=groups, bias=False)
        else:
            self.conv = ColumnSliceConv2d(channels_in, channels_out, sliced_from)
        self.norm = norm(channels_out)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels_out, H / stride, W / stride)."""
        x = self.norm(self.conv(x))
        return x if self.activation is None else self.activation(x)

    def fused_conv(self) -> nn.Conv2d:
        """Return one convolution with bias that equals convolution and norm in inference."""
        conv: Any = self.conv
        norm: Any = self.norm
        weight, bias = fuse_conv_bn_weights(
            conv.weight[:, :conv.in_channels // conv.groups], None, norm.running_mean,
            norm.running_var, norm.eps, norm.weight, norm.bias)
        fused = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride,
                          conv.padding, groups=conv.groups, device='meta')
        fused.weight = nn.Parameter(weight.detach().clone())
        fused.bias = nn.Parameter(bias.detach().clone())
        return fused

    def fused(self) -> nn.Module:
        """Return the convolution with bias, followed by the activation if there is one."""
        conv = self.fused_conv()
        return conv if self.activation is None else nn.Sequential(conv, self.activation)


class ColumnSliceConv2d(nn.Conv2d):
    """A 1x1 convolution that uses only the first input channels of a wider weight.

    The weight has the shape of the full path's aggregator, so tying the two paths makes it that
    very parameter; the essential path then reads the columns of the blocks it has run (paper
    section 3.2.2, stages of fewer than four blocks).
    """

    def __init__(self, channels_in: int, channels_out: int, sliced_from: int) -> None:
        super().__init__(sliced_from, channels_out, 1, bias=False)
        self.in_channels = channels_in

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels_out, H, W)."""
        return functional.conv2d(x, self.weight[:, :self.in_channels])


class RepConv(Fusible):
    """RepVGG block without identity branch: activation(norm(3x3 conv) + norm(1x1 conv))."""

    def __init__(self, channels: int, *, activation: nn.Module, norm: Norm = nn.BatchNorm2d,
                 ) -> None:
        super().__init__()
        self.conv3 = ConvNorm(channels, channels, 3, norm=norm)
        self.conv1 = ConvNorm(channels, channels, 1, norm=norm)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return self.activation(self.conv3(x) + self.conv1(x))

    def fused(self) -> nn.Module:
        """Return one 3x3 convolution and the activation: the 1x1 kernel is the centre tap."""
        conv, point = self.conv3.fused_conv(), self.conv1.fused_conv()
        assert conv.bias is not None and point.bias is not None
        with torch.no_grad():
            conv.weight += functional.pad(point.weight, (1, 1, 1, 1))
            conv.bias += point.bias
        return nn.Sequential(conv, self.activation)


def fuse(module: nn.Module) -> nn.Module:
    """Replace, in place, every fusible module inside `module`; return `module` (or its fusion)."""
    if isinstance(module, Fusible):
        return module.fused()
    for name, child in list(module.named_children()):
        setattr(module, name, fuse(child))
    return module
