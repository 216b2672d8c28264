# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Losses, assignment and distillation together: a scene learned by heart at both extremes."""

from __future__ import annotations

import torch

from anydepth_core.data.batches import SceneDataset, batches
from anydepth_core.evaluate.batches import evaluate
from anydepth_core.losses.distill import YoloDistillation
from anydepth_core.losses.yolo import YoloLossWeights
from anydepth_core.models import create_model
from anydepth_core.train.step import YoloStep

STEPS = 90


def test_both_extremes_learn_two_scenes() -> None:
    torch.manual_seed(0)
    data = SceneDataset(10, 2, [(192, 256)], (192, 256))
    batch = next(iter(batches(data, 2, 0)))
    model = create_model('anydepth-yolo-tiny', num_classes=8)
    step = YoloStep(model, YoloLossWeights(), YoloDistillation())
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.0)
    for _ in range(STEPS):
        terms = step(batch.images.float() / 255, batch.targets)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    for depth in ('full', 'base'):
        assert evaluate(model, [batch], depth).ap50 > 0.9, depth
