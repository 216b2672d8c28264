# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The YOLO terms against torchvision's and hand-computed values."""

from __future__ import annotations

import math

import torch
from torch.nn import functional
from torchvision.ops import complete_box_iou

from anydepth_core.losses.assign import Assignment, Targets
from anydepth_core.losses.yolo import (
    YoloLossWeights,
    assign_batch,
    distribution_focal_loss,
    yolo_loss,
)
from anydepth_core.models import create_model
from anydepth_core.models.yolo.head import DenseOutputs

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
    assigned = assign_batch(outputs, targets, YoloLossWeights())
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


def test_distribution_term_by_hand() -> None:
    """Two images of two objects, one of none between; a point of stride 8, one of stride 16."""
    side_logits = torch.randn(3, 2, 4, 16, generator=torch.Generator().manual_seed(0))
    outputs = DenseOutputs(torch.zeros(3, 2, 3), side_logits, torch.tensor([0., 0, 9, 9]).expand(
        3, 2, 4), torch.tensor([[20., 12], [40, 24]]), torch.tensor([[8.], [16]]))
    first, last = (Targets(torch.tensor([0, 1]), torch.tensor(boxes)) for boxes in (
        [[24., 16, 44, 64], [2, 8, 40, 36]], [[16., 12, 28, 22], [0, 0, 100, 60]]))
    scores = torch.tensor([[[0.5, 0, 0], [0, 1, 0]], [[0., 0, 0], [0, 0, 0]],
                           [[0.75, 0, 0], [0, 0.25, 0.25]]])
    assigned = Assignment(scores.any(dim=2), torch.tensor([[1, 0], [0, 0], [0, 1]]), scores)
    # Image, point, left, top, right, bottom in strides, soft class target; these sum to 2.75.
    rows = [(0, 0, (2.25, 0.5, 2.5, 3.0), 0.5), (0, 1, (1.0, 0.5, 0.25, 2.5), 1.0),
            (2, 0, (0.5, 0.0, 1.0, 1.25), 0.75), (2, 1, (2.5, 1.5, 3.75, 2.25), 0.5)]
    expected = 0.0
    for image, point, distances, weight in rows:
        for side, distance in enumerate(distances):
            chances = side_logits[image, point, side].softmax(dim=0).tolist()
            expected -= weight / 2.75 / 4 * sum(
                max(0.0, 1 - abs(distance - place)) * math.log(chance)
                for place, chance in enumerate(chances))
    got = yolo_loss(outputs, [first, NONE, last], assigned, YoloLossWeights(distribution=1.5))
    assert math.isclose(float(got['distribution']), 1.5 * expected, rel_tol=1e-5)


def test_images_without_objects_give_a_finite_loss_and_gradients() -> None:
    outputs, empty = outputs_of(), [NONE, NONE]
    terms = yolo_loss(outputs, empty, assign_batch(outputs, empty, YoloLossWeights()),
                      YoloLossWeights())
    assert float(terms['box']) == 0 and float(terms['distribution']) == 0
    sum(terms.values()).backward()
    assert math.isfinite(float(terms['classes'])) and float(terms['classes']) > 0
