# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Self-distillation of AnyDepth-YOLO: base learns from full, anchor by anchor (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
import torch
from torch import Tensor

from anydepth_core.losses.align import ALL_STAGES, Alignment, StageName, divergence
from anydepth_core.losses.assign import Assignment
from anydepth_core.losses.boxes import complete_iou_loss
from anydepth_core.losses.normalise import normaliser
from anydepth_core.models.yolo.head import DenseOutputs


@dataclass(frozen=True, kw_only=True)
class YoloDistillation:
    """Hyperparameters of the base pass (paper Table 5, column AnyDepth-YOLO).

    The rows of Table 3: alpha=1 is joint training without distillation; target_alignment=false
    with alignment=none is naive distillation, alignment=none alone adds the target alignment, and
    the defaults add the feature alignment.

    Attributes:
        alpha: share of the ground-truth loss in the base loss (Eq. 5).
        classes, box, distribution, features: factors of the terms (Eq. 6 and 8). The last is of
            the mean over `stages`, backbone and neck alike.
        temperature: softens the class distributions (Eq. 7).
        target_alignment: distil only where both passes answer for the same object (Eq. 10, 11);
            off, wherever the full pass answers for one, whatever base does there (section 3.3.1).
        class_anchors: where classes are distilled with target alignment: 'both', as the other
            terms (Eq. 11), or 'full', also where base answers for nothing (as the authors' code).
        alignment: what of the features is compared, see `align_features`; 'none' for nothing.
        stages: of which stages. The authors' code takes p4, p5, fpn3, pan4 and pan5.
    """

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.2
    classes: Annotated[float, Field(ge=0)] = 0.4
    box: Annotated[float, Field(ge=0)] = 1.2
    distribution: Annotated[float, Field(ge=0)] = 0.8
    features: Annotated[float, Field(ge=0)] = 0.4
    temperature: Annotated[float, Field(gt=0)] = 2.0
    target_alignment: bool = True
    class_anchors: Literal['both', 'full'] = 'both'
    alignment: Alignment = 'pooled'
    stages: Annotated[tuple[StageName, ...], Field(min_length=1)] = ALL_STAGES


def distill_yolo(base: DenseOutputs, full: DenseOutputs, base_assigned: Assignment,
                 full_assigned: Assignment, options: YoloDistillation) -> dict[str, Tensor]:
    """Return the weighted terms 'classes', 'box' and 'distribution' of Eq. 6, each a scalar.

    The full pass is a fixed teacher: no gradient flows into it. Each anchor weighs by its soft
    target in the full pass. Zero when the two passes agree, finite when no anchor is left. A term
    whose factor is 0 is left out.
    """
    for_boxes = for_classes = full_assigned.foreground
    if options.target_alignment:
        both = full_assigned.foreground & base_assigned.foreground
        conflict = both & (full_assigned.object_index != base_assigned.object_index)
        for_boxes = both & ~conflict
        for_classes = full_assigned.foreground & ~conflict \
            if options.class_anchors == 'full' else for_boxes
    weight = full_assigned.scores.sum(dim=-1)
    class_weight, box_weight = weight[for_classes], weight[for_boxes]
    class_total, box_total = normaliser(torch.stack((class_weight.sum(), box_weight.sum())))
    temperature = options.temperature
    classes = divergence(base.logits[for_classes] / temperature,
                         full.logits[for_classes] / temperature) * temperature ** 2
    box = complete_iou_loss(base.boxes[for_boxes].float(),
                            full.boxes[for_boxes].detach().float())
    sides = divergence(base.side_logits[for_boxes], full.side_logits[for_boxes]).mean(dim=-1)
    terms = {'classes': (classes * class_weight).sum() / class_total,
             'box': (box * box_weight).sum() / box_total,
             'distribution': (sides * box_weight).sum() / box_total}
    return {name: factor * term for name, term in terms.items()
            if (factor := getattr(options, name))}
