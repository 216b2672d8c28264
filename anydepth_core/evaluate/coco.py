# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""COCO's average precision and recall through pycocotools, the judge the field agrees on."""

from __future__ import annotations

from collections.abc import Sequence
import contextlib
from dataclasses import dataclass, field, fields
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anydepth_core.data.dataset import Objects

_SIDE = 100_000  # only masks would read the image size


class Found(NamedTuple):
    """The detections of one image.

    Attributes:
        boxes: (N, 4) float32, corners x1 y1 x2 y2 in pixels of the image.
        scores: (N,) float32 in [0, 1].
        labels: (N,) int64.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class CocoScores:
    """COCO's numbers, in [0, 1]; -1 where there is nothing to find.

    Attributes:
        ap, ap50, ap75: average precision over IoU 0.50:0.95, at 0.50, at 0.75; of each class and
            image the 100 best detections count.
        small, medium, large: `ap` of objects with an area up to 32², up to 96², and above.
        ar1, ar10, ar100: average recall with so many detections per class and image.
        ar_small, ar_medium, ar_large: `ar100` of objects of these sizes.
        per_class, per_class50: `ap` and `ap50` of each class, in the order of the labels.
        precision50: (101, C) float64, precision at IoU 0.50 and the recalls 0, 0.01, … 1.
        threshold50: (101, C) float64, the score at which that recall is reached, 0 where never.
    """

    ap: float
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    per_class: tuple[float, ...]
    per_class50: tuple[float, ...]
    precision50: NDArray[np.float64] = field(repr=False, compare=False)
    threshold50: NDArray[np.float64] = field(repr=False, compare=False)

    def numbers(self) -> dict[str, float]:
        """Return the twelve numbers that pycocotools prints, by name and in its order."""
        return {name: getattr(self, name) for name in NUMBERS}


NUMBERS = tuple(each.name for each in fields(CocoScores))[:12]


def coco_scores(truth: Sequence[Objects], found: Sequence[Found], num_classes: int) -> CocoScores:
    """Score detections against the truth, as pycocotools does with the same things as JSON.

    Args:
        truth: the objects of each image. Detections in a crowd count neither for nor against.
        found: the detections of each image.
        num_classes: labels are below it.

    Raises:
        ValueError: of other numbers of images.
    """
    if len(truth) != len(found):
        raise ValueError(f'the truth of {len(truth)} images, but detections of {len(found)}')
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images = [{'id': i, 'width': _SIDE, 'height': _SIDE} for i in range(len(truth))]
    categories = [{'id': i, 'name': str(i)} for i in range(num_classes)]
    sides = []
    with contextlib.redirect_stdout(io.StringIO()):
        for annotations in (_expected(truth), _results(found)):
            side = COCO()
            side.dataset = {'images': images, 'categories': categories, 'annotations': annotations}
            side.createIndex()
            sides.append(side)
        judge = COCOeval(*sides, 'bbox')
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    precision = judge.eval['precision'][:, :, :, 0, 2]  # IoU, recall, class; any size, 100 each
    numbers: dict[str, Any] = dict(zip(NUMBERS, map(float, judge.stats)))
    return CocoScores(**numbers,
                      per_class=tuple(map(_mean, np.moveaxis(precision, -1, 0))),
                      per_class50=tuple(map(_mean, precision[0].T)),
                      precision50=precision[0].copy(),
                      threshold50=judge.eval['scores'][0, :, :, 0, 2].copy())


def _mean(values: NDArray[np.float64]) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0


def _expected(truth: Sequence[Objects]) -> list[dict[str, Any]]:
    rows = [_annotation(image, box, label) | {'iscrowd': crowd, 'area': area}
            for image, objects in enumerate(truth)
            for box, label, crowd, area in zip(
                objects.boxes.tolist(), objects.labels.tolist(),
                objects.crowd.astype(int).tolist(), objects.areas.tolist())]
    return _numbered(rows)


def _results(found: Sequence[Found]) -> list[dict[str, Any]]:
    rows = []
    for image, detections in enumerate(found):
        for box, score, label in zip(*(column.tolist() for column in detections)):
            row = _annotation(image, box, label)
            rows.append(row | {'score': score, 'iscrowd': 0,
                               'area': row['bbox'][2] * row['bbox'][3]})
    return _numbered(rows)


def _annotation(image: int, box: list[float], label: int) -> dict[str, Any]:
    return {'image_id': image, 'category_id': label, 'bbox': as_xywh(box)}


def as_xywh(box: Sequence[float]) -> list[float]:
    """Return corners x1 y1 x2 y2 as COCO's x y width height."""
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


def _numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each row an id from 1 on: pycocotools takes a match with id 0 for no match."""
    for number, row in enumerate(rows, 1):
        row['id'] = number
    return rows
