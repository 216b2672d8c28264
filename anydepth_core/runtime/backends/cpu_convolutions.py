# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions of PyTorch on a CPU: laid out once, their activation computed in passing."""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS = {nn.SiLU: 'swish', nn.ReLU: 'relu'}


class PackedConv(nn.Module):
    """A convolution and its activation as one operation of oneDNN, in inference and float32.

    Conv2d lays its weight out for the processor anew at every call, and an activation by itself
    reads and writes its map once more (docs/speed.md). From the first call on only the laid out
    weight is kept.

    Args:
        conv: its weight and bias are used, not copied.
        activation: what oneDNN calls it; 'none' for none.
    """

    def __init__(self, conv: nn.Conv2d, activation: str) -> None:
        super().__init__()
        # No parameters: of a laid out weight PyTorch can tell neither type of storage nor numbers.
        self.weight: Tensor = conv.weight.detach()
        self.bias = None if conv.bias is None else conv.bias.detach()
        self.how = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels_out, H / stride, W / stride)."""
        weight = self.weight
        if not weight.is_mkldnn:  # threads that come here at once do the same
            reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
            weight = self.weight = reorder(weight.to_mkldnn(), *self.how, list(x.shape))
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, self.bias, *self.how, self.activation, [], '')
        return result


def can_pack() -> bool:
    """Return whether this PyTorch has these operations for this processor."""
    return (platform.machine() in ('x86_64', 'AMD64') and torch.backends.mkldnn.is_available()
            and hasattr(torch.ops.mkldnn, '_convolution_pointwise')
            and hasattr(torch._C._nn, 'mkldnn_reorder_conv2d_weight'))


def pack(module: nn.Module) -> nn.Module:
    """Replace, in place, every convolution inside `module`, with an activation right after it.

    Returns:
        `module`, or what replaces it.
    """
    if isinstance(module, nn.Conv2d):
        return PackedConv(module, 'none')
    if (isinstance(module, nn.Sequential) and len(module) == 2
            and isinstance(module[0], nn.Conv2d) and type(module[1]) in ACTIVATIONS):
        return PackedConv(module[0], ACTIVATIONS[type(module[1])])
    for name, child in list(module.named_children()):
        setattr(module, name, pack(child))
    return module
