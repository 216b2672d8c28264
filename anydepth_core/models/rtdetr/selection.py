# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Where queries start: the most promising places of the memory (RT-DETR, arXiv 2304.08069)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from anydepth_core.nn.position import remembered
from anydepth_core.nn.transformer import perceptron

ANCHOR_SIZE = 0.05
MARGIN = 0.01
# Added to a box before the sigmoid it gives 1 in every precision, and half precision can hold it.
OUTSIDE = 1e4
PRIOR = 0.01


class Selected(NamedTuple):
    """The chosen places, the most promising first.

    Attributes:
        queries: (B, Q, dim) contents.
        boxes: (B, Q, 4) as cx cy w h, normalised.
        logits: (B, Q, classes) the class scores they were chosen by.
    """

    queries: Tensor
    boxes: Tensor
    logits: Tensor


def inverse_sigmoid(x: Tensor, smallest: float = 1e-5) -> Tensor:
    """Return the logit of values in [0, 1], kept `smallest` away from both ends."""
    return (x.clamp(smallest, 1) / (1 - x).clamp(smallest, 1)).log()


def prior_bias(layer: nn.Linear) -> nn.Linear:
    """Set a class layer's bias so that every score starts at 0.01; return the layer."""
    nn.init.constant_(layer.bias, -math.log((1 - PRIOR) / PRIOR))
    return layer


def box_head(dim: int) -> nn.Sequential:
    """Return a perceptron from `dim` channels to a change of box that starts at zero."""
    last = nn.Linear(dim, 4)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*perceptron(dim, dim, dim), nn.ReLU(), last)


@remembered
def anchors(shapes: tuple[tuple[int, int], ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return one square box for every place of a pyramid.

    Args:
        shapes: (height, width) of each map, finest first. A box's side is 0.05 of the image on
            the finest map and doubles from map to map.
        device: where to make the tensors.

    Returns:
        (N, 4) float logits of cx cy w h, and (N, 1) bool: False for places within 0.01 of the
        border or beyond, whose logits are so large that the box is 1 1 1 1.
    """
    boxes = []
    for level, (height, width) in enumerate(shapes):
        y = ((torch.arange(height, device=device) + 0.5) / height)[:, None].expand(height, width)
        x = ((torch.arange(width, device=device) + 0.5) / width).expand(height, width)
        side = torch.full_like(x, ANCHOR_SIZE * 2 ** level)
        boxes.append(torch.stack((x, y, side, side), dim=-1).flatten(0, 1))
    normalised = torch.cat(boxes)
    valid = ((normalised > MARGIN) & (normalised < 1 - MARGIN)).all(-1, keepdim=True)
    return normalised.logit().masked_fill(~valid, OUTSIDE), valid


class QuerySelection(nn.Module):
    """Scores every place of the memory and makes queries of the best.

    Args:
        dim: channels of the memory.
        num_classes: classes to score.
        count: how many queries to make, if the memory has as many places.

    Attributes:
        only_chosen: whether boxes are computed of the chosen places only, which gives the same in
            less time. Published numbers of operations are of all places, as is what is counted.
    """

    only_chosen = False

    def __init__(self, dim: int, num_classes: int, count: int) -> None:
        super().__init__()
        self.count = count
        linear = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(linear.weight)
        self.content = nn.Sequential(linear, nn.LayerNorm(dim))
        self.class_head = prior_bias(nn.Linear(dim, num_classes))
        self.box_head = box_head(dim)

    def forward(self, memory: Tensor, shapes: tuple[tuple[int, int], ...]) -> Selected:
        """Choose among the places of a (B, N, dim) memory by their best class score."""
        starts, valid = anchors(shapes, memory.device)
        content = self.content(memory * valid)
        logits = self.class_head(content)
        chosen = self.best(logits)[..., None]

        def pick(x: Tensor) -> Tensor:
            return x.gather(1, chosen.expand(-1, -1, x.shape[-1]))

        queries = pick(content)
        if self.only_chosen:
            boxes = self.box_head(queries) + pick(starts.expand(len(memory), -1, -1))
        else:
            boxes = pick(self.box_head(content) + starts)
        return Selected(queries, boxes.sigmoid(), pick(logits))

    def best(self, logits: Tensor) -> Tensor:
        """Return (B, Q) which of N places score best in any class, (B, N, classes), best first."""
        return logits.amax(-1).topk(min(self.count, logits.shape[1]), dim=1).indices


def compute_only_chosen(model: nn.Module) -> None:
    """Let query selections inside `model` compute the boxes of chosen places only, in place."""
    for module in model.modules():
        if isinstance(module, QuerySelection):
            module.only_chosen = True
