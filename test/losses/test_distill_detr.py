# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Self-distillation of the DETR family: each term by hand, and who learns from whom."""

from __future__ import annotations

import dataclasses

from detr_cases import CLASSES, random_boxes, random_targets
import pytest
import torch
from torch import Tensor
from torchvision.ops import box_convert, generalized_box_iou

from anydepth_core.depth import STAGES
from anydepth_core.losses.align import ALL_STAGES
from anydepth_core.losses.distill_detr import (
    DetrDistillation,
    FinalLayer,
    align_detr,
    distill_detr,
    paired_queries,
)
from anydepth_core.losses.matching import Matches, match

OBJECTS = torch.tensor(4.0)


def matched(pairs: list[tuple[int, int, int]]) -> Matches:
    """Return matches of one layer from (image, query, object)."""
    images, queries, objects = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 3).T
    return Matches(torch.zeros_like(images), images, queries, objects)


def layer(seed: int, pairs: list[tuple[int, int, int]]) -> FinalLayer:
    """Return what a last decoder layer says about 2 images with 5 queries each."""
    source = torch.Generator().manual_seed(seed)
    return FinalLayer(torch.randn(2, 5, CLASSES, generator=source).requires_grad_(),
                      random_boxes(source, 2, 5).requires_grad_(), matched(pairs))


BASE = [(0, 1, 0), (0, 2, 2), (0, 4, 1), (1, 0, 3)]
FULL = [(0, 0, 1), (0, 2, 0), (0, 3, 2), (1, 4, 3)]
ALIGNED = [(0, 1, 2), (0, 2, 3), (0, 4, 0), (1, 0, 4)]  # image, base query, full query
NAIVE = [(0, 1, 0), (0, 2, 2), (0, 4, 3), (1, 0, 4)]


@pytest.mark.parametrize('aligned', [True, False])
def test_pairs(aligned: bool) -> None:
    pairs = paired_queries(matched(BASE), matched(FULL), aligned=aligned)
    assert list(zip(*(column.tolist() for column in pairs))) == (ALIGNED if aligned else NAIVE)


def test_pairs_with_more_objects_than_queries() -> None:
    """The passes left out different objects; only what both have is paired."""
    base, full = matched([(0, 0, 5), (0, 1, 2), (1, 0, 9)]), matched([(0, 0, 2), (0, 1, 3),
                                                                     (1, 0, 9)])
    aligned = paired_queries(base, full, aligned=True)
    assert [column.tolist() for column in aligned] == [[0, 1], [1, 0], [0, 0]]
    assert len(paired_queries(base, full, aligned=False).images) == 3


@pytest.mark.parametrize('aligned', [True, False])
def test_terms_by_hand(aligned: bool) -> None:
    base, full = layer(0, BASE), layer(1, FULL)
    options = DetrDistillation(temperature=2.0, target_alignment=aligned)
    classes = l1 = giou = 0.0
    for image, ours, theirs in ALIGNED if aligned else NAIVE:
        student = (base.logits[image, ours].detach() / 2).softmax(-1)
        teacher = (full.logits[image, theirs].detach() / 2).softmax(-1)
        classes += 4 * float((teacher * (teacher / student).log()).sum())
        a, b = base.boxes[image, ours].detach(), full.boxes[image, theirs].detach()
        l1 += float((a - b).abs().sum())
        giou += 1 - float(generalized_box_iou(box_convert(a[None], 'cxcywh', 'xyxy'),
                                              box_convert(b[None], 'cxcywh', 'xyxy')))
    terms = {name: float(term.detach())
             for name, term in distill_detr(base, full, OBJECTS, options).items()}
    assert terms == pytest.approx({'classes': 3.75 * classes / 4, 'l1': 5 * l1 / 4,
                                   'giou': 2 * giou / 4}, rel=1e-4)


@pytest.mark.parametrize('aligned', [True, False])
def test_zero_when_the_passes_agree(aligned: bool) -> None:
    one = layer(0, BASE)
    options = DetrDistillation(target_alignment=aligned)
    for term in distill_detr(one, one, OBJECTS, options).values():
        assert abs(float(term.detach())) < 1e-5


