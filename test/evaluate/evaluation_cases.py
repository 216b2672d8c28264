# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Random data sets and detections, and pycocotools itself as the judge of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from anydepth_core.data.dataset import Objects
from anydepth_core.evaluate.coco import Found

GRID = 8  # boxes lie on eighths of a pixel, so that float32 holds them exactly


@dataclass
class Case:
    """A COCO document, and the same things as the evaluation takes them."""

    document: dict[str, Any]
    truth: list[Objects]
    found: list[Found]
    image_ids: list[int]
    category_ids: list[int]


def random_case(seed: int) -> Case:
    """Return a few images with objects, crowds, gaps in all ids, ties, and misses."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 4))
    image_ids = sorted(rng.choice(1000, int(rng.integers(1, 7)), replace=False).tolist())
    category_ids = sorted(rng.choice(np.arange(1, 91), classes, replace=False).tolist())
    truth = [_objects(rng, classes) for _ in image_ids]
    found = [_found(rng, objects, classes) for objects in truth]
    annotations = []
    for image, objects in zip(image_ids, truth):
        for box, label, crowd, area in zip(*(part.tolist() for part in objects)):
            x1, y1, x2, y2 = box
            annotations.append({
                'id': 7 + 3 * len(annotations), 'image_id': image,
                'category_id': category_ids[label], 'iscrowd': int(crowd), 'area': area,
                'bbox': [x1, y1, x2 - x1, y2 - y1]})
    document = {
        'images': [{'id': each, 'file_name': f'{each}.jpg', 'width': 640, 'height': 480}
                   for each in image_ids],
        'categories': [{'id': each, 'name': f'class {each}'} for each in category_ids],
        'annotations': annotations}
    return Case(document, truth, found, image_ids, category_ids)


def judged_by_pycocotools(folder: Path, case: Case, results: list[dict[str, Any]]) -> COCOeval:
    """Return pycocotools' evaluation of a result file against a COCO file."""
    (folder / 'truth.json').write_text(json.dumps(case.document))
    (folder / 'results.json').write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(folder / 'truth.json'))
        judge = COCOeval(reference, reference.loadRes(str(folder / 'results.json')), 'bbox')
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


def objects(boxes: list[list[float]], labels: list[int], crowd: list[bool] | None = None,
            ) -> Objects:
    """Return Objects whose areas are those of the boxes."""
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    sides = corners[:, 2:] - corners[:, :2]
    return Objects(corners, np.array(labels, np.int64),
                   np.array(crowd or [False] * len(labels), np.bool_), sides.prod(axis=1))


def detections(boxes: list[list[float]], scores: list[float], labels: list[int]) -> Found:
    """Return detections of one image."""
    return Found(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32),
                 np.array(labels, np.int64))


def _objects(rng: np.random.Generator, classes: int) -> Objects:
    count = int(rng.integers(0, 6))
    boxes = _boxes(rng, count)
    sides = boxes[:, 2:] - boxes[:, :2]
    # As with masks, the area is less than that of the box, and may be of another size class.
    areas = np.floor(sides.prod(axis=1) * rng.uniform(0.3, 1, count))
    return Objects(boxes, rng.integers(0, classes, count), rng.random(count) < 0.2,
                   areas.astype(np.float32))


def _found(rng: np.random.Generator, there: Objects, classes: int) -> Found:
    copies = rng.integers(0, 3, len(there.boxes))
    near = np.repeat(there.boxes, copies, axis=0)
    near = near + rng.integers(-6 * GRID, 6 * GRID + 1, near.shape) / GRID
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
    far = _boxes(rng, int(rng.integers(1, 4)))
    boxes = np.concatenate((near, far)).astype(np.float32)
    labels = np.concatenate((np.repeat(there.labels, copies),
                             rng.integers(0, classes, len(far))))
    wrong = rng.random(len(labels)) < 0.1
    labels = np.where(wrong, rng.integers(0, classes, len(labels)), labels)
    scores = rng.integers(1, 17, len(labels)) / 16  # with ties
    return Found(boxes, scores.astype(np.float32), labels)


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.integers(0, 300 * GRID, (count, 2)) / GRID
    sides = rng.choice([12, 30, 32, 60, 96, 150], (count, 2)) + rng.integers(0, GRID) / GRID
    return np.concatenate((corner, corner + sides), axis=1).astype(np.float32)
