# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Overlap of paired boxes, against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.ops import (
    box_iou,
    complete_box_iou_loss,
    generalized_box_iou,
    generalized_box_iou_loss,
)

from anydepth_core.losses.boxes import complete_iou_loss, paired_overlap


def random_corners(count: int, seed: int, scale: float = 1.0) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    near = torch.rand(count, 2, generator=source)
    return torch.cat((near, near + torch.rand(count, 2, generator=source) ** 3), dim=-1) * scale


@pytest.mark.parametrize('scale', [1.0, 640.0])
def test_as_torchvision(scale: float) -> None:
    ours, others = random_corners(500, 0, scale), random_corners(500, 1, scale)
    overlap = paired_overlap(ours, others)
    torch.testing.assert_close(overlap.iou, box_iou(ours, others).diagonal())
    torch.testing.assert_close(overlap.giou, generalized_box_iou(ours, others).diagonal())


def test_gradient_as_torchvision() -> None:
    ours, others = random_corners(200, 2, 100.0).requires_grad_(), random_corners(200, 3, 100.0)
    mine, = torch.autograd.grad((1 - paired_overlap(ours, others).giou).sum(), ours)
    theirs, = torch.autograd.grad(generalized_box_iou_loss(ours, others, 'sum'), ours)
    torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-3)


def test_tiny_equal_boxes_overlap_wholly() -> None:
    """An object of two pixels in an image of 1000 must not lose its overlap to a safeguard."""
    tiny = torch.tensor([[0.5, 0.5, 0.502, 0.501]])
    assert float(paired_overlap(tiny, tiny).giou) == pytest.approx(1, abs=1e-5)


def test_boxes_without_area_are_finite() -> None:
    point = torch.tensor([[0.5, 0.5, 0.5, 0.5]]).requires_grad_()
    for other in (point.detach(), torch.tensor([[0.2, 0.2, 0.9, 0.9]])):
        overlap = paired_overlap(point, other)
        assert float(overlap.iou.detach()) == 0
        gradient, = torch.autograd.grad(overlap.giou.sum(), point)
        assert gradient.isfinite().all()


def test_complete_iou_as_torchvision() -> None:
    least = torch.tensor([0.0, 0.0, 0.1, 0.1])
    ours, others = (random_corners(200, seed, 640.0) + least for seed in (4, 5))
    ours.requires_grad_()
    mine, theirs = complete_iou_loss(ours, others), complete_box_iou_loss(ours, others)
    assert torch.equal(mine, theirs)
    assert torch.equal(*(torch.autograd.grad(loss.sum(), ours)[0] for loss in (mine, theirs)))


@pytest.mark.parametrize('goal', [(10.0, 10.0, 30.0, 50.0), (20.0, 20.0, 20.0, 20.0),
                                  (20.0, 10.0, 20.0, 40.0)])
def test_sides_that_rounding_takes_away_leave_a_gradient(goal: tuple[float, ...]) -> None:
    at = torch.tensor([4000.5, 300.25])
    distances = torch.tensor([[1e-7, 1e-7, 1e-7, 1e-7], [5.0, 1e-7, 7.0, 1e-7],
                              [1e-7, 5.0, 1e-7, 7.0]]).requires_grad_()
    boxes = torch.cat((at - distances[:, :2], at + distances[:, 2:]), dim=-1)
    assert (boxes[0, :2] == boxes[0, 2:]).all()
    loss = complete_iou_loss(boxes, torch.tensor([goal] * 3))
    gradient, = torch.autograd.grad(loss.sum(), distances)
    assert loss.isfinite().all() and gradient.isfinite().all()


def test_nothing() -> None:
    assert paired_overlap(torch.zeros(0, 4), torch.zeros(0, 4)).giou.shape == (0,)
