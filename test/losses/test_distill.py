# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Self-distillation: each term by hand, zero for an equal teacher, nothing into the teacher."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import complete_box_iou

from anydepth_core.losses.align import align_features, divergence
from anydepth_core.losses.assign import Assignment, Targets
from anydepth_core.losses.distill_yolo import YoloDistillation, distill_yolo
from anydepth_core.losses.yolo import YoloLossWeights
from anydepth_core.models import create_model
from anydepth_core.models.yolo.head import DenseOutputs
from anydepth_core.train.step import YoloStep


def outputs(seed: int, points: int = 6, classes: int = 3) -> DenseOutputs:
    """Return random outputs of one image, boxes and logits with gradients."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(1, points, 2, generator=generator) * 20
    size = torch.rand(1, points, 2, generator=generator) * 20 + 1
    return DenseOutputs(
        torch.randn(1, points, classes, generator=generator).requires_grad_(),
        torch.randn(1, points, 4, 16, generator=generator).requires_grad_(),
        torch.cat((corner, corner + size), dim=-1).requires_grad_(),
        torch.rand(points, 2, generator=generator), torch.full((points, 1), 8.0))


def assigned(indices: list[int | None], classes: int = 3) -> Assignment:
    """Return an assignment: the object of each point or None, soft target 0.5 at class 0."""
    foreground = torch.tensor([[i is not None for i in indices]])
    index = torch.tensor([[i or 0 for i in indices]])
    scores = torch.zeros(1, len(indices), classes)
    scores[..., 0] = 0.5 * foreground
    return Assignment(foreground, index, scores)


def test_one_class_is_taught_by_its_sigmoid():
    student = torch.tensor([[0.5], [-1.0]]).requires_grad_()
    teacher = torch.tensor([[2.0], [-1.0]])
    p, q = teacher.sigmoid()[0, 0], student.detach().sigmoid()[0, 0]
    expected = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    found = divergence(student, teacher)
    torch.testing.assert_close(found.detach(), torch.stack((expected, torch.tensor(0.0))))
    found.sum().backward()
    assert student.grad is not None and student.grad[0, 0] < 0 == student.grad[1, 0]


def test_zero_when_the_passes_agree() -> None:
    one = outputs(0)
    same = assigned([0, 0, 1, None, 1, None])
    terms = distill_yolo(one, one, same, same, YoloDistillation())
    for term in terms.values():
        assert abs(term.item()) < 1e-6


def test_no_gradient_into_the_teacher() -> None:
    base, full = outputs(0), outputs(1)
    same = assigned([0, 0, 1, None, 1, None])
    sum(distill_yolo(base, full, same, same, YoloDistillation()).values()).backward()
    for student, teacher in zip(base[:3], full[:3]):
        assert student.grad is not None and student.grad.abs().sum() > 0
        assert teacher.grad is None


def test_class_term_by_hand() -> None:
    base, full = outputs(0), outputs(1)
    full_assigned, base_assigned = assigned([0, 1, None, 0, 0, 0]), assigned([0, 0, 0, None, 0, 0])
    options = YoloDistillation()
    usable = [0, 4, 5]  # both foreground and the same object (Eq. 11)
    expected = 0.0
    for point in usable:
        student = (base.logits[0, point].detach() / 2).softmax(-1)
        teacher = (full.logits[0, point].detach() / 2).softmax(-1)
        expected += float((teacher * (teacher / student).log()).sum()) * 0.5
    expected *= 0.4 * 4 / (0.5 * len(usable))
    got = distill_yolo(base, full, base_assigned, full_assigned, options)
    assert got['classes'].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(('changes', 'class_points', 'box_points'), [
    ({}, [0, 4, 5], [0, 4, 5]),
    ({'class_anchors': 'full'}, [0, 3, 4, 5], [0, 4, 5]),
    ({'target_alignment': False}, [0, 1, 3, 4, 5], [0, 1, 3, 4, 5]),
], ids=['paper', 'code', 'naive'])
def test_where_each_term_looks(changes: dict, class_points: list[int],
                               box_points: list[int]) -> None:
    """Point 1 answers for different objects, 2 and 3 for one in one pass only."""
    base, full = outputs(0), outputs(1)
    full_assigned, base_assigned = assigned([0, 1, None, 0, 0, 0]), assigned([0, 0, 0, None, 0, 0])
    terms = distill_yolo(base, full, base_assigned, full_assigned, YoloDistillation(**changes))
    torch.stack(list(terms.values())).sum().backward()
    for tensor, points in ((base.logits, class_points), (base.boxes, box_points),
                           (base.side_logits, box_points)):
        assert tensor.grad[0].flatten(1).any(1).nonzero()[:, 0].tolist() == points


def test_box_and_distribution_terms_by_hand() -> None:
    base, full = outputs(0), outputs(1)
    same = assigned([0, None, 1, None, None, None])
    got = distill_yolo(base, full, same, same, YoloDistillation())
    box = complete_box_iou(base.boxes[0].detach(), full.boxes[0].detach()).diagonal()
    student, teacher = (x.side_logits[0].detach().softmax(-1) for x in (base, full))
    sides = (teacher * (teacher / student).log()).sum(-1).mean(-1)
    points = [0, 2]  # of weight 0.5 each, which sum to one
    assert got['box'].item() == pytest.approx(1.2 * 0.5 * float((1 - box)[points].sum()), rel=1e-4)
    assert got['distribution'].item() == pytest.approx(0.8 * 0.5 * float(sides[points].sum()),
                                                       rel=1e-4)


@pytest.mark.parametrize('name', ['classes', 'box', 'distribution'])
def test_a_term_whose_factor_is_0_is_left_out(name: str) -> None:
    base, full = outputs(0), outputs(1)
    same = assigned([0, 0, 1, None, 1, None])
    every = distill_yolo(base, full, same, same, YoloDistillation())
    some = distill_yolo(base, full, same, same, YoloDistillation(**{name: 0.0}))
    assert some == {key: term for key, term in every.items() if key != name}


def test_all_conflicting_is_zero_and_finite() -> None:
    base, full = outputs(0), outputs(1)
    terms = distill_yolo(base, full, assigned([0] * 6), assigned([1] * 6), YoloDistillation())
    assert all(term.item() == 0 for term in terms.values())
    sum(terms.values()).backward()


def test_feature_alignment_is_two_minus_two_cosines() -> None:
    generator = torch.Generator().manual_seed(0)
    base = {'p2': torch.randn(2, 4, 3, 5, generator=generator)}
    full = {'p2': torch.randn(2, 4, 3, 5, generator=generator)}
    pooled = []
    for image in range(2):
        a, b = base['p2'][image].mean((1, 2)), full['p2'][image].mean((1, 2))
        pooled.append(((a / a.norm() - b / b.norm()) ** 2).sum())
    torch.testing.assert_close(align_features(base, full, ['p2']), torch.stack(pooled).mean())


def test_spatial_alignment_by_hand() -> None:
    """Eq. 12: two minus two cosines of each pixel's channels, then means, the last over stages."""
    def maps(*images: list[tuple[float, float]]) -> torch.Tensor:
        return torch.tensor(images).transpose(1, 2)[:, :, None]  # (images, 2 channels, 1, pixels)

    base = {'p2': maps([(1., 0.), (3., 4.)], [(1., 0.), (5., 0.)]),  # cosines 0, 0.96, -1 and 1
            'p3': maps([(0., 1.)], [(0., 2.)])}                      # cosines 0 and 1
    full = {'p2': maps([(0., 2.), (4., 3.)], [(-3., 0.), (2., 0.)]),
            'p3': maps([(1., 0.)], [(0., 1.)])}
    for stages, expected in ((['p2'], (2 + 0.08 + 4 + 0) / 4), (['p3'], 1.0),
                             (['p2', 'p3'], (1.52 + 1) / 2)):
        got = align_features(base, full, stages, 'spatial')
        assert got.item() == pytest.approx(expected, rel=1e-5)


def test_divergence_is_never_negative() -> None:
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        student, teacher = torch.randn(2, 5, 7, generator=generator)
        assert (divergence(student, teacher) >= -1e-6).all()


def test_one_step_gives_every_parameter_a_gradient() -> None:
    torch.manual_seed(0)
    model = create_model('anydepth-yolo-tiny', num_classes=3)
    step = YoloStep(model, YoloLossWeights(), YoloDistillation())
    boxes = torch.tensor([[5., 5, 40, 50], [20, 10, 90, 60]])
    targets = [Targets(torch.tensor([0, 2]), boxes)] * 2
    terms = step(torch.rand(2, 3, 64, 96), targets)
    assert set(terms) == {f'{part}/{name}' for part in ('full', 'base', 'distill')
                          for name in ('classes', 'box', 'distribution')} | {'distill/features'}
    torch.stack(list(terms.values())).sum().backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
