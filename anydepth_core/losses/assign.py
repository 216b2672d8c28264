# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Task-aligned assignment of anchor points to objects (TOOD, arXiv 2108.07755, section 3.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import complete_box_iou

CANDIDATES = 10
SCORE_POWER = 0.5
OVERLAP_POWER = 6.0
EPSILON = 1e-9


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
    """
    count, objects = len(points), len(targets.labels)
    if objects == 0:
        return Assignment(torch.zeros(count, dtype=torch.bool, device=points.device),
                          torch.zeros(count, dtype=torch.long, device=points.device),
                          torch.zeros_like(scores, dtype=torch.float32))
    inside = _inside(points, targets.boxes)
    overlap = complete_box_iou(targets.boxes.float(), boxes.float()).clamp(min=0) * inside
    alignment = (scores.float().T[targets.labels] ** SCORE_POWER) * overlap ** OVERLAP_POWER
    best, chosen = alignment.topk(min(CANDIDATES, count), dim=1)
    wanted = torch.zeros_like(inside).scatter_(1, chosen, best > EPSILON) & inside
    rival = torch.where(wanted, overlap, -torch.ones_like(overlap))
    object_index = rival.argmax(dim=0)
    foreground = wanted.any(dim=0)
    taken = wanted & (torch.arange(objects, device=points.device)[:, None] == object_index)
    alignment, overlap = alignment * taken, overlap * taken
    strength = alignment / alignment.amax(dim=1, keepdim=True).clamp(min=EPSILON) \
        * overlap.amax(dim=1, keepdim=True)
    soft = torch.zeros_like(scores, dtype=torch.float32)
    rows = foreground.nonzero()[:, 0]
    winners = object_index[rows]
    soft[rows, targets.labels[winners]] = strength[winners, rows]
    return Assignment(foreground, object_index * foreground, soft)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Return (M, N): whether each point lies strictly inside each box."""
    near = points[None] - boxes[:, None, :2]
    far = boxes[:, None, 2:] - points[None]
    return torch.cat((near, far), dim=-1).amin(dim=-1) > EPSILON
