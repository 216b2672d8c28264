# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""An inference form in which the two paths of a stage still share their kernels.

Fusing a norm makes two kernels of one, because each path has its own norm. Here a shared kernel
stays one tensor, and each path multiplies it by its own scale: in a file that is a node on
constants, which a runtime computes once, when it loads the file. What only one path has is fused.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from anydepth_core.models.base import AnyDepthModel, two_path_stages
from anydepth_core.nn.conv import ConvNorm, Fusible, RepConv
from anydepth_core.nn.divided import Divisible


class ScaledConv(nn.Module):
    """A ConvNorm in inference whose kernel is a shared weight times a scale of its own."""

    def __init__(self, original: ConvNorm) -> None:
        super().__init__()
        conv: Any = original.conv
        norm: Any = original.norm
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.conv = conv
        self.scale = nn.Parameter(scale[:, None, None, None].detach().clone())
        self.bias = nn.Parameter((norm.bias - norm.running_mean * scale).detach().clone())
        self.activation = original.activation

    def kernel(self) -> Tensor:
        """Return the fused kernel."""
        conv: Any = self.conv
        return conv.weight[:, :conv.in_channels // conv.groups] * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels_out, H / stride, W / stride)."""
        conv: Any = self.conv
        x = functional.conv2d(x, self.kernel(), self.bias, conv.stride, conv.padding,
                              groups=conv.groups)
        return x if self.activation is None else self.activation(x)


class ScaledRepConv(nn.Module):
    """A RepConv in inference whose one kernel is made of two shared weights."""

    def __init__(self, original: RepConv) -> None:
        super().__init__()
        self.conv3 = ScaledConv(original.conv3)
        self.conv1 = ScaledConv(original.conv1)
        self.activation = original.activation

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        kernel = self.conv3.kernel() + functional.pad(self.conv1.kernel(), (1, 1, 1, 1))
        bias = (self.conv3.bias + self.conv1.bias).detach()
        return self.activation(functional.conv2d(x, kernel, bias, padding=1))


def share_kernels(model: AnyDepthModel) -> list[Tensor]:
    """Give `model`, in place, the form described above; what is divisible must be divided.

    Returns:
        The kernels that two paths share.
    """
    shared: dict[int, Tensor] = {}
    for stage in two_path_stages(model).values():
        of_full = {id(weight) for weight in stage.full.parameters()}
        shared |= {id(weight): weight for weight in stage.essential.parameters()
                   if id(weight) in of_full and weight.dim() == 4}
    _convert(model, set(shared))
    return list(shared.values())


def _convert(module: nn.Module, shared: set[int]) -> nn.Module:
    if isinstance(module, Fusible):
        if not any(id(weight) in shared for weight in module.parameters()):
            return module.fused()
        return ScaledRepConv(module) if isinstance(module, RepConv) else ScaledConv(
            _require_conv(module))
    for name, child in list(module.named_children()):
        setattr(module, name, _convert(child, shared))
    return module


def _require_conv(module: Fusible) -> ConvNorm:
    assert isinstance(module, ConvNorm) and not isinstance(module, Divisible), (
        f'no shared form of {type(module).__name__}')
    return module
