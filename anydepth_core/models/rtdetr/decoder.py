# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""RT-DETR's decoder (arXiv 2304.08069): queries refine their boxes layer by layer.

Every layer has its own heads, so any layer may be the last (paper section 4.3). Nothing in the
decoder has two paths, its depth is the number of layers that run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from anydepth_core.models.rtdetr.config import DetrConfig
from anydepth_core.models.rtdetr.denoising import DenoisingQueries
from anydepth_core.models.rtdetr.selection import (
    QuerySelection,
    box_head,
    inverse_sigmoid,
    prior_bias,
)
from anydepth_core.nn.conv import ConvNorm
from anydepth_core.nn.transformer import DecoderLayer, perceptron

HEADS = 8
LEVELS = 3
POINTS = 4
Shapes = tuple[tuple[int, int], ...]


class DecoderOutputs(NamedTuple):
    """What training needs of the decoder; boxes are cx cy w h, normalised.

    Attributes:
        logits: (L, B, Q, C) class scores before the sigmoid after each of the L layers.
        boxes: (L, B, Q, 4).
        selected_logits: (B, Q, C) the scores by which the queries were selected.
        selected_boxes: (B, Q, 4) where they started.
        denoising_logits: (L, B, D, C) the same as `logits` for the denoising queries.
        denoising_boxes: (L, B, D, 4).
    """

    logits: Tensor
    boxes: Tensor
    selected_logits: Tensor
    selected_boxes: Tensor
    denoising_logits: Tensor
    denoising_boxes: Tensor


class Decoder(nn.Module):
    """From the neck's maps to class scores and boxes."""

    def __init__(self, config: DetrConfig, num_classes: int) -> None:
        super().__init__()
        dim = config.decoder_width
        self.projections = nn.ModuleList(ConvNorm(config.neck_width, dim) for _ in range(LEVELS))
        self.selection = QuerySelection(dim, num_classes, config.queries)
        self.denoising_classes = nn.Embedding(num_classes + 1, dim, padding_idx=num_classes)
        self.position = perceptron(4, 2 * dim, dim)
        self.layers = nn.ModuleList(
            DecoderLayer(dim, HEADS, config.decoder_hidden, LEVELS, POINTS)
            for _ in range(config.decoder_layers))
        self.box_heads = nn.ModuleList(box_head(dim) for _ in self.layers)
        self.class_heads = nn.ModuleList(prior_bias(nn.Linear(dim, num_classes))
                                         for _ in self.layers)
        for layer in self.position:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)

    def forward(self, maps: Sequence[Tensor], layers: int) -> tuple[Tensor, Tensor]:
        """Detect with the first `layers` decoder layers.

        Args:
            maps: (B, C, H, W) of strides 8, 16 and 32.
            layers: from 1 to all.

        Returns:
            (B, Q, classes) logits and (B, Q, 4) boxes as cx cy w h, normalised.
        """
        memory, shapes = self.flatten(maps)
        queries, boxes, _ = self.selection(memory, shapes)
        for index in range(layers):
            queries, boxes = self.refine(index, queries, boxes, memory, shapes)
        return self.class_heads[layers - 1](queries), boxes

    def train_outputs(self, maps: Sequence[Tensor], noise: DenoisingQueries) -> DecoderOutputs:
        """Run every layer on matching and denoising queries; see DecoderOutputs.

        A layer starts from boxes that carry no gradient, but its output also trains the layer
        before it ("look forward twice", DINO section 3.5).
        """
        memory, shapes = self.flatten(maps)
        selected = self.selection(memory, shapes)
        queries = torch.cat((self.denoising_classes(noise.labels), selected.queries.detach()), 1)
        boxes = torch.cat((noise.boxes, selected.boxes.detach()), 1)
        blocked = noise.blocked(selected.queries.shape[1])
        logits, refined, before = [], [], boxes
        for index, class_head in enumerate(self.class_heads):
            queries, change = self.run_layer(index, queries, boxes, memory, shapes, blocked)
            logits.append(class_head(queries))
            refined.append((change + inverse_sigmoid(before)).sigmoid())
            before = (change + inverse_sigmoid(boxes)).sigmoid()
            boxes = before.detach()
        split = [noise.labels.shape[1], selected.queries.shape[1]]
        noise_logits, all_logits = torch.stack(logits).split(split, dim=2)
        noise_boxes, all_boxes = torch.stack(refined).split(split, dim=2)
        return DecoderOutputs(all_logits, all_boxes, selected.logits, selected.boxes,
                              noise_logits, noise_boxes)

    def flatten(self, maps: Sequence[Tensor]) -> tuple[Tensor, Shapes]:
        """Return the projected maps as one (B, N, dim) memory and their (height, width)."""
        projected = [project(x) for project, x in zip(self.projections, maps, strict=True)]
        memory = torch.cat([x.flatten(2).transpose(1, 2) for x in projected], dim=1)
        return memory, tuple((x.shape[2], x.shape[3]) for x in projected)

    def refine(self, index: int, queries: Tensor, boxes: Tensor, memory: Tensor,
               shapes: Shapes) -> tuple[Tensor, Tensor]:
        """Return queries and boxes after one layer of detection."""
        queries, change = self.run_layer(index, queries, boxes, memory, shapes)
        return queries, (change + inverse_sigmoid(boxes)).sigmoid()

    def run_layer(self, index: int, queries: Tensor, boxes: Tensor, memory: Tensor,
                  shapes: Shapes, blocked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the queries after one layer and the change of box (logits) they ask for."""
        positions = self.position(boxes.to(queries.dtype))
        queries = self.layers[index](queries, positions, boxes, memory, shapes, blocked)
        return queries, self.box_heads[index](queries)

    def drop_unused(self, layers: int) -> None:
        """Remove, in place, what `forward` with this many layers never runs."""
        del self.denoising_classes
        self.layers = self.layers[:layers]
        self.box_heads = self.box_heads[:layers]
        unused = [nn.Identity() for _ in range(layers - 1)]
        self.class_heads = nn.ModuleList([*unused, self.class_heads[layers - 1]])
