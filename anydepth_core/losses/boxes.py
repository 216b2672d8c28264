# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How much two lists of boxes overlap, box by box."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import complete_box_iou_loss

# Boxes are fractions of the image, so an area may be 1e-6; its square must be a float32 as well.
SMALLEST_AREA = 1e-12
SMALLEST_SIDE = 1e-3  # pixels; float32 tells that much apart up to 8192


class Overlap(NamedTuple):
    """Overlap of the i-th box of one list with the i-th of another.

    Attributes:
        iou: (K,) intersection over union, in [0, 1].
        giou: (K,) generalised IoU (arXiv 1902.09630, Algorithm 1), in [-1, 1].
    """

    iou: Tensor
    giou: Tensor


def paired_overlap(boxes: Tensor, others: Tensor) -> Overlap:
    """Return the overlap of (K, 4) corners with (K, 4) corners; two boxes without area give 0."""
    shared = _area(torch.maximum(boxes[:, :2], others[:, :2]),
                   torch.minimum(boxes[:, 2:], others[:, 2:]))
    around = _area(torch.minimum(boxes[:, :2], others[:, :2]),
                   torch.maximum(boxes[:, 2:], others[:, 2:]))
    union = _area(boxes[:, :2], boxes[:, 2:]) + _area(others[:, :2], others[:, 2:]) - shared
    iou = shared / (union + SMALLEST_AREA)
    return Overlap(iou, iou - (around - union) / (around + SMALLEST_AREA))


def complete_iou_loss(boxes: Tensor, goals: Tensor) -> Tensor:
    """Return (K,) the CIoU loss (arXiv 1911.08287) of (K, 4) corners in pixels, box by box.

    A side so short that rounding takes it away counts as SMALLEST_SIDE: the loss divides one side
    by the other, and its gradient would be NaN.
    """
    return complete_box_iou_loss(_with_sides(boxes), _with_sides(goals))


def _with_sides(boxes: Tensor) -> Tensor:
    near, far = boxes.split(2, dim=-1)
    return torch.cat((near, torch.maximum(far, near + SMALLEST_SIDE)), dim=-1)


def _area(near: Tensor, far: Tensor) -> Tensor:
    return (far - near).clamp(min=0).prod(dim=-1)
