# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""COCO average precision through pycocotools, the judge the field agrees on."""

from __future__ import annotations

from collections.abc import Sequence
import contextlib
from dataclasses import dataclass
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIDE = 100_000  # only crowd masks would read the image size


@dataclass(frozen=True)
class CocoScores:
    """Average precision in [0, 1]; -1 where there is nothing to find.

    Attributes:
        ap, ap50, ap75: over IoU 0.50:0.95, at 0.50, at 0.75; 100 detections per image.
        small, medium, large: AP of objects below 32², up to 96², above, in pixels.
        per_class: AP of each class, in the order of the class names.
    """

    ap: float
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float
    per_class: tuple[float, ...]


Boxes = tuple[NDArray[np.float32], NDArray[np.int64]]
Scored = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]


def coco_scores(truth: Sequence[Boxes], found: Sequence[Scored], num_classes: int) -> CocoScores:
    """Score detections against the truth.

    Args:
        truth: per image, boxes (M, 4) corners in pixels and labels (M,).
        found: per image, boxes (N, 4), scores (N,) and labels (N,).
        num_classes: labels are below it.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = _dataset(truth, num_classes)
        reference.createIndex()
        results = _results(found)
        if not results:
            nothing = 0.0 if any(len(labels) for _, labels in truth) else -1.0
            return CocoScores(nothing, nothing, nothing, nothing, nothing, nothing,
                              (nothing,) * num_classes)
        evaluation = COCOeval(reference, reference.loadRes(results), 'bbox')
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval['precision'][:, :, :, 0, 2]  # IoU, recall, class
    per_class = [float(p[p > -1].mean()) if (p > -1).any() else -1.0
                 for p in np.moveaxis(precision, -1, 0)]
    ap, ap50, ap75, small, medium, large = map(float, evaluation.stats[:6])
    return CocoScores(ap, ap50, ap75, small, medium, large, tuple(per_class))


def _dataset(truth: Sequence[Boxes], num_classes: int) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for image, (boxes, labels) in enumerate(truth):
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels.tolist()):
            annotations.append({
                'id': len(annotations) + 1, 'image_id': image, 'category_id': label, 'iscrowd': 0,
                'bbox': [x1, y1, x2 - x1, y2 - y1], 'area': (x2 - x1) * (y2 - y1)})
    return {'images': [{'id': i, 'width': _SIDE, 'height': _SIDE} for i in range(len(truth))],
            'categories': [{'id': i, 'name': str(i)} for i in range(num_classes)],
            'annotations': annotations, 'info': {}}


def _results(found: Sequence[Scored]) -> list[dict[str, Any]]:
    return [{'image_id': image, 'category_id': label, 'score': score,
             'bbox': [x1, y1, x2 - x1, y2 - y1]}
            for image, (boxes, scores, labels) in enumerate(found)
            for (x1, y1, x2, y2), score, label
            in zip(boxes.tolist(), scores.tolist(), labels.tolist())]
