# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""COCO's JSON, read with suspicion: the file may come from anywhere."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
import json
from pathlib import Path
from typing import Any

import numpy as np

from anydepth_core.data.findings import Finding, Report, refuse
from anydepth_core.data.records import Records, report_missing, report_names, unsafe
from anydepth_core.errors import DataError, nearest

MAX_SIDE = 1 << 16
MAX_NUMBER = 1e10
TRIED = 10  # images looked for near the file


def read_coco(annotations: Path, images: Path | None = None, *, classes: Sequence[str] = (),
              skip: str = '', report: Report = refuse) -> Records:
    """Read a COCO JSON file.

    Args:
        annotations: the file; of each image `id`, `file_name`, `width` and `height` are used, of
            each annotation `image_id`, `category_id`, `bbox`, `area` and `iscrowd`, of each
            category `id` and `name`.
        images: folder that the file names start from; by default one of the usual ones near the
            file that holds one of the first images.
        classes: names of the classes to keep, in the order of their labels; all by default, in
            the order of their ids (which may have gaps).
        skip: leave out images whose record has a true value under this key.
        report: told of everything wrong that can be passed over; by default raises DataError for
            what training refuses.

    Raises:
        DataError: the file is not COCO's JSON, a folder or class is missing, or `report` says so.
    """
    data = _parsed(annotations)
    if images is None:
        images = _usual_folder(annotations, data['images'])
    if not images.is_dir():
        raise DataError(f'{images}: no such folder of images')
    return _Reader(annotations, images, report).read(data, classes, skip)


def _parsed(path: Path) -> dict[str, list[Any]]:
    """Return the three lists of a COCO file."""
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror})') from error
    except (ValueError, RecursionError) as error:
        reason = ' '.join(str(error).split())[:200]
        raise DataError(f'{path}: not JSON ({reason})') from None
    if not isinstance(data, dict):
        raise DataError(f'{path}: COCO JSON is an object with images, annotations and categories, '
                        f'not a {type(data).__name__}')
    for key in ('images', 'annotations', 'categories'):
        if not isinstance(data.get(key), list):
            raise DataError(f'{path}: has no list {key!r}; COCO JSON has images, annotations and '
                            'categories')
    return data


def _usual_folder(path: Path, entries: list[Any]) -> Path:
    """Return the folder near a COCO file that holds one of the first images it lists."""
    near, above = path.absolute().parent, path.absolute().parent.parent
    folders = [folder / part for folder in (near, above)
               for part in ('', 'images', path.stem, f'images/{path.stem}')]
    names = [entry['file_name'] for entry in entries[:TRIED] if not _image_problem(entry)]
    for folder in folders:
        if any(not unsafe(name) and (folder / name).is_file() for name in names):
            return folder
    raise DataError(f'{path}: its images are not in a folder near it; name their folder')


