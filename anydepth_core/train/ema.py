# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The averaged weights that are evaluated and published."""

from __future__ import annotations

from collections.abc import Callable
import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(model: nn.Module, decay: float, ramp: float) -> AveragedModel:
    """Return an exponential moving average of parameters and buffers.

    Step n keeps `decay * (1 - exp(-n / ramp))` of the average, so the random start is forgotten.
    Tied tensors stay tied in the copy.
    """
    return AveragedModel(model, multi_avg_fn=_average(decay, ramp), use_buffers=True)


def _average(decay: float, ramp: float) -> Callable[..., None]:
    @torch.no_grad()
    def update(average: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        keep = decay * (1 - math.exp(-float(count) / ramp))
        if average[0].is_floating_point():
            torch._foreach_lerp_(average, current, 1 - keep)
        else:
            torch._foreach_copy_(average, current)

    return update
