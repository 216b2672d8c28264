# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The averaged weights that are evaluated and published."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class Averaged(AveragedModel):
    """Exponential moving average of a model's parameters and buffers.

    Step n keeps `decay * (1 - exp(-n / ramp))` of the average, so the random start is forgotten.
    Tied tensors stay tied in the copy. What is averaged is listed once: to walk through a network
    of two thousand modules takes ten times as long as to average it.

    Args:
        model: whose average this is; its tensors must stay the same objects.
        decay: share of the average that a late step keeps.
        ramp: in steps.
    """

    def __init__(self, model: nn.Module, decay: float, ramp: float) -> None:
        super().__init__(model, use_buffers=True)
        self.decay, self.ramp = decay, ramp
        pairs = list(zip(_tensors(self.module), _tensors(model)))
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        counts = [pair for pair in pairs if not pair[0].is_floating_point()]
        self._floats, self._counts = _columns(floats), _columns(counts)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module | None = None) -> None:
        """Move the average towards the model as it is now; only the one it was made from."""
        keep = self.decay * (1 - math.exp(-float(self.n_averaged) / self.ramp))
        average, current = self._floats
        torch._foreach_lerp_(average, current, 1 - keep)
        average, current = self._counts
        if average:
            torch._foreach_copy_(average, current)
        self.n_averaged += 1


def _tensors(model: nn.Module) -> list[Tensor]:
    return [each.detach() for each in (*model.parameters(), *model.buffers())]


def _columns(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [one for one, _ in pairs], [other for _, other in pairs]
