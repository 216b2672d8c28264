# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Self-distillation of AnyDepth-DETR: base learns from full, query by query (section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field
from torch import Tensor
from torchvision.ops import box_convert

from anydepth_core.depth import GROUPS
from anydepth_core.losses.align import (
    ALL_STAGES,
    Alignment,
    StageName,
    align_features,
    divergence,
)
from anydepth_core.losses.boxes import paired_overlap
from anydepth_core.losses.matching import Matches


@dataclass(frozen=True, kw_only=True)
class DetrDistillation:
    """Hyperparameters of the base pass (paper Table 5, column AnyDepth-DETR).

    The rows of Table 3: alpha=1 is joint training without distillation; target_alignment=false
    with alignment=none is naive distillation, alignment=none alone adds the target alignment, and
    the defaults add the feature alignment.

    Attributes:
        alpha: share of the ground-truth loss in the base loss (Eq. 5).
        alpha_covers: the ground-truth terms that alpha weighs. 'final': those of the last decoder
            layer, which is what is distilled; the layers before it, the selected queries and the
            denoising queries always learn from ground truth (as the authors' code does). 'all':
            every term, Eq. 5 to the letter; with alpha 0 base then sees no ground truth at all.
        classes: factor of the class term (Eq. 7). The authors' code has 1 times queries / classes
            in its place, which is 3.75 for 300 queries and the 80 classes of COCO.
        l1, giou: factors of the two box terms (Eq. 8).
        backbone_features, neck_features: factors of the feature term (Eq. 9), each of the mean
            over those of `stages` that lie in the backbone and in the neck.
        temperature: softens the class distributions (Eq. 7).
        target_alignment: pair the two queries that answer for the same object; off, pair the
            matched queries of an image as they come, in the order of their places among the
            queries, whatever object each answers for ('naive': section 3.3.2 without its
            re-ordering).
        alignment: what of the features is compared, see `align_features`; 'none' for nothing.
            The authors' code has 'softmax' with both factors 1.
        stages: of which stages. The authors' code takes p3, p4, p5, fpn3, pan4 and pan5.
    """

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.0
    alpha_covers: Literal['final', 'all'] = 'final'
    classes: Annotated[float, Field(ge=0)] = 3.75
    l1: Annotated[float, Field(ge=0)] = 5.0
    giou: Annotated[float, Field(ge=0)] = 2.0
    backbone_features: Annotated[float, Field(ge=0)] = 0.5
    neck_features: Annotated[float, Field(ge=0)] = 0.2
    temperature: Annotated[float, Field(gt=0)] = 1.0
    target_alignment: bool = True
    alignment: Alignment = 'pooled'
    stages: Annotated[tuple[StageName, ...], Field(min_length=1)] = ALL_STAGES


class FinalLayer(NamedTuple):
    """What the last decoder layer of a pass says, and what it was matched with.

    Attributes:
        logits: (B, Q, C) class scores before the sigmoid.
        boxes: (B, Q, 4) as cx cy w h, normalised.
        matches: the pairs of this layer.
    """

    logits: Tensor
    boxes: Tensor
    matches: Matches


class Pairs(NamedTuple):
    """P pairs of queries, as int64 vectors (P,): the image, its base query and full query."""

    images: Tensor
    base: Tensor
    full: Tensor


def distill_detr(base: FinalLayer, full: FinalLayer, objects: Tensor,
                 options: DetrDistillation) -> dict[str, Tensor]:
    """Return the weighted terms 'classes', 'l1' and 'giou' of Eq. 6, each a scalar.

    The full pass is a fixed teacher: no gradient flows into it. Zero when the two passes agree,
    finite when no query is matched.

    Args:
        base: the student.
        full: the teacher.
        objects: what sums over objects are divided by: how many there are, at least 1.
        options: factors and choices.
    """
    pairs = paired_queries(base.matches, full.matches, aligned=options.target_alignment)
    ours, theirs = (pairs.images, pairs.base), (pairs.images, pairs.full)
    temperature = options.temperature
    classes = divergence(base.logits[ours] / temperature,
                         full.logits[theirs] / temperature) * temperature ** 2
    boxes, goals = base.boxes[ours].float(), full.boxes[theirs].detach().float()
    giou = paired_overlap(box_convert(boxes, 'cxcywh', 'xyxy'),
                          box_convert(goals, 'cxcywh', 'xyxy')).giou
    return {'classes': options.classes * classes.sum() / objects,
            'l1': options.l1 * (boxes - goals).abs().sum() / objects,
            'giou': options.giou * (1 - giou).sum() / objects}


def paired_queries(base: Matches, full: Matches, *, aligned: bool) -> Pairs:
    """Return which base query learns from which full query.

    Both arguments are of one layer. With more objects than queries the passes may have left out
    different objects; `aligned` then pairs those that neither has.
    """
    if not aligned:
        return Pairs(base.images, base.queries, full.queries)
    base_row, full_row = (base.objects[:, None] == full.objects).nonzero(as_tuple=True)
    return Pairs(base.images[base_row], base.queries[base_row], full.queries[full_row])


def align_detr(base: Mapping[str, Tensor], full: Mapping[str, Tensor],
               options: DetrDistillation) -> dict[str, Tensor]:
    """Return the weighted feature terms 'backbone' and 'neck' (Eq. 9), each a scalar.

    Args:
        base: the student's (B, C, H, W) of each stage, by its name.
        full: the teacher's.
        options: factors and choices. A term whose factor is 0 or that has no stage is left out.
    """
    factors = {'backbone': options.backbone_features, 'neck': options.neck_features}
    return {group: factor * align_features(base, full, stages, options.alignment)
            for group, factor in factors.items() if options.alignment != 'none' and factor
            and (stages := [stage for stage in options.stages if stage in GROUPS[group]])}
