# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Confusion matrix: what objects were taken for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anydepth_core.evaluate.coco import Found, as_xywh

if TYPE_CHECKING:
    from anydepth_core.data.dataset import Objects

SCORE_THRESHOLD = 0.25
IOU_THRESHOLD = 0.5


def confusion_matrix(truth: Sequence[Objects], found: Sequence[Found], num_classes: int, *,
                     score_threshold: float = SCORE_THRESHOLD,
                     iou_threshold: float = IOU_THRESHOLD) -> NDArray[np.int64]:
    """Return (C + 1, C + 1) counts: row what is there, column what was found.

    The last row counts detections where nothing is, the last column objects not found. An object
    goes with the detection of its class that overlaps it most; only what is left over is matched
    across classes. Detections that lie in a crowd of their class and match nothing are left out.

    Args:
        truth: the objects of each image.
        found: the detections of each image.
        num_classes: C, labels are below it.
        score_threshold: detections that score less are left out.
        iou_threshold: a detection with less overlap is not of the object.
    """
    counts = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    for objects, detections in zip(truth, found, strict=True):
        _add(counts, objects, detections, score_threshold, iou_threshold)
    return counts


def _add(counts: NDArray[np.int64], objects: Objects, detections: Found, score_threshold: float,
         iou_threshold: float) -> None:
    nothing = len(counts) - 1
    kept = detections.scores >= score_threshold
    boxes, labels = detections.boxes[kept], detections.labels[kept]
    crowd = objects.crowd.astype(bool)
    there, truth_labels = objects.boxes[~crowd], objects.labels[~crowd]
    overlap = overlaps(there, boxes)
    pairs = match(np.where(truth_labels[:, None] == labels, overlap, 0), iou_threshold)
    free_rows = np.setdiff1d(np.arange(len(there)), [row for row, _ in pairs])
    free_columns = np.setdiff1d(np.arange(len(boxes)), [column for _, column in pairs])
    rest = match(overlap[np.ix_(free_rows, free_columns)], iou_threshold)
    pairs += [(int(free_rows[row]), int(free_columns[column])) for row, column in rest]
    for row, column in pairs:
        counts[truth_labels[row], labels[column]] += 1
    for row in set(range(len(there))) - {row for row, _ in pairs}:
        counts[truth_labels[row], nothing] += 1
    within = overlaps(objects.boxes[crowd], boxes, crowd=True) >= iou_threshold
    excused = (within & (objects.labels[crowd][:, None] == labels)).any(axis=0)
    for column in set(range(len(boxes))) - {column for _, column in pairs}:
        counts[nothing, labels[column]] += not excused[column]


def overlaps(objects: NDArray[np.float32], boxes: NDArray[np.float32], *,
             crowd: bool = False) -> NDArray[np.float64]:
    """Return the (M, N) IoU of (M, 4) and (N, 4) corners; with `crowd`, the share of each box."""
    from pycocotools import mask

    if not len(objects) or not len(boxes):
        return np.zeros((len(objects), len(boxes)))
    sides = [np.array([as_xywh(box) for box in each.tolist()]) for each in (boxes, objects)]
    return np.asarray(mask.iou(*sides, [int(crowd)] * len(objects)), np.float64).T


def match(overlap: NDArray[np.float64], threshold: float) -> list[tuple[int, int]]:
    """Return (row, column) pairs, greatest overlap first, each row and column at most once."""
    rows, columns = np.nonzero(overlap >= max(threshold, 1e-9))
    order = np.argsort(-overlap[rows, columns], kind='stable')
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist()):
        if row not in pairs and column not in taken:
            pairs[row] = column
            taken.add(column)
    return list(pairs.items())
