# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Contrastive denoising queries (DINO, arXiv 2203.03605, section 3.3), for training only.

They are noisy copies of the true objects, drawn once per iteration and passed to every forward of
it, so that both depths solve the same task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_convert

COUNT = 100
LABEL_NOISE = 0.5
BOX_NOISE = 1.0


@dataclass(frozen=True)
class DenoisingQueries:
    """D denoising queries per image; a group is one positive and one negative of every object.

    Attributes:
        labels: (B, D) int64 noisy labels; `num_classes` where an image has fewer objects.
        boxes: (B, D, 4) float noisy boxes as cx cy w h, normalised.
        groups: number of groups, all of the same size.
        positives: per image an int64 vector, the queries that should restore an object.
        objects: per image an int64 vector beside it, the object each of them should restore.
    """

    labels: Tensor
    boxes: Tensor
    groups: int
    positives: tuple[Tensor, ...]
    objects: tuple[Tensor, ...]

    def blocked(self, queries: int) -> Tensor:
        """Return the (D + queries, D + queries) bool attention mask; True is blocked.

        A denoising query sees its group and the matching queries, which see themselves only.
        """
        count = self.labels.shape[1]
        group = torch.arange(count + queries, device=self.labels.device)
        group = (group // max(1, count // self.groups)).masked_fill(group >= count, -1)
        return (group[:, None] != group) & (group >= 0)


def draw_denoising(labels: Sequence[Tensor], boxes: Sequence[Tensor], num_classes: int, *,
                   count: int = COUNT, label_noise: float = LABEL_NOISE,
                   box_noise: float = BOX_NOISE, generator: torch.Generator | None = None,
                   ) -> DenoisingQueries:
    """Draw the denoising queries of one batch.

    Args:
        labels: per image (objects,) int64.
        boxes: per image (objects, 4) float, cx cy w h, normalised.
        num_classes: labels are below it.
        count: positives per image to aim at; there is at least one group.
        label_noise: half of this fraction of the labels are replaced by random ones.
        box_noise: a positive's corners move by up to this fraction of half its size, a negative's
            by once to twice that.
        generator: source of the noise; it may live on another device than the boxes.

    Returns:
        The queries; none (D = 0) if no image has an object.
    """
    most = max(len(x) for x in labels)
    groups = max(1, count // max(1, most))
    true_labels = _padded(labels, most, num_classes).repeat(1, 2 * groups)
    true_boxes = _padded(boxes, most, 0.0).repeat(1, 2 * groups, 1)
    device = true_boxes.device
    source = generator.device if generator is not None else device

    def uniform(shape: torch.Size) -> Tensor:
        return torch.rand(shape, generator=generator, device=source).to(device)

    random_labels = (uniform(true_labels.shape) * num_classes).long()
    replaced = (uniform(true_labels.shape) < label_noise / 2) & (true_labels != num_classes)
    place = torch.arange(2 * most * groups, device=device)
    negative = (place // max(1, most)) % 2
    sign = torch.where(uniform(true_boxes.shape) < 0.5, -1.0, 1.0)
    shift = sign * (uniform(true_boxes.shape) + negative[:, None]) * box_noise
    corners = box_convert(true_boxes, 'cxcywh', 'xyxy')
    corners = (corners + shift * true_boxes[..., 2:].repeat(1, 1, 2) / 2).clamp(0, 1)
    return DenoisingQueries(
        labels=torch.where(replaced, random_labels, true_labels),
        # A negative's opposite corners may have passed each other; such a box has no size.
        boxes=box_convert(corners, 'xyxy', 'cxcywh').clamp(min=0),
        groups=groups,
        positives=tuple(place.view(groups, 2, most)[:, 0, :len(x)].flatten() for x in labels),
        objects=tuple(place[:len(x)].repeat(groups) for x in labels))


def no_denoising(batch: Tensor) -> DenoisingQueries:
    """Return no queries at all for a batch of images, or of their features."""
    nothing = batch.new_zeros(len(batch), 0, dtype=torch.int64)
    return DenoisingQueries(nothing, batch.new_zeros(len(batch), 0, 4), 1, tuple(nothing),
                            tuple(nothing))


def _padded(tensors: Sequence[Tensor], length: int, value: float) -> Tensor:
    """Stack tensors of different lengths, filled up at their ends."""
    out = tensors[0].new_full((len(tensors), length, *tensors[0].shape[1:]), value)
    for row, tensor in zip(out, tensors, strict=True):
        row[:len(tensor)] = tensor
    return out
