# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What both families' distillation is made of: feature alignment and divergence of classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

Alignment = Literal['pooled', 'spatial', 'softmax', 'none']
# depth.STAGES as a type, so that a recipe that names another stage is refused.
StageName = Literal['p2', 'p3', 'p4', 'p5', 'fpn4', 'fpn3', 'pan4', 'pan5']
ALL_STAGES: tuple[StageName, ...] = get_args(StageName)


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(softmax(teacher) || softmax(student)) over the last dimension (Eq. 7); teacher fixed.

    Where there is but one class, against a logit of 0 for none, which makes sigmoids of both: the
    softmax of one number is 1, whatever the number, and would teach nothing.
    """
    if student.shape[-1] == 1:
        student, teacher = functional.pad(student, (0, 1)), functional.pad(teacher, (0, 1))
    return functional.kl_div(student.float().log_softmax(dim=-1),
                             teacher.detach().float().log_softmax(dim=-1),
                             reduction='none', log_target=True).sum(dim=-1)


def align_features(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor],
                   stages: Iterable[str], alignment: Alignment = 'pooled') -> Tensor:
    """Return how far the features of two passes are apart, averaged over images; a scalar.

    Args:
        student: (B, C, H, W) of each stage.
        teacher: the same of the teacher, which gets no gradient.
        stages: the stages to compare, at least one.
        alignment: 'pooled', the squared distance of normalised channel descriptors, each map
            averaged over its pixels, and the mean over the stages (Eq. 9); 'spatial', the same for
            the descriptor of every pixel, and the mean over pixels (Eq. 12); 'softmax', as the
            authors' DETR code does: KL(teacher || student) of one softmax over the pooled
            descriptors of all stages in a row. ('none' is for the caller.)
    """
    pairs = [(student[stage].float(), teacher[stage].detach().float()) for stage in stages]
    if alignment != 'spatial':
        pairs = [(ours.mean(dim=(2, 3)), theirs.mean(dim=(2, 3))) for ours, theirs in pairs]
    if alignment == 'softmax':
        return divergence(*(torch.cat(column, dim=1) for column in zip(*pairs))).mean()
    distances = [2 - 2 * functional.cosine_similarity(ours, theirs, dim=1, eps=1e-6)
                 for ours, theirs in pairs]
    return torch.stack([distance.mean() for distance in distances]).mean()
