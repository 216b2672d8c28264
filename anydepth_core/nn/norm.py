# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Batch norm that does not learn.

torchvision has one like it, but importing torchvision brings in PyTorch's compiler, which is a
fifth of the time in which a node starts.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class FrozenBatchNorm2d(nn.Module):
    """Batch norm in training and out of it by given statistics: (B, C, H, W) to the same.

    All its numbers are buffers with the names that `nn.BatchNorm2d` gives them, so no optimizer
    sees them and the state of either loads into the other.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer('weight', torch.ones(channels))
        self.register_buffer('bias', torch.zeros(channels))
        self.register_buffer('running_mean', torch.zeros(channels))
        self.register_buffer('running_var', torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift each channel."""
        weight, bias, mean, variance = (
            values.reshape(1, -1, 1, 1)
            for values in (self.weight, self.bias, self.running_mean, self.running_var))
        scale = weight * (variance + self.eps).rsqrt()
        return x * scale + (bias - mean * scale)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Overlook the one entry that only a norm which learns has use for."""
        state_dict.pop(f'{prefix}num_batches_tracked', None)
        super()._load_from_state_dict(state_dict, prefix, *rest)
