# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Task-aligned assignment of anchor points to objects (TOOD, arXiv 2108.07755, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

CANDIDATES = 10
SCORE_POWER = 0.5
OVERLAP_POWER = 6.0
TINY = torch.finfo(torch.float32).tiny


class Rule(NamedTuple):
    """What an assignment does for objects that predictions hardly overlap.

    Attributes:
        least_side: pixels to which the sides of an object grow, so that points lie within.
        least_overlap: what an overlap counts as at least, so that points are ranked however badly
            they predict.
        keeps_best: 1: an object's best point is not given to another, unless it is the best one
            of both; 0: it goes to the object that it overlaps most, as all do.
        least_target: of an object's best point.
    """

    least_side: float
    least_overlap: float
    keeps_best: int
    least_target: float


PUBLISHED = Rule(0.0, 0.0, 0, 0.0)
# The side is a little more than the finest stride.
SMALL_OBJECTS = Rule(8.1, 0.01, 1, 0.5)


class Targets(NamedTuple):
    """The objects of one image.

    Attributes:
        labels: (M,) int64 class indices.
        boxes: (M, 4) float corners in pixels of the network input.
    """

    labels: Tensor
    boxes: Tensor


class Assignment(NamedTuple):
    """Which object each of N anchor points answers for, in each of B images.

    Attributes:
        foreground: (B, N) bool, the point answers for an object.
        object_index: (B, N) int64 index into the image's targets; 0 where not foreground.
        scores: (B, N, C) float, the soft class target: zero but at the object's class.
    """

    foreground: Tensor
    object_index: Tensor
    scores: Tensor


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, points: Tensor, targets: Sequence[Targets],
           rule: Rule = SMALL_OBJECTS) -> Assignment:
    """Assign the anchor points of every image of a batch, without asking a GPU for a number.

    Args:
        scores: (B, N, C) class probabilities in [0, 1].
        boxes: (B, N, 4) predicted corners in pixels.
        points: (N, 2) anchor points in pixels.
        targets: the objects of each image; may be none.
        rule: PUBLISHED, or what small objects need beyond it.

    Each object takes the ten points inside it whose `score^0.5 * overlap^6` is highest; a point
    that several objects want answers for the one it overlaps most. An object's best point gets its
    best overlap as class target, the others in proportion to their alignment.

    Small objects have few points and boxes that overlap them little, and what overlaps little
    gets a low target, by which its box is then weighed: the published assignment leaves them
    unlearned. What `rule` does beyond it is said at `Rule`.
    """
    labels = torch.cat([t.labels for t in targets])
    goals = torch.cat([t.boxes for t in targets]).float()
    counts = torch.tensor([len(t.labels) for t in targets])
    images = torch.arange(len(targets)).repeat_interleave(counts)
    indices = torch.arange(len(images)) - (counts.cumsum(0) - counts)[images]
    images, indices = images.to(labels.device), indices.to(labels.device)[:, None]

    inside = _inside(points, goals, rule.least_side)
    overlap = _overlap(goals, boxes.float(), images) * inside
    of_label = scores.float().transpose(1, 2)[images, labels]
    ranked = overlap.clamp(min=rule.least_overlap) * inside
    alignment = of_label ** SCORE_POWER * ranked ** OVERLAP_POWER
    chosen = (alignment - (~inside).float()).topk(min(CANDIDATES, len(points)), dim=1).indices
    wanted = torch.zeros_like(inside).scatter_(1, chosen, True) & inside

    best = wanted & (alignment == alignment.amax(dim=1, keepdim=True))
    claim = overlap + rule.keeps_best * best
    object_index, taken = _owners(wanted, claim, images, indices, len(targets))
    alignment, overlap = alignment * taken, overlap * taken
    strength = alignment / alignment.amax(dim=1, keepdim=True).clamp(min=TINY) \
        * overlap.amax(dim=1, keepdim=True).clamp(min=rule.least_target)
    soft = torch.zeros_like(scores, dtype=torch.float32)
    soft.transpose(1, 2).index_put_((images, labels), strength, accumulate=True)
    foreground = object_index >= 0
    return Assignment(foreground, object_index.clamp(min=0), soft)


def _owners(wanted: Tensor, claim: Tensor, images: Tensor, indices: Tensor, count: int,
            ) -> tuple[Tensor, Tensor]:
    """Decide which of the objects that want a point gets it: the one with the highest claim.

    Args:
        wanted: (M, N), each object would have each point.
        claim: (M, N) of each object on each point, not negative.
        images: (M,) which image an object is in.
        indices: (M, 1) its number there.
        count: B, how many images there are.

    Returns:
        (B, N) the number of each point's object, -1 for none, and (M, N) what each object got.
    """
    shape, rows = (count, wanted.shape[1]), images[:, None].expand_as(wanted)
    rival = torch.where(wanted, claim, -torch.ones_like(claim))
    best = rival.new_full(shape, -1).scatter_reduce_(0, rows, rival, 'amax')
    first = torch.where(wanted & (rival == best[images]), indices, len(images))
    object_index = indices.new_full(shape, len(images)).scatter_reduce_(0, rows, first, 'amin')
    taken = wanted & (first == object_index[images])
    return object_index.masked_fill(object_index == len(images), -1), taken


def _overlap(goals: Tensor, boxes: Tensor, images: Tensor) -> Tensor:
    """Return (M, N) the IoU of each of M objects with the (B, N, 4) boxes of its image."""
    left, top, right, bottom = boxes.permute(2, 0, 1)[:, images]
    goal_left, goal_top, goal_right, goal_bottom = goals.T[..., None]
    shared = (torch.minimum(right, goal_right) - torch.maximum(left, goal_left)).clamp(min=0) \
        * (torch.minimum(bottom, goal_bottom) - torch.maximum(top, goal_top)).clamp(min=0)
    areas = (right - left) * (bottom - top) \
        + (goal_right - goal_left) * (goal_bottom - goal_top)
    return shared / (areas - shared)


def _inside(points: Tensor, boxes: Tensor, least_side: float) -> Tensor:
    """Return (M, N): whether each point lies inside each box, whose sides are grown to this."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=least_side) / 2
    return ((points[None] - centre[:, None]).abs() < half[:, None]).all(dim=-1)
