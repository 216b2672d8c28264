# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Multi-scale deformable attention (Deformable DETR, arXiv 2010.04159, Eq. 3)."""

from __future__ import annotations

from collections.abc import Sequence
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

Shapes = Sequence[tuple[int, int]]


class DeformableAttention(nn.Module):
    """Each query reads a few learned points around its box from every map of a pyramid.

    Args:
        dim: channels of queries and memory, a multiple of `heads`.
        heads, levels, points: every head reads `points` points on each of the `levels` maps.
    """

    def __init__(self, dim: int, heads: int = 8, levels: int = 3, points: int = 4) -> None:
        super().__init__()
        self.layout = (heads, levels, points)
        self.offsets = nn.Linear(dim, heads * levels * points * 2)
        self.weights = nn.Linear(dim, heads * levels * points)
        self.values = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with one compass direction a head, points at rising distance, equal weights."""
        heads, levels, points = self.layout
        angles = torch.arange(heads) * (2 * math.pi / heads)
        directions = torch.stack((angles.cos(), angles.sin()), dim=-1)
        directions = directions / directions.abs().amax(-1, keepdim=True)
        distances = torch.arange(1, points + 1)
        start = directions[:, None, None] * distances[:, None]
        with torch.no_grad():
            self.offsets.bias.copy_(start.expand(heads, levels, points, 2).flatten())
        for layer in (self.offsets, self.weights):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.weights.bias)
        for layer in (self.values, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, queries: Tensor, boxes: Tensor, memory: Tensor, shapes: Shapes) -> Tensor:
        """Read the memory around each query's box.

        Args:
            queries: (B, Q, dim).
            boxes: (B, Q, 4) as cx cy w h, normalised to [0, 1]; an offset of `points` is half
                of the box away from its centre.
            memory: (B, N, dim), the maps flattened row by row, one after the other.
            shapes: (height, width) of each map; N is the sum of their areas.

        Returns:
            (B, Q, dim).
        """
        batch, count, _ = queries.shape
        heads, levels, points = self.layout
        offsets = self.offsets(queries).view(batch, count, heads, levels, points, 2)
        # Queries last, as below: along a short last dimension a CPU's kernels are slow.
        weights = self.weights(queries).view(batch, count, heads, levels * points)
        weights = weights.permute(0, 2, 3, 1).softmax(2).permute(0, 3, 1, 2)
        boxes = boxes[:, :, None, None, None]
        locations = boxes[..., :2] + offsets * (0.5 / points) * boxes[..., 2:]
        sampled = sample_pyramid(self.values(memory), shapes, locations,
                                 weights.view(offsets.shape[:-1]))
        return self.output(sampled.to(queries.dtype))


def sample_pyramid(values: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Return weighted sums of bilinear samples; zero outside of a map.

    Samples in the precision of the locations: half precision would move them by whole pixels, and
    with it PyTorch's CPU kernel reads outside of maps whose strides overflow 16 bits.

    Args:
        values: (B, N, heads * C).
        shapes: (height, width) of each level.
        locations: (B, Q, heads, levels, points, 2) as x y, normalised to [0, 1] over each level.
        weights: (B, Q, heads, levels, points).

    Returns:
        (B, Q, heads * C), of the locations' type.
    """
    batch, count, heads = locations.shape[:3]
    values = values.to(locations.dtype)
    images = values.transpose(1, 2).reshape(batch * heads, -1, values.shape[1])
    # B * heads first, then levels, points and Q; x y last and one channel second.
    grids = (2 * locations - 1).permute(0, 2, 3, 4, 1, 5).flatten(0, 1)
    weights = weights.permute(0, 2, 3, 4, 1).flatten(0, 1)[:, None]
    total = images.new_zeros(())
    levels = images.split([height * width for height, width in shapes], dim=2)
    for level, (image, shape) in enumerate(zip(levels, shapes, strict=True)):
        sampled = functional.grid_sample(image.unflatten(2, shape), grids[:, level],
                                         align_corners=False)  # (B * heads, C, points, Q)
        total = total + (sampled * weights[:, :, level]).sum(2)
    return total.view(batch, -1, count).transpose(1, 2)
