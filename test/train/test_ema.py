# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The averaged weights, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from anydepth_core.train.ema import Averaged


def test_three_steps_by_hand() -> None:
    """With a ramp of 1 / ln 2 steps, step n = 0, 1, 2 keeps 0.8 * (1 - 2^-n) = 0, 0.4, 0.6."""
    model = nn.BatchNorm1d(1)
    average = Averaged(model, decay=0.8, ramp=1 / math.log(2))
    kept = average.module
    # Of the model: a parameter, a buffer and a count; then of the average the first two.
    for weight, mean, count, expected_weight, expected_mean in (
            (10.0, 5.0, 7, 10.0, 5.0),                # the start is forgotten
            (20.0, -5.0, 8, 16.0, -1.0),              # 0.4 * 10 + 0.6 * 20, 0.4 * 5 - 0.6 * 5
            (30.0, 0.0, 9, 21.6, -0.6)):              # 0.6 * 16 + 0.4 * 30, -0.6 * 1
        with torch.no_grad():
            model.weight.fill_(weight)
            model.running_mean.fill_(mean)
            model.num_batches_tracked.fill_(count)
        average.update_parameters(model)
        assert kept.weight.item() == pytest.approx(expected_weight)
        assert kept.running_mean.item() == pytest.approx(expected_mean)
        assert kept.num_batches_tracked.item() == count
        assert (model.weight.item(), model.running_mean.item()) == (weight, mean)
    assert (kept.bias.item(), kept.running_var.item()) == (0.0, pytest.approx(1.0))
