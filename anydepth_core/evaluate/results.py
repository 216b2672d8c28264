# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Detections as a COCO result file, for any other judge."""

from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path
from typing import Any

from anydepth_core.errors import DataError
from anydepth_core.evaluate.coco import Found, as_xywh
from anydepth_core.evaluate.files import write_text


def coco_ids(annotations: Path, image_names: Sequence[str], class_names: Sequence[str],
             ) -> tuple[list[int], list[int]]:
    """Return what a COCO JSON file calls images and classes: their ids, in the order given.

    Raises:
        DataError: the file cannot be read, or lacks one of them.
    """
    try:
        data = json.loads(annotations.read_bytes())
        images = {row['file_name']: int(row['id']) for row in data['images']}
        categories = {row['name']: int(row['id']) for row in data['categories']}
    except OSError as error:
        raise DataError(f'cannot read {annotations}: {error.strerror}') from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f'{annotations}: not COCO JSON ({type(error).__name__} {error})'
                        ) from None
    for known, names in ((images, image_names), (categories, class_names)):
        for name in names:
            if name not in known:
                raise DataError(f'{annotations}: knows no {name!r}')
    return [images[name] for name in image_names], [categories[name] for name in class_names]


def result_rows(found: Sequence[Found], image_ids: Sequence[int | str],
                category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return detections as COCO's result format wants them: boxes as x, y, width, height.

    Args:
        found: per image.
        image_ids: what the data set calls each image.
        category_ids: what the data set calls each label.
    """
    return [{'image_id': image, 'category_id': category_ids[label], 'bbox': as_xywh(box),
             'score': score}
            for image, detections in zip(image_ids, found, strict=True)
            for box, score, label in zip(*(column.tolist() for column in detections))]


def write_results(path: Path, found: Sequence[Found], image_ids: Sequence[int | str],
                  category_ids: Sequence[int]) -> None:
    """Write `result_rows` as JSON, every number in full.

    Raises:
        DataError: it cannot be written.
    """
    write_text(path, json.dumps(result_rows(found, image_ids, category_ids)))
