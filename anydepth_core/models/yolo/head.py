# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Detection head: for each pixel of three maps, class scores and distributions of box sides."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from anydepth_core.nn.csp import conv

BINS = 16
STRIDES = (8, 16, 32)


class DenseOutputs(NamedTuple):
    """What the head says about each anchor point, all maps in one list, finest first.

    Attributes:
        logits: (B, N, C) class scores before the sigmoid.
        side_logits: (B, N, 4, 16) left, top, right, bottom: a distribution over distances of
            0..15 strides before the softmax (generalised focal loss, paper Eq. 8).
        boxes: (B, N, 4) corners in pixels of the network input: the distributions' means, in
            single precision or better.
        points: (N, 2) centres of the anchor pixels, x y, in input pixels, like boxes.
        strides: (N, 1) input pixels per map pixel.
    """

    logits: Tensor
    side_logits: Tensor
    boxes: Tensor
    points: Tensor
    strides: Tensor


class YoloHead(nn.Module):
    """Decoupled head on the maps of strides 8, 16 and 32.

    Args:
        channels: channels of the three maps.
        num_classes: classes to score.
    """

    def __init__(self, channels: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        box = max(16, channels[0] // 4, 4 * BINS)
        hidden = max(channels[0], min(num_classes, 100))
        self.num_classes = num_classes
        self.box = nn.ModuleList(
            nn.Sequential(conv(c, box, 3), conv(box, box, 3), nn.Conv2d(box, 4 * BINS, 1))
            for c in channels)
        self.score = nn.ModuleList(
            nn.Sequential(conv(c, c, 3, groups=c), conv(c, hidden),
                          conv(hidden, hidden, 3, groups=hidden), conv(hidden, hidden),
                          nn.Conv2d(hidden, num_classes, 1))
            for c in channels)
        # Fixed, yet a parameter: the published parameter counts include it.
        self.distances = nn.Parameter(torch.arange(BINS, dtype=torch.float32), requires_grad=False)
        self._start_biases()

    def forward(self, maps: tuple[Tensor, Tensor, Tensor]) -> DenseOutputs:
        """Map three (B, C_i, H / s_i, W / s_i) to the outputs of all their pixels."""
        side_logits = pixel_rows(self.box, maps).unflatten(2, (4, BINS))
        points, strides = anchor_points(maps)
        # Half precision would move boxes by whole pixels, as would a product under autocast.
        shares = side_logits.to(points.dtype).softmax(dim=-1)
        distances = (shares * self.distances.to(points.dtype)).sum(dim=-1) * strides
        near, far = distances.chunk(2, dim=-1)
        boxes = torch.cat((points - near, points + far), dim=-1)
        return DenseOutputs(pixel_rows(self.score, maps), side_logits, boxes, points, strides)

    def _start_biases(self) -> None:
        """Start from boxes of a stride a side and the class prior of five objects in 640x640."""
        for box, score, stride in zip(self.box, self.score, STRIDES):
            prior = math.log(5 / self.num_classes / (640 / stride) ** 2)
            nn.init.constant_(box.get_parameter('2.bias'), 1.0)
            nn.init.constant_(score.get_parameter('4.bias'), prior)


def pixel_rows(branches: nn.ModuleList, maps: tuple[Tensor, ...]) -> Tensor:
    """Return what each branch says of its map, a row a pixel, all maps in one list: (B, N, C).

    Planes go last before maps are joined; so runtimes hold them, and nothing has to be moved.
    """
    return torch.cat([branch(x).permute(0, 2, 3, 1).flatten(1, 2)
                      for branch, x in zip(branches, maps)], dim=1)


def anchor_points(maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Return the pixel centres (N, 2) and strides (N, 1) of maps at STRIDES, in input pixels.

    In single precision for maps in half.
    """
    dtype = torch.promote_types(maps[0].dtype, torch.float32)
    points, strides = [], []
    for x, stride in zip(maps, STRIDES):
        height, width = x.shape[-2:]
        rows = torch.arange(height, device=x.device, dtype=dtype) + 0.5
        columns = torch.arange(width, device=x.device, dtype=dtype) + 0.5
        y, x_ = torch.meshgrid(rows, columns, indexing='ij')
        points.append(torch.stack((x_, y), dim=-1).reshape(-1, 2) * stride)
        strides.append(torch.full((height * width, 1), stride, device=x.device, dtype=dtype))
    return torch.cat(points), torch.cat(strides)
