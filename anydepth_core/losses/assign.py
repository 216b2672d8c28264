# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Task-aligned assignment of anchor points to objects (TOOD, arXiv 2108.07755, section 3.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

CANDIDATES = 10
SCORE_POWER = 0.5
OVERLAP_POWER = 6.0
SMALLEST_SIDE = 8.1  # a little more than the finest stride: some anchor point lies within
TINY = torch.finfo(torch.float32).tiny


class Targets(NamedTuple):
    """The objects of one image.

    Attributes:
        labels: (M,) int64 class indices.
        boxes: (M, 4) float corners in pixels of the network input.
    """

    labels: Tensor
    boxes: Tensor


class Assignment(NamedTuple):
    """Which object each of N anchor points answers for.

    Attributes:
        foreground: (N,) bool, the point answers for an object.
        object_index: (N,) int64 index into the targets; 0 where not foreground.
        scores: (N, C) float, the soft class target: zero but at the object's class.
    """

    foreground: Tensor
    object_index: Tensor
    scores: Tensor


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, points: Tensor, targets: Targets) -> Assignment:
    """Assign the anchor points of one image.

    Args:
        scores: (N, C) class probabilities in [0, 1].
        boxes: (N, 4) predicted corners in pixels.
        points: (N, 2) anchor points in pixels.
        targets: the image's objects; may be none.

    Each object takes the ten points inside it whose `score^0.5 * overlap^6` is highest; a point
    that several objects want answers for the one it overlaps most. An object's best point gets its
    best overlap as class target, the others in proportion to their alignment.

    However badly an object is predicted, its points are ranked and taken: there is no least
    alignment, the overlap is plain IoU (never negative), and an object smaller than the finest
    stride reaches one stride around its centre. Otherwise small objects, whose alignment starts
    near zero, would never be learned.
    """
    count, objects = len(points), len(targets.labels)
    if objects == 0:
        return Assignment(torch.zeros(count, dtype=torch.bool, device=points.device),
                          torch.zeros(count, dtype=torch.long, device=points.device),
                          torch.zeros_like(scores, dtype=torch.float32))
    inside = _inside(points, targets.boxes.float())
    overlap = box_iou(targets.boxes.float(), boxes.float()) * inside
    alignment = (scores.float().T[targets.labels] ** SCORE_POWER) * overlap ** OVERLAP_POWER
    chosen = (alignment - (~inside).float()).topk(min(CANDIDATES, count), dim=1).indices
    wanted = torch.zeros_like(inside).scatter_(1, chosen, True) & inside
    rival = torch.where(wanted, overlap, -torch.ones_like(overlap))
    object_index = rival.argmax(dim=0)
    foreground = wanted.any(dim=0)
    taken = wanted & (torch.arange(objects, device=points.device)[:, None] == object_index)
    alignment, overlap = alignment * taken, overlap * taken
    strength = alignment / alignment.amax(dim=1, keepdim=True).clamp(min=TINY) \
        * overlap.amax(dim=1, keepdim=True)
    soft = torch.zeros_like(scores, dtype=torch.float32)
    rows = foreground.nonzero()[:, 0]
    winners = object_index[rows]
    soft[rows, targets.labels[winners]] = strength[winners, rows]
    return Assignment(foreground, object_index * foreground, soft)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Return (M, N): whether each point lies inside each box, grown to SMALLEST_SIDE."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=SMALLEST_SIDE) / 2
    return ((points[None] - centre[:, None]).abs() < half[:, None]).all(dim=-1)
