# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Task-aligned assignment against a slow reading of its definition."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import box_iou

from anydepth_core.losses.assign import (
    CANDIDATES,
    PUBLISHED,
    SMALL_OBJECTS,
    Assignment,
    Rule,
    Targets,
)
from anydepth_core.losses.assign import assign as assign_batch


def case(seed: int, objects: int, classes: int = 3, side: int = 8) -> tuple:
    """Return scores, boxes, points and targets of a side x side map of stride 8."""
    generator = torch.Generator().manual_seed(seed)
    step = torch.arange(side) * 8.0 + 4
    points = torch.stack(torch.meshgrid(step, step, indexing='xy'), dim=-1).reshape(-1, 2)
    half = torch.rand(len(points), 2, generator=generator) * 20 + 2
    boxes = torch.cat((points - half, points + half), dim=1)
    scores = torch.rand(len(points), classes, generator=generator)
    corner = torch.rand(objects, 2, generator=generator) * 40
    size = torch.rand(objects, 2, generator=generator) * 24 + 9
    labels = torch.randint(0, classes, (objects,), generator=generator)
    return scores, boxes, points, Targets(labels, torch.cat((corner, corner + size), dim=1))


def assign(scores, boxes, points, targets: Targets, rule: Rule = SMALL_OBJECTS) -> Assignment:
    """Assign a batch of this image alone; return what became of the image."""
    return Assignment(*(field[0] for field in assign_batch(scores[None], boxes[None], points,
                                                           [targets], rule)))


def slow_assign(scores, boxes, points, targets, rule) -> dict[int, tuple[int, float]]:
    """Return {point: (object, soft target)}, one pair at a time."""
    overlap = box_iou(targets.boxes, boxes)
    wanted: dict[int, list[int]] = {}
    alignments = {}
    for o, (label, box) in enumerate(zip(targets.labels.tolist(), targets.boxes.tolist())):
        ranked = []
        for p, (x, y) in enumerate(points.tolist()):
            if box[0] < x < box[2] and box[1] < y < box[3]:
                least = max(float(overlap[o, p]), rule.least_overlap)
                value = float(scores[p, label]) ** 0.5 * least ** 6
                alignments[o, p] = value
                ranked.append((-value, p))
        for _, p in sorted(ranked)[:CANDIDATES]:
            wanted.setdefault(p, []).append(o)
    firsts = {o: max(value for (other, _), value in alignments.items() if other == o)
              for o, _ in alignments}
    owner = {p: max(objects, key=lambda o: (rule.keeps_best and alignments[o, p] == firsts[o],
                                            float(overlap[o, p])))
             for p, objects in wanted.items()}
    result = {}
    for p, o in owner.items():
        mine = [q for q, other in owner.items() if other == o]
        best = max(alignments[o, q] for q in mine)
        top = max(float(overlap[o, q]) for q in mine)
        result[p] = (o, alignments[o, p] / best * max(top, rule.least_target))
    return result


@pytest.mark.parametrize('rule', [SMALL_OBJECTS, PUBLISHED])
def test_equals_the_definition(rule: Rule) -> None:
    for seed in range(30):
        scores, boxes, points, targets = case(seed, objects=1 + seed % 6)
        fast = assign(scores, boxes, points, targets, rule)
        slow = slow_assign(scores, boxes, points, targets, rule)
        assert set(fast.foreground.nonzero()[:, 0].tolist()) == set(slow)
        assert set(fast.scores.sum(-1).nonzero()[:, 0].tolist()) <= set(slow)
        for point, (index, value) in slow.items():
            assert fast.object_index[point] == index
            label = targets.labels[index]
            got = float(fast.scores[point, label])
            torch.testing.assert_close(got, value, atol=1e-4, rtol=1e-3)
            assert fast.scores[point].count_nonzero() == 1


def test_no_object_leaves_everything_background() -> None:
    scores, boxes, points, _ = case(0, objects=1)
    none = assign(scores, boxes, points, Targets(torch.zeros(0, dtype=torch.long),
                                                 torch.zeros(0, 4)))
    assert not none.foreground.any() and not none.scores.any()


def test_more_objects_than_points_is_finite() -> None:
    scores, boxes, points, targets = case(1, objects=200, side=3)
    assigned = assign(scores, boxes, points, targets)
    assert assigned.scores.isfinite().all()
    assert assigned.foreground.sum() <= len(points)


def test_a_badly_predicted_small_object_is_still_assigned() -> None:
    """As at the start of a training: boxes far too large, scores near zero."""
    _, _, points, _ = case(2, objects=1)
    boxes = torch.cat((points - 60, points + 60), dim=1)
    scores = torch.full((len(points), 3), 1e-5)
    small = torch.tensor([[9., 9, 14, 14], [20.5, 28.5, 27.5, 35.5], [2, 40, 30, 43]])
    assigned = assign(scores, boxes, points, Targets(torch.tensor([0, 1, 2]), small))
    for index in range(3):
        points_of = assigned.foreground & (assigned.object_index == index)
        assert assigned.scores[points_of].max() == SMALL_OBJECTS.least_target


def test_a_small_object_before_a_well_predicted_large_one_keeps_its_best_point() -> None:
    _, _, points, _ = case(3, objects=1)
    large, small = torch.tensor([[0., 0, 64, 64], [28, 28, 37, 37]])
    boxes = large.repeat(len(points), 1)
    assigned = assign(torch.full((len(points), 3), 0.5), boxes, points,
                      Targets(torch.tensor([0, 1]), torch.stack((large, small))))
    assert assigned.foreground.sum() > 1
    kept = assigned.scores[assigned.foreground & (assigned.object_index == 1)]
    assert len(kept) and kept[:, 1].max() == SMALL_OBJECTS.least_target


def test_predictions_that_are_not_numbers_leave_the_indices_in_range() -> None:
    scores, boxes, points, targets = case(4, objects=5)
    assigned = assign(scores, boxes * float('nan'), points, targets)
    assert assigned.object_index.min() >= 0 and assigned.object_index.max() < 5
    assert assigned.scores.isnan().any()


def test_no_image_of_a_batch_touches_another() -> None:
    cases = [case(seed, objects) for seed, objects in enumerate((3, 0, 7, 1))]
    scores, boxes, points, _ = zip(*cases)
    together = assign_batch(torch.stack(scores), torch.stack(boxes), points[0],
                            [targets for *_, targets in cases])
    for index, alone in enumerate(assign(*each) for each in cases):
        for one, other in zip(together, alone):
            assert torch.equal(one[index], other)
