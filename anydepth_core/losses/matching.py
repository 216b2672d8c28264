# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Hungarian matching of queries to objects (DETR, arXiv 2005.12872, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
import torch
from torch import Tensor
from torchvision.ops import box_convert, generalized_box_iou

from anydepth_core.losses.assign import Targets

# RT-DETR's weights of the three costs, and of the focal class cost (arXiv 1708.02002).
CLASS_COST, L1_COST, GIOU_COST = 2.0, 5.0, 2.0
FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
TINY = 1e-8
WORST = 1e6  # more than any finite prediction costs


class Matches(NamedTuple):
    """P pairs of a query and an object, by layer, image and query; int64 vectors (P,).

    Attributes:
        layers: which layer's queries.
        images: which image of the batch.
        queries: which query of that image.
        objects: which object, counted over all images of the batch.
    """

    layers: Tensor
    images: Tensor
    queries: Tensor
    objects: Tensor

    def of_layer(self, layer: int) -> Matches:
        """Return the pairs of one layer."""
        chosen = self.layers == layer
        return Matches(*(column[chosen] for column in self))


@torch.no_grad()
def match(logits: Tensor, boxes: Tensor, targets: Sequence[Targets]) -> Matches:
    """Match every layer of every image by itself, at the least total cost.

    Args:
        logits: (K, B, Q, C) class scores before the sigmoid, of K layers.
        boxes: (K, B, Q, 4) as cx cy w h, normalised.
        targets: the objects of each image, with boxes of the same kind.

    Returns:
        As many pairs per layer and image as there are objects, or queries if they are fewer. A
        prediction that is not finite is matched last.
    """
    costs = [pair_costs(logits[:, image], boxes[:, image], objects)
             for image, objects in enumerate(targets)]
    # One copy from the device for all of them.
    flat = torch.cat([cost.flatten() for cost in costs]).cpu().numpy()
    ends = np.cumsum([cost.numel() for cost in costs])
    firsts = np.cumsum([0, *(len(objects.labels) for objects in targets)])
    tables = [part.reshape(cost.shape) for part, cost in
              zip(np.split(flat, ends[:-1]), costs, strict=True)]
    pairs = [np.empty((4, 0), np.int64)]
    for layer in range(len(logits)):
        for image, table in enumerate(tables):
            queries, objects = linear_sum_assignment(table[layer])
            pairs.append(np.stack((np.full_like(queries, layer), np.full_like(queries, image),
                                   queries, objects + firsts[image])))
    columns = torch.from_numpy(np.concatenate(pairs, axis=1)).to(logits.device)
    return Matches(*columns.unbind())


def pair_costs(logits: Tensor, boxes: Tensor, targets: Targets) -> Tensor:
    """Return (K, Q, M) finite costs of giving each of M objects to each query of one image.

    Args:
        logits: (K, Q, C).
        boxes: (K, Q, 4) as cx cy w h, normalised.
        targets: the image's objects, with boxes of the same kind.
    """
    boxes, goals = boxes.float(), targets.boxes.float()
    score = logits.float().sigmoid()[..., targets.labels]
    absent = (1 - FOCAL_ALPHA) * score ** FOCAL_GAMMA * -(1 - score + TINY).log()
    present = FOCAL_ALPHA * (1 - score) ** FOCAL_GAMMA * -(score + TINY).log()
    distance = (boxes[:, :, None] - goals).abs().sum(dim=-1)
    overlap = generalized_box_iou(box_convert(boxes.flatten(0, 1), 'cxcywh', 'xyxy'),
                                  box_convert(goals, 'cxcywh', 'xyxy')).view(distance.shape)
    cost = CLASS_COST * (present - absent) + L1_COST * distance - GIOU_COST * overlap
    return cost.masked_fill(~cost.isfinite(), WORST)
