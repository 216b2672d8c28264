# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The YOLO terms against torchvision's and hand-computed values."""

from __future__ import annotations

import math

import torch
from torch.nn import functional
from torchvision.ops import complete_box_iou

from anydepth_core.losses.assign import Targets
from anydepth_core.losses.yolo import (
    YoloLossWeights,
    assign_batch,
    distribution_focal_loss,
    yolo_loss,
)
from anydepth_core.models import create_model

NONE = Targets(torch.zeros(0, dtype=torch.long), torch.zeros(0, 4))


def outputs_of(seed: int = 0):
    """Return dense outputs of a tiny model on two random images, with gradients."""
    torch.manual_seed(seed)
    model = create_model('anydepth-yolo-tiny', num_classes=3)
    images = torch.rand(2, 3, 64, 96)
    return model.detect_dense(model.features(images, model.depths.full))


def test_distribution_focal_loss_by_hand() -> None:
    logits = torch.zeros(1, 4, 16)
    assert math.isclose(float(distribution_focal_loss(logits, torch.full((1, 4), 3.25))),
                        math.log(16), rel_tol=1e-6)
    logits[..., 3] = 100.0
    assert float(distribution_focal_loss(logits, torch.full((1, 4), 3.0))) < 1e-6
    quarter = float(distribution_focal_loss(logits, torch.full((1, 4), 3.25)))
    assert math.isclose(quarter, 25.0, rel_tol=1e-5)  # a quarter of the far bin's log-probability


def test_terms_equal_their_definitions() -> None:
    outputs = outputs_of()
    boxes = torch.tensor([[8., 8, 40, 40], [30, 20, 90, 60]])
    targets = [Targets(torch.tensor([1, 2]), boxes), NONE]
    assigned = assign_batch(outputs, targets)
    terms = yolo_loss(outputs, targets, assigned, YoloLossWeights())
    total = max(float(assigned.scores.sum()), 1.0)
    bce = functional.binary_cross_entropy(outputs.logits.sigmoid(), assigned.scores,
                                          reduction='sum') / total
    torch.testing.assert_close(terms['classes'], 0.5 * bce, rtol=1e-4, atol=1e-5)
    box = 0.0
    for image, target in enumerate(targets):
        for point in assigned.foreground[image].nonzero()[:, 0].tolist():
            goal = target.boxes[assigned.object_index[image, point]][None]
            overlap = complete_box_iou(outputs.boxes[image, point][None], goal)
            box += (1 - overlap[0, 0]) * assigned.scores[image, point].sum() / total
    torch.testing.assert_close(terms['box'], 7.5 * box, rtol=1e-4, atol=1e-5)


def test_images_without_objects_give_a_finite_loss_and_gradients() -> None:
    outputs, empty = outputs_of(), [NONE, NONE]
    terms = yolo_loss(outputs, empty, assign_batch(outputs, empty), YoloLossWeights())
    assert float(terms['box']) == 0 and float(terms['distribution']) == 0
    sum(terms.values()).backward()
    assert math.isfinite(float(terms['classes'])) and float(terms['classes']) > 0