def test_zero_for_the_same_answers_in_other_places() -> None:
    """Only the re-ordering sees that the two passes say the same."""
    base = layer(0, BASE)
    order = torch.tensor([3, 1, 0, 4, 2])
    place = order.argsort()
    full = FinalLayer(base.logits[:, order], base.boxes[:, order], matched(
        sorted((image, int(place[query]), item) for image, query, item in BASE)))
    for aligned in (True, False):
        terms = distill_detr(base, full, OBJECTS, DetrDistillation(target_alignment=aligned))
        total = float(torch.stack(list(terms.values())).sum().detach())
        assert (abs(total) < 1e-5) is aligned


def test_no_gradient_into_the_teacher() -> None:
    base, full = layer(0, BASE), layer(1, FULL)
    torch.stack(list(distill_detr(base, full, OBJECTS, DetrDistillation()).values())
                ).sum().backward()
    for student, teacher in zip(base[:2], full[:2]):
        assert student.grad.abs().sum() > 0
        assert teacher.grad is None


def test_no_match_is_zero_and_reaches_the_student() -> None:
    base, full = layer(0, []), layer(1, [])
    for aligned in (True, False):
        terms = distill_detr(base, full, torch.tensor(1.0),
                             DetrDistillation(target_alignment=aligned))
        assert all(term.item() == 0 for term in terms.values())
        torch.stack(list(terms.values())).sum().backward()
    assert base.logits.grad is not None
    assert base.boxes.grad is not None


def test_order_of_queries_and_objects_does_not_matter() -> None:
    targets = random_targets([3, 2])
    base, full = layer(0, []), layer(1, [])
    order, other = torch.tensor([3, 1, 0, 4, 2]), [torch.tensor([2, 0, 1]), torch.tensor([1, 0])]
    swapped = [type(t)(t.labels[o], t.boxes[o]) for t, o in zip(targets, other)]

    def terms(moved: Tensor, objects: list) -> list[Tensor]:
        each = [FinalLayer(x.logits[:, by], x.boxes[:, by], match(
            x.logits[None, :, by], x.boxes[None, :, by], objects))
            for x, by in ((base, moved), (full, torch.arange(5)))]
        return list(distill_detr(*each, OBJECTS, DetrDistillation()).values())

    torch.testing.assert_close(terms(order, swapped), terms(torch.arange(5), targets))


def features(seed: int) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return {stage: torch.randn(2, 6, 3, 4, generator=source).requires_grad_()
            for stage in STAGES}


def test_feature_terms_by_hand() -> None:
    base, full = features(0), features(1)

    def distance(stage: str) -> float:
        a, b = (x[stage].detach().mean((2, 3)) for x in (base, full))
        a, b = (x / x.norm(dim=1, keepdim=True) for x in (a, b))
        return float(((a - b) ** 2).sum(1).mean())

    terms = align_detr(base, full, DetrDistillation())
    assert terms['backbone'].item() == pytest.approx(
        0.5 * sum(map(distance, STAGES[:4])) / 4, rel=1e-4)
    assert terms['neck'].item() == pytest.approx(
        0.2 * sum(map(distance, STAGES[4:])) / 4, rel=1e-4)
    torch.stack(list(terms.values())).sum().backward()
    assert all(base[stage].grad is not None and full[stage].grad is None for stage in STAGES)


def test_the_authors_feature_terms_by_hand() -> None:
    base, full = features(0), features(1)
    options = DetrDistillation(alignment='softmax', backbone_features=1.0, neck_features=1.0,
                               stages=('p3', 'p4', 'p5', 'fpn3', 'pan4', 'pan5'))
    for group, stages in (('backbone', STAGES[1:4]), ('neck', STAGES[5:])):
        student, teacher = (torch.cat([x[s].detach().mean((2, 3)) for s in stages], 1).softmax(1)
                            for x in (base, full))
        expected = (teacher * (teacher / student).log()).sum() / 2  # two images
        torch.testing.assert_close(align_detr(base, full, options)[group].detach(), expected)


def test_feature_terms_that_are_left_out() -> None:
    both, default = (features(0), features(1)), DetrDistillation()
    for changes, left in ((({'alignment': 'none'}), set()), ({'neck_features': 0.0}, {'backbone'}),
                          ({'stages': ('fpn3', 'pan4')}, {'neck'})):
        assert set(align_detr(*both, dataclasses.replace(default, **changes))) == left


def test_stages_are_the_projects() -> None:
    assert ALL_STAGES == STAGES
