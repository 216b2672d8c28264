# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How much two lists of boxes overlap, box by box."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Boxes are fractions of the image, so an area may be 1e-6; its square must be a float32 as well.
SMALLEST_AREA = 1e-12


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


def _area(near: Tensor, far: Tensor) -> Tensor:
    return (far - near).clamp(min=0).prod(dim=-1)
