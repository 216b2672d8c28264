# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""From raw predictions to detections: pure functions of tensors, one for each family.

A candidate is a (query, class) pair, so that one box may carry several classes, which is how the
evaluators of both families count. A candidate whose logit or box is not finite never comes out.
Candidates of equal score keep their order in the predictions: query by query, then by class.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import nms

from anydepth_core.models.base import RawPredictions

NMS_CANDIDATES = 30_000
# Boxes of different classes are moved apart by this many pixels before one NMS over all of them.
# A power of two well above any input size: in double precision no overlap changes by it.
CLASS_PITCH = 2.0 ** 17
# Up to so many candidates of an image plain numbers are quicker than tensors.
FEW = 64
SCORE_ROUNDING = 1e-6  # more than rounding changes any score by


class Selected(NamedTuple):
    """The detections of one image, best first.

    Attributes:
        boxes: (M, 4) float32, corners x1 y1 x2 y2 in pixels of the network input.
        scores: (M,) float32 in [0, 1], descending.
        labels: (M,) int64, class indices.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def decode(raw: RawPredictions, decoding: Literal['nms', 'top_k'], *, score_threshold: float,
           iou_threshold: float, max_detections: int) -> list[Selected]:
    """Decode the way a model asks for (`AnyDepthModel.decoding`); `top_k` has no IoU threshold."""
    few = _decode_few(raw, score_threshold, iou_threshold if decoding == 'nms' else None,
                      max_detections)
    if few is not None:
        return few
    if decoding == 'top_k':
        return decode_top_k(raw, score_threshold=score_threshold, max_detections=max_detections)
    return decode_nms(raw, score_threshold=score_threshold, iou_threshold=iou_threshold,
                      max_detections=max_detections)


def decode_top_k(raw: RawPredictions, *, score_threshold: float = 0.0,
                 max_detections: int = 300) -> list[Selected]:
    """Return, per image, the best (query, class) pairs of a set predictor, without suppression.

    Args:
        raw: predictions for B images.
        score_threshold: pairs that score less are left out.
        max_detections: at most so many pairs per image.
    """
    return [_candidates(logits, boxes, score_threshold, max_detections)
            for logits, boxes in zip(*raw)]


def decode_nms(raw: RawPredictions, *, score_threshold: float, iou_threshold: float,
               max_detections: int) -> list[Selected]:
    """Return, per image, the (query, class) pairs that survive class-aware greedy NMS.

    Args:
        raw: predictions for B images.
        score_threshold: pairs that score less are left out.
        iou_threshold: a pair goes when a better one of its class overlaps it by more than this.
        max_detections: at most so many pairs per image. Only the best 30,000 enter the NMS.
    """
    selected = []
    for logits, boxes in zip(*raw):
        best = _candidates(logits, boxes, score_threshold, NMS_CANDIDATES)
        reach = CLASS_PITCH / 2 - 1
        apart = best.boxes.double().clamp(-reach, reach) + (best.labels * CLASS_PITCH)[:, None]
        kept = _survivors(apart, best.scores.double(), iou_threshold, max_detections)
        selected.append(Selected(*(column[kept] for column in best)))
    return selected


def _survivors(boxes: Tensor, scores: Tensor, iou_threshold: float, count: int) -> Tensor:
    """Return the indices of the first `count` that NMS keeps of boxes in order, best first.

    Only better ones decide whether one stays, so the others enter only where they are needed.
    """
    entering = 4 * count
    kept = nms(boxes[:entering], scores[:entering], iou_threshold)
    while len(kept) < count and entering < len(boxes):
        entering *= 4
        kept = nms(boxes[:entering], scores[:entering], iou_threshold)
    return kept[:count]


def _candidates(logits: Tensor, boxes: Tensor, threshold: float, limit: int) -> Selected:
    """Return the best `limit` pairs of one image, (N, C) logits and (N, 4) boxes, in order."""
    scores = logits.float().sigmoid()
    query, label = (scores >= threshold).nonzero(as_tuple=True)
    finite = logits[query, label].isfinite() & boxes[query].isfinite().all(1)
    query, label = query[finite], label[finite]
    score = scores[query, label]
    if len(score) > limit:
        # Sorting everything costs far more than finding the score of the last one that is needed.
        needed = score >= torch.topk(score, limit, sorted=False).values.amin()
        query, label, score = query[needed], label[needed], score[needed]
    score, order = score.sort(descending=True, stable=True)
    order = order[:limit]
    return Selected(boxes[query[order]].float(), score[:limit], label[order])


def _decode_few(raw: RawPredictions, threshold: float, iou_threshold: float | None,
                count: int) -> list[Selected] | None:
    """Decode what lies in a CPU's memory and leaves few candidates; None for everything else.

    Same rules, other tools: a frame is decoded when the network has just driven all else out of
    the caches, and then each of forty tensor operations costs ten times what it does in a loop.
    """
    logits, boxes = (column.detach() for column in raw)
    if threshold <= SCORE_ROUNDING or any(
            column.device.type != 'cpu' or column.dtype != torch.float32
            for column in (logits, boxes)):
        return None
    least = threshold - SCORE_ROUNDING
    floor = math.log(least / (1 - least))
    selected = []
    for values, corners in zip(logits.numpy(), boxes.numpy()):
        query, label = (values >= floor).nonzero()
        if len(query) > FEW:
            return None
        logit, chosen = values[query, label], corners[query]
        score = 1 / (1 + np.exp(-logit))
        usable = (score >= threshold) & np.isfinite(logit) & np.isfinite(chosen).all(1)
        order = np.argsort(-score, kind='stable')
        order = order[usable[order]]
        if iou_threshold is not None:
            order = order[_apart(chosen[order].tolist(), label[order].tolist(), iou_threshold)]
        kept = order[:count]
        selected.append(Selected(*map(torch.from_numpy, (chosen[kept], score[kept], label[kept]))))
    return selected


def _apart(boxes: list[list[float]], labels: list[int], iou_threshold: float) -> list[int]:
    """Return the indices that greedy NMS keeps of boxes in order, best first, class by class."""
    kept: list[int] = []
    for i, (left, top, right, bottom) in enumerate(boxes):
        for j in kept:
            if labels[i] != labels[j]:
                continue
            x1, y1, x2, y2 = boxes[j]
            overlap = max(0.0, min(right, x2) - max(left, x1)) * max(
                0.0, min(bottom, y2) - max(top, y1))
            union = (right - left) * (bottom - top) + (x2 - x1) * (y2 - y1) - overlap
            if union and overlap / union > iou_threshold:
                break
        else:
            kept.append(i)
    return kept
