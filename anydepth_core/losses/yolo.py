# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Ground-truth loss of the YOLO family: BCE on classes, CIoU on boxes, distribution focal loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from anydepth_core.losses.assign import PUBLISHED, SMALL_OBJECTS, Assignment, Targets, assign
from anydepth_core.losses.boxes import complete_iou_loss
from anydepth_core.losses.normalise import normaliser
from anydepth_core.models.yolo.head import BINS, DenseOutputs


@dataclass(frozen=True, kw_only=True)
class YoloLossWeights:
    """Factors of the three terms (facts of the published recipes), and the assignment.

    Attributes:
        box, classes, distribution: factors.
        small_objects: the assignment helps objects that predictions hardly overlap, see
            `assign.Rule`; False: the published one.
    """

    box: float = 7.5
    classes: float = 0.5
    distribution: float = 1.5
    small_objects: bool = True


def assign_batch(outputs: DenseOutputs, targets: Sequence[Targets],
                 weights: YoloLossWeights) -> Assignment:
    """Assign the anchor points of every image of a batch."""
    return assign(outputs.logits.detach().sigmoid(), outputs.boxes.detach(), outputs.points,
                  targets, SMALL_OBJECTS if weights.small_objects else PUBLISHED)


def yolo_loss(outputs: DenseOutputs, targets: Sequence[Targets], assignment: Assignment,
              weights: YoloLossWeights) -> dict[str, Tensor]:
    """Return the weighted terms 'classes', 'box' and 'distribution', each a scalar.

    Every term is divided by the sum of the soft class targets, so an image weighs by its objects.
    Finite, with a class term only, when no image has an object.
    """
    total = normaliser(assignment.scores.sum())
    logits = outputs.logits.float()
    classes = functional.binary_cross_entropy_with_logits(logits, assignment.scores,
                                                          reduction='sum') / total
    foreground = assignment.foreground
    weight = assignment.scores.sum(dim=-1)[foreground]
    firsts = torch.tensor([0, *(len(t.boxes) for t in targets[:-1])]).cumsum(0)
    objects = (assignment.object_index + firsts.to(foreground.device)[:, None])[foreground]
    goal = torch.cat([t.boxes for t in targets])[objects].float()
    boxes = outputs.boxes[foreground].float()
    box = (complete_iou_loss(boxes, goal) * weight).sum() / total
    batch, anchor = foreground.nonzero(as_tuple=True)
    sides = _sides(goal, outputs.points[anchor].float(), outputs.strides[anchor].float())
    distribution = distribution_focal_loss(outputs.side_logits[batch, anchor].float(), sides)
    return {'classes': weights.classes * classes,
            'box': weights.box * box,
            'distribution': weights.distribution * (distribution * weight).sum() / total}


def distribution_focal_loss(side_logits: Tensor, sides: Tensor) -> Tensor:
    """Cross-entropy to the two bins around each distance, by nearness (arXiv 2006.04388, Eq. 6).

    Args:
        side_logits: (K, 4, BINS).
        sides: (K, 4) distances in strides, within [0, BINS - 1).

    Returns:
        (K,) the mean over the four sides.
    """
    lower = sides.long()
    fraction = sides - lower
    log_p = side_logits.log_softmax(dim=-1)
    near = log_p.gather(-1, lower[..., None])[..., 0]
    far = log_p.gather(-1, lower[..., None] + 1)[..., 0]
    return -(near * (1 - fraction) + far * fraction).mean(dim=-1)


def _sides(boxes: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Return (K, 4) left, top, right, bottom distances of points to box sides, in strides."""
    distances = torch.cat((points - boxes[:, :2], boxes[:, 2:] - points), dim=-1) / strides
    return distances.clamp(0, BINS - 1.01)
