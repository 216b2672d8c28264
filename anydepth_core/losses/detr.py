# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Ground-truth loss of the DETR family (RT-DETR, arXiv 2304.08069): varifocal, L1 and GIoU.

It counts for the last decoder layer, for every layer before it, for the queries as they were
selected, each matched by itself, and for the denoising queries, whose objects are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_convert

from anydepth_core.losses.assign import Targets
from anydepth_core.losses.boxes import paired_overlap
from anydepth_core.losses.matching import Matches, match
from anydepth_core.models.rtdetr import DenoisingQueries, DetrOutputs
from anydepth_core.models.rtdetr.denoising import BOX_NOISE, COUNT, LABEL_NOISE

FOCAL_ALPHA, FOCAL_GAMMA = 0.75, 2.0
# The terms of the last decoder layer; the other layers have one term for all three.
FINAL_TERMS = ('classes', 'l1', 'giou')


@dataclass(frozen=True, kw_only=True)
class DetrLossWeights:
    """Factors of the three losses, and the denoising queries (facts of the published recipes).

    Attributes:
        classes, l1, giou: factors, the same for every layer.
        denoising_queries: how many per image to aim at; 0 for none.
        label_noise, box_noise: see `draw_denoising`.
    """

    classes: Annotated[float, Field(ge=0)] = 1.0
    l1: Annotated[float, Field(ge=0)] = 5.0
    giou: Annotated[float, Field(ge=0)] = 2.0
    denoising_queries: Annotated[int, Field(ge=0)] = COUNT
    label_noise: Annotated[float, Field(ge=0, le=1)] = LABEL_NOISE
    box_noise: Annotated[float, Field(ge=0)] = BOX_NOISE


def match_layers(outputs: DetrOutputs, targets: Sequence[Targets]) -> Matches:
    """Match the L decoder layers, and as layer L the queries as they were selected."""
    return match(*_layers(outputs), targets)


def detr_loss(outputs: DetrOutputs, targets: Sequence[Targets], matches: Matches,
              objects: Tensor, weights: DetrLossWeights) -> dict[str, Tensor]:
    """Return the weighted terms of one pass, each a scalar.

    Args:
        outputs: of a network with L decoder layers.
        targets: the objects of each image, boxes as cx cy w h, normalised.
        matches: what `match_layers` gave for them.
        objects: what sums over objects are divided by: how many there are, at least 1.
        weights: factors.

    Returns:
        'classes', 'l1' and 'giou' of the last decoder layer; 'auxiliary', 'selected' and
        'denoising', each the sum of the three over the layers before it, the selected queries and
        all layers of the denoising queries. Finite, with nothing but class terms, when no image
        has an object.
    """
    decoder, count = outputs.decoder, len(outputs.decoder.logits)
    each = set_losses(*_layers(outputs), matches, targets, objects, weights)
    noise = set_losses(decoder.denoising_logits, decoder.denoising_boxes,
                       denoising_matches(outputs.denoising, targets, count), targets,
                       objects * outputs.denoising.groups, weights)
    final = dict(zip(FINAL_TERMS, each[count - 1].unbind(), strict=True))
    return final | {'auxiliary': each[:count - 1].sum(), 'selected': each[count].sum(),
                    'denoising': noise.sum()}


def set_losses(logits: Tensor, boxes: Tensor, matches: Matches, targets: Sequence[Targets],
               objects: Tensor, weights: DetrLossWeights) -> Tensor:
    """Return (K, 3): the weighted class, L1 and GIoU loss of each of K layers.

    Args:
        logits: (K, B, Q, C).
        boxes: (K, B, Q, 4) as cx cy w h, normalised.
        matches: which query answers for which object; the others answer for none.
        targets: the objects of each image, with boxes of the same kind.
        objects: what sums over objects are divided by.
        weights: factors.

    The class loss is the varifocal loss of RT-DETR: a matched query's class aims at the IoU of its
    box with weight IoU; every other score aims at zero with weight 0.75 score^2.
    """
    logits = logits.float()
    labels = torch.cat([t.labels for t in targets])[matches.objects]
    goals = torch.cat([t.boxes for t in targets])[matches.objects].float()
    place = (matches.layers, matches.images, matches.queries)
    chosen = boxes[place].float()
    overlap = paired_overlap(box_convert(chosen, 'cxcywh', 'xyxy'),
                             box_convert(goals, 'cxcywh', 'xyxy'))
    goal = torch.zeros_like(logits).index_put((*place, labels), overlap.iou.detach())
    weight = FOCAL_ALPHA * logits.detach().sigmoid() ** FOCAL_GAMMA
    weight = weight.index_put((*place, labels), overlap.iou.detach())
    classes = functional.binary_cross_entropy_with_logits(logits, goal, weight, reduction='none')
    sums = torch.stack((_by_layer((chosen - goals).abs().sum(dim=-1), matches, logits),
                        _by_layer(1 - overlap.giou, matches, logits)), dim=-1)
    losses = torch.cat((classes.sum(dim=(1, 2, 3))[:, None], sums), dim=-1) / objects
    return losses * losses.new_tensor([weights.classes, weights.l1, weights.giou])


def denoising_matches(noise: DenoisingQueries, targets: Sequence[Targets], layers: int,
                      ) -> Matches:
    """Return the pairs of the denoising queries: for every layer what they were drawn from."""
    firsts = torch.tensor([0, *(len(t.labels) for t in targets)]).cumsum(0).tolist()
    images = torch.cat([torch.full_like(x, i) for i, x in enumerate(noise.positives)])
    queries = torch.cat(noise.positives)
    objects = torch.cat([x + first for x, first in zip(noise.objects, firsts)])
    layer = torch.arange(layers, device=images.device).repeat_interleave(len(images))
    return Matches(layer, images.repeat(layers), queries.repeat(layers), objects.repeat(layers))


def _layers(outputs: DetrOutputs) -> tuple[Tensor, Tensor]:
    """Return (L + 1, B, Q, C) logits and (L + 1, B, Q, 4) boxes, the selected queries last."""
    decoder = outputs.decoder
    return (torch.cat((decoder.logits, decoder.selected_logits[None])),
            torch.cat((decoder.boxes, decoder.selected_boxes[None])))


def _by_layer(values: Tensor, matches: Matches, logits: Tensor) -> Tensor:
    """Return (K,) the sums of the pairs' values over each layer of (K, …) logits."""
    return values.new_zeros(len(logits)).index_add(0, matches.layers, values)
