# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Self-distillation: the base pass learns from the full pass of the same network (section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import complete_box_iou_loss

from anydepth_core.depth import STAGES
from anydepth_core.losses.assign import Assignment
from anydepth_core.models.yolo.head import DenseOutputs


@dataclass(frozen=True, kw_only=True)
class YoloDistillation:
    """Hyperparameters of the base pass (paper Table 5, column AnyDepth-YOLO).

    Attributes:
        alpha: share of the ground-truth loss in the base loss (Eq. 5); 1 is joint training only.
        classes, box, distribution, features: factors of the terms (Eq. 6 and 8).
        temperature: softens the class distributions (Eq. 7).
        class_anchors: where classes are distilled: 'both', foreground of both passes and the same
            object (Eq. 11), or 'full', foreground of the full pass (as the authors' code does).
        drop_conflicts: leave out anchors that answer for different objects in the two passes
            (Eq. 10); off is the paper's naive distillation.
        stages: the stages whose features are aligned (Eq. 9).
        alignment: 'pooled' descriptors (Eq. 9) or whole maps, 'spatial' (Eq. 12).
    """

    alpha: float = 0.2
    classes: float = 0.4
    box: float = 1.2
    distribution: float = 0.8
    features: float = 0.4
    temperature: float = 2.0
    class_anchors: Literal['both', 'full'] = 'both'
    drop_conflicts: bool = True
    stages: tuple[str, ...] = STAGES
    alignment: Literal['pooled', 'spatial'] = 'pooled'


def distill_yolo(base: DenseOutputs, full: DenseOutputs, base_assigned: Assignment,
                 full_assigned: Assignment, options: YoloDistillation) -> dict[str, Tensor]:
    """Return the weighted terms 'classes', 'box' and 'distribution' of Eq. 6, each a scalar.

    The full pass is a fixed teacher: no gradient flows into it. Zero when the two passes agree,
    finite when no anchor is left to distill.
    """
    both = full_assigned.foreground & base_assigned.foreground
    conflict = both & (full_assigned.object_index != base_assigned.object_index)
    usable = both & ~conflict if options.drop_conflicts else both
    for_classes = usable
    if options.class_anchors == 'full':
        for_classes = full_assigned.foreground
        if options.drop_conflicts:
            for_classes = for_classes & ~conflict
    weight = full_assigned.scores.sum(dim=-1)
    box = complete_box_iou_loss(base.boxes[usable].float(), full.boxes[usable].detach().float())
    temperature = options.temperature
    classes = divergence(base.logits[for_classes] / temperature,
                         full.logits[for_classes] / temperature) * temperature ** 2
    sides = divergence(base.side_logits[usable], full.side_logits[usable]).mean(dim=-1)
    return {'classes': options.classes * _mean(classes, weight[for_classes]),
            'box': options.box * _mean(box, weight[usable]),
            'distribution': options.distribution * _mean(sides, weight[usable])}


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(softmax(teacher) || softmax(student)) over the last dimension (Eq. 7); teacher fixed."""
    return functional.kl_div(student.float().log_softmax(dim=-1),
                             teacher.detach().float().log_softmax(dim=-1),
                             reduction='none', log_target=True).sum(dim=-1)


def align_features(base: Mapping[str, Tensor], full: Mapping[str, Tensor], stages: Iterable[str],
                   alignment: Literal['pooled', 'spatial'] = 'pooled') -> Tensor:
    """Squared distance of normalised features, averaged over stages and images; a scalar.

    'pooled' compares channel descriptors, each map averaged over its pixels (Eq. 9); 'spatial'
    compares the descriptors of every pixel (Eq. 12).
    """
    distances = []
    for stage in stages:
        student, teacher = base[stage].float(), full[stage].detach().float()
        if alignment == 'pooled':
            student, teacher = student.mean(dim=(2, 3)), teacher.mean(dim=(2, 3))
        cosine = functional.cosine_similarity(student, teacher, dim=1, eps=1e-6)
        distances.append((2 - 2 * cosine).mean())
    return torch.stack(distances).mean()


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1.0)
