# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the DETR losses share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anydepth_core.losses.assign import Targets
from anydepth_core.models.rtdetr import DetrOutputs, draw_denoising
from anydepth_core.models.rtdetr.decoder import DecoderOutputs

CLASSES = 4


def random_boxes(source: torch.Generator, *shape: int) -> Tensor:
    """Return (*shape, 4) boxes as cx cy w h, normalised."""
    return torch.cat((torch.rand(*shape, 2, generator=source) * 0.6 + 0.2,
                      torch.rand(*shape, 2, generator=source) * 0.35 + 0.03), dim=-1)


def random_targets(counts: Sequence[int], classes: int = CLASSES, seed: int = 0) -> list[Targets]:
    """Return so many random objects for each image."""
    source = torch.Generator().manual_seed(seed)
    return [Targets(torch.randint(classes, (n,), generator=source), random_boxes(source, n))
            for n in counts]


def random_outputs(targets: Sequence[Targets], queries: int = 7, layers: int = 3,
                   classes: int = CLASSES, seed: int = 0) -> DetrOutputs:
    """Return random outputs of a network with so many decoder layers, all with gradients."""
    source = torch.Generator().manual_seed(seed)
    noise = draw_denoising([t.labels for t in targets], [t.boxes for t in targets], classes,
                           count=10, generator=source)
    batch, count = noise.labels.shape

    def logits(*shape: int) -> Tensor:
        return (torch.randn(*shape, classes, generator=source) - 1).requires_grad_()

    def boxes(*shape: int) -> Tensor:
        return random_boxes(source, *shape).requires_grad_()

    return DetrOutputs(DecoderOutputs(
        logits(layers, batch, queries), boxes(layers, batch, queries), logits(batch, queries),
        boxes(batch, queries), logits(layers, batch, count), boxes(layers, batch, count)),
        noise, {})
