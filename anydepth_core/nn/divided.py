# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""1x1 convolutions that inference may divide: those of two joined maps, those that are split.

Divided, they make the same numbers with less to compute or to move. Which is quicker hangs on the
runtime, so `fused` leaves them whole.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from anydepth_core.nn.conv import ConvNorm, Norm
from anydepth_core.nn.maps import doubled, joined


class Divisible(ConvNorm):
    """A 1x1 ConvNorm that can be done by several, each with a part of the kernel."""

    @abstractmethod
    def parts(self) -> list[ConvNorm]:
        """Return these convolutions, in inference, with copies of their parts of the kernel."""

    @abstractmethod
    def of(self, parts: list[ConvNorm]) -> nn.Module:
        """Return what calls `parts` and equals this module."""


class SplitConvNorm(Divisible):
    """A 1x1 ConvNorm whose result is split by channel into maps of one width.

    Args:
        channels_in: number of channels.
        channels_out: that of all maps together.
        count: number of maps.
        repeats: how often the channels go through the maps: 1 if each map has its channels
            together, the number of heads if each head has its own of every map.
        activation, norm: as of ConvNorm.
    """

    def __init__(self, channels_in: int, channels_out: int, count: int, repeats: int = 1, *,
                 activation: nn.Module | None = None, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__(channels_in, channels_out, activation=activation, norm=norm)
        self.split = Split(count, repeats)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Map (B, channels_in, H, W) to `count` maps (B, channels_out / count, H, W)."""
        return self.split(super().forward(x))

    def fused(self) -> nn.Module:
        """Return the convolution with bias and its activation, whose result is split."""
        return nn.Sequential(super().fused(), self.split)

    def parts(self) -> list[ConvNorm]:
        """Return a convolution for each map."""
        weight: Any = self.conv.weight
        norm: Any = self.norm
        statistics = zip(*(self.split(each, dim=0) for each in (
            norm.weight, norm.bias, norm.running_mean, norm.running_var)))
        return [_part(kernel, *each, eps=norm.eps, activation=self.activation)
                for kernel, each in zip(self.split(weight, dim=0), statistics)]

    def of(self, parts: list[ConvNorm]) -> nn.Module:
        """Return them side by side."""
        return SideBySide(parts)


class Split(nn.Module):
    """Splits a tensor by channel; see SplitConvNorm."""

    def __init__(self, count: int, repeats: int = 1) -> None:
        super().__init__()
        self.count = count
        self.repeats = repeats

    def forward(self, x: Tensor, dim: int = 1) -> tuple[Tensor, ...]:
        """Return `count` tensors with the channels, dimension `dim`, of each map."""
        if self.repeats == 1:
            return x.chunk(self.count, dim)
        maps = x.unflatten(dim, (self.repeats, self.count, -1)).unbind(dim + 1)
        return tuple(each.flatten(dim, dim + 1) for each in maps)


class SideBySide(nn.Module):
    """Modules that all read the same map."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map (B, channels, H, W) to what each of them returns."""
        return tuple(part(x) for part in self.parts)


class JoinConvNorm(Divisible):
    """A 1x1 ConvNorm of a map and, before it by channel, one of half its size that is doubled.

    Args:
        channels_deeper, channels_beside: channels of the smaller and of the larger map.
        channels_out: channels of the result.
        activation, norm: as of ConvNorm.
    """

    def __init__(self, channels_deeper: int, channels_beside: int, channels_out: int, *,
                 activation: nn.Module | None = None, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__(channels_deeper + channels_beside, channels_out, activation=activation,
                         norm=norm)
        self.channels_deeper = channels_deeper

    def forward(self, deeper: Tensor, beside: Tensor) -> Tensor:  # type: ignore[override]
        """Map (B, C1, H, W) and (B, C2, 2 H, 2 W) to (B, channels_out, 2 H, 2 W)."""
        return super().forward(joined(deeper, beside))

    def fused(self) -> nn.Module:
        """Return the convolution with bias and its activation, of the joined maps."""
        return Joined(super().fused())

    def parts(self) -> list[ConvNorm]:
        """Return a convolution for each of the two maps; the second one adds the shift."""
        weight: Any = self.conv.weight
        norm: Any = self.norm
        none = torch.zeros_like(norm.bias)
        return [_part(weight[:, :self.channels_deeper], norm.weight, none, none,
                      norm.running_var, eps=norm.eps),
                _part(weight[:, self.channels_deeper:], norm.weight, norm.bias,
                      norm.running_mean, norm.running_var, eps=norm.eps)]

    def of(self, parts: list[ConvNorm]) -> nn.Module:
        """Return their sum, of which the first one is doubled after its convolution."""
        return DoubledSum(*parts, activation=self.activation)


class Joined(nn.Module):
    """A module of two maps that are joined first."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, deeper: Tensor, beside: Tensor) -> Tensor:
        """Map (B, C1, H, W) and (B, C2, 2 H, 2 W) to what `module` makes of both."""
        result: Tensor = self.module(joined(deeper, beside))
        return result


class DoubledSum(nn.Module):
    """Adds what a module makes of a map, doubled, to what another makes of a larger map."""

    def __init__(self, first: nn.Module, second: nn.Module, *, activation: nn.Module | None,
                 ) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.activation = activation

    def forward(self, deeper: Tensor, beside: Tensor) -> Tensor:
        """Map (B, C1, H, W) and (B, C2, 2 H, 2 W) to (B, C, 2 H, 2 W)."""
        x = doubled(self.first(deeper)) + self.second(beside)
        return x if self.activation is None else self.activation(x)


def divide(model: nn.Module) -> None:
    """Divide, in place, what is divisible inside `model`, for inference.

    A kernel that modules share is shared in parts. Norms must be batch norms.
    """
    kernels: dict[Tensor, list[Any]] = {}
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if isinstance(module, Divisible):
            parts = module.parts()
            whole: Any = module.conv.weight
            for part, kernel in zip(parts, kernels.setdefault(
                    whole, [part.conv.weight for part in parts])):
                part.conv.weight = kernel
            model.set_submodule(name, module.of(parts))


def _part(kernel: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, *,
          eps: float, activation: nn.Module | None = None) -> ConvNorm:
    part = ConvNorm(kernel.shape[1], len(kernel), activation=activation,
                    norm=lambda channels: nn.BatchNorm2d(channels, eps=eps)).to(kernel).eval()
    part.load_state_dict({'conv.weight': kernel, 'norm.weight': scale, 'norm.bias': shift,
                          'norm.running_mean': mean, 'norm.running_var': variance,
                          'norm.num_batches_tracked': torch.tensor(0)})
    return part
