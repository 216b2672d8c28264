# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Losses, assignment and distillation together: a scene learned by heart at both extremes."""

from __future__ import annotations

import pytest
import torch

from anydepth_core.data.batches import SceneDataset, batches
from anydepth_core.evaluate.batches import evaluate
from anydepth_core.losses.distill import YoloDistillation
from anydepth_core.losses.yolo import YoloLossWeights
from anydepth_core.models import create_model
from anydepth_core.train.step import YoloStep

STEPS = 160


@pytest.mark.timeout(300)  # half a minute of one core
def test_both_extremes_learn_two_scenes() -> None:
    torch.manual_seed(0)
    data = SceneDataset(10, 2, [(160, 192)], (160, 192))
    batch = next(iter(batches(data, 2, 0)))
    model = create_model('anydepth-yolo-tiny', num_classes=8)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.3  # so few steps would leave the statistics of the random start
    step = YoloStep(model, YoloLossWeights(), YoloDistillation())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=STEPS)
    for _ in range(STEPS):
        terms = step(batch.images.float() / 255, batch.targets)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        schedule.step()
    for depth in ('full', 'base'):
        ap50 = evaluate(model, [batch], depth).ap50
        assert ap50 > 0.9, f'{depth}: AP50 {ap50:.2f}'