class _Reader:
    """One pass over a parsed file; what is wrong in an entry is reported, and the entry left."""

    def __init__(self, path: Path, folder: Path, report: Report) -> None:
        self.path, self.folder, self.report = path, folder, report

    def read(self, data: dict[str, list[Any]], classes: Sequence[str], skip: str) -> Records:
        label_of, names = self._categories(data['categories'], classes)
        row_of, files, sizes = self._images(data['images'], skip)
        rows, labels, boxes, crowd, areas = self._objects(data['annotations'], row_of, label_of)
        order = np.argsort(np.array(rows, np.int64), kind='stable')
        starts = np.searchsorted(np.array(rows, np.int64)[order], np.arange(len(files) + 1))
        corners = np.array(boxes, np.float64).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        return Records(
            source=str(self.path), folder=self.folder, class_names=names, names=files,
            sizes=np.array(sizes, np.int32).reshape(-1, 2), starts=starts.astype(np.int64),
            boxes=corners.astype(np.float32)[order], labels=np.array(labels, np.int64)[order],
            crowd=np.array(crowd, np.bool_)[order], areas=np.array(areas, np.float32)[order])

    def _categories(self, entries: list[Any], classes: Sequence[str],
                    ) -> tuple[dict[Hashable, int | None], tuple[str, ...]]:
        """Return the label of each category id (None: not kept), and the names of the labels."""
        name_of: dict[Hashable, str] = {}
        for number, entry in enumerate(entries):
            key = entry.get('id') if isinstance(entry, dict) else None
            name = entry.get('name') if isinstance(entry, dict) else None
            if not _is_id(key) or not isinstance(name, str) or not name.strip():
                self._malformed('category', number, 'has no id and name')
            elif key in name_of or name in name_of.values():
                self._malformed('category', number, f'id {key!r} or name {name!r} is used twice')
            else:
                name_of[key] = name
        ids = sorted(name_of, key=_id_order)
        if not ids:
            raise DataError(f'{self.path}: has no category')
        names = tuple(classes) or tuple(name_of[key] for key in ids)
        for name in names:
            if name not in name_of.values():
                raise DataError(f'{self.path}: has no class {name!r}'
                                f'{nearest(name, name_of.values())}')
        report_names(self.path, names, self.report)
        return {key: names.index(name_of[key]) if name_of[key] in names else None
                for key in ids}, names

    def _images(self, entries: list[Any], skip: str,
                ) -> tuple[dict[Hashable, int | None], list[str], list[tuple[int, int]]]:
        """Return the row of each image id (None: left out), file names and (height, width)."""
        row_of: dict[Hashable, int | None] = {}
        usable: list[dict[str, Any]] = []
        for number, entry in enumerate(entries):
            problem = _image_problem(entry)
            if problem:
                self._malformed('image', number, problem)
                if isinstance(entry, dict) and _is_id(entry.get('id')):
                    row_of.setdefault(entry['id'], None)
            elif entry['id'] in row_of:
                self.report(Finding('duplicate-image-id', self._where('image', number),
                                    f'id {entry["id"]!r} is used twice'))
            elif unsafe(entry['file_name']):
                row_of[entry['id']] = None
                self.report(Finding('unsafe-path', self._where('image', number),
                                    f'{entry["file_name"]!r} leads out of the folder of images'))
            else:
                row_of[entry['id']] = None
                usable.append(entry)
        self._require_key(skip, usable)
        kept = [entry for entry in usable if not (skip and entry.get(skip))]
        there = report_missing(self.folder, [entry['file_name'] for entry in kept], self.report)
        kept = [entry for entry, exists in zip(kept, there) if exists]
        row_of |= {entry['id']: row for row, entry in enumerate(kept)}
        return row_of, [entry['file_name'] for entry in kept], [
            (entry.get('height') or 0, entry.get('width') or 0) for entry in kept]

    def _objects(self, entries: list[Any], row_of: dict[Hashable, int | None],
                 label_of: dict[Hashable, int | None],
                 ) -> tuple[list[int], list[int], list[list[float]], list[bool], list[float]]:
        """Return the image row, label, box (x, y, width, height), crowd and area of each."""
        rows, labels, boxes, crowd, areas = [], [], [], [], []
        seen: set[Hashable] = set()
        for number, entry in enumerate(entries):
            problem = _object_problem(entry)
            if problem:
                self._malformed('annotation', number, problem)
                continue
            key = entry.get('id')
            if _is_id(key) and key in seen:
                self.report(Finding('duplicate-object-id', self._where('annotation', number),
                                    f'id {key!r} is used twice'))
            seen.add(key if _is_id(key) else None)
            kind = self._unusable(entry, row_of, label_of)
            if kind is not None:
                self.report(Finding(kind[0], self._where('annotation', number), kind[1]))
                continue
            row, label = row_of[entry['image_id']], label_of[entry['category_id']]
            if row is None or label is None:
                continue
            area = entry.get('area')
            rows.append(row)
            labels.append(label)
            boxes.append(entry['bbox'])
            crowd.append(bool(entry.get('iscrowd')))
            areas.append(area if _is_number(area) else entry['bbox'][2] * entry['bbox'][3])
        return rows, labels, boxes, crowd, areas

    @staticmethod
    def _unusable(entry: dict[str, Any], row_of: dict[Hashable, int | None],
                  label_of: dict[Hashable, int | None]) -> tuple[str, str] | None:
        """Return the kind of finding and its detail if the object must be left out."""
        if entry['image_id'] not in row_of:
            return 'unknown-image', f'there is no image with id {entry["image_id"]!r}'
        if entry['category_id'] not in label_of:
            return 'unknown-category', f'there is no category with id {entry["category_id"]!r}'
        if min(entry['bbox'][2:]) <= 0:
            return 'degenerate-box', f'bbox {entry["bbox"]} has no width or no height'
        return None

    def _require_key(self, skip: str, entries: list[dict[str, Any]]) -> None:
        if skip and entries and not any(skip in entry for entry in entries):
            known = {key for entry in entries for key in entry}
            raise DataError(f'skip: no image in {self.path} has a key {skip!r}'
                            f'{nearest(skip, known)}')

    def _where(self, kind: str, number: int) -> str:
        return f'{self.path}: {kind} {number}'

    def _malformed(self, kind: str, number: int, detail: str) -> None:
        self.report(Finding('malformed-entry', self._where(kind, number), detail))


def _image_problem(entry: Any) -> str:
    """Return what is wrong with an entry of `images`, or an empty text."""
    if not isinstance(entry, dict):
        return 'is not an object'
    if not _is_id(entry.get('id')):
        return f'id {_short(entry.get("id"))} is not a whole number or a text'
    if not isinstance(entry.get('file_name'), str) or not entry['file_name']:
        return f'file_name {_short(entry.get("file_name"))} is not a text'
    for key in ('width', 'height'):
        side = entry.get(key)
        if side is not None and not (type(side) is int and 0 < side <= MAX_SIDE):
            return f'{key} {_short(side)} is not a whole number from 1 to {MAX_SIDE}'
    return ''


def _object_problem(entry: Any) -> str:
    """Return what is wrong with an entry of `annotations`, or an empty text."""
    if not isinstance(entry, dict):
        return 'is not an object'
    for key in ('image_id', 'category_id'):
        if not _is_id(entry.get(key)):
            return f'{key} {_short(entry.get(key))} is not a whole number or a text'
    box = entry.get('bbox')
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        return f'bbox {_short(box)} is not a list of four numbers'
    return ''


def _is_id(value: Any) -> bool:
    return type(value) in (int, str)


def _id_order(key: Any) -> tuple[bool, Any]:
    return isinstance(key, str), key


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= MAX_NUMBER  # not so for NaN


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + '...'
