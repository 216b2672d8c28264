# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Maps of two sizes brought together, as necks do."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def doubled(x: Tensor) -> Tensor:
    """Return a map (B, C, H, W) with each pixel four times: (B, C, 2 H, 2 W)."""
    return functional.interpolate(x, scale_factor=2.0, mode='nearest')


def joined(deeper: Tensor, beside: Tensor) -> Tensor:
    """Return (B, C1, H, W), doubled, and (B, C2, 2 H, 2 W) as (B, C1 + C2, 2 H, 2 W)."""
    return torch.cat((doubled(deeper), beside), dim=1)
