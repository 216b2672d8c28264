# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Images in files with recorded objects, whatever format the record has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import os
from pathlib import Path, PurePosixPath
import reprlib

import numpy as np
from numpy.typing import NDArray

from anydepth_core.data.dataset import Objects, Sample
from anydepth_core.data.findings import Finding, Report
from anydepth_core.data.picture_cache import PictureCache
from anydepth_core.data.pictures import read_picture
from anydepth_core.errors import DataError
from anydepth_core.texts import CLASS_NAME_RULE, is_class_name


@dataclass(frozen=True, eq=False)
class Records:
    """What is recorded about N images with M objects.

    Attributes:
        source: the file or folder it comes from, for messages.
        folder: what `names` start from.
        class_names: name of each label.
        names: file name of each image, below `folder`.
        sizes: (N, 2) int32 (height, width), 0 where it is not recorded.
        starts: (N + 1,) int64; the objects of image i are starts[i] to starts[i + 1] - 1.
        boxes: (M, 4) float32 corners, in pixels or, if `relative`, in sides of the image.
        labels, crowd, areas: as in Objects; areas in square pixels or shares of the image.
        relative: boxes and areas are relative to the image.
    """

    source: str
    folder: Path
    class_names: tuple[str, ...]
    names: list[str]
    sizes: NDArray[np.int32]
    starts: NDArray[np.int64]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    areas: NDArray[np.float32]
    relative: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> Path:
        """Return the file of an image."""
        return self.folder / self.names[index]

    def objects(self, index: int, size: tuple[int, int]) -> Objects:
        """Return the objects of an image of `size` (height, width), wherever their boxes lie."""
        part = slice(self.starts[index], self.starts[index + 1])
        boxes, areas = self.boxes[part], self.areas[part]
        if self.relative:
            height, width = size
            boxes = boxes * np.array((width, height, width, height), np.float32)
            areas = areas * np.float32(width * height)
        return Objects(boxes, self.labels[part], self.crowd[part], areas)


class RecordedImages:
    """A data set of recorded images.

    Args:
        records: what is recorded.
        cache_mb: memory for decoded images in MiB.
    """

    endless = False

    def __init__(self, records: Records, cache_mb: int = 0) -> None:
        self.records = records
        self.class_names = records.class_names
        self._cache = PictureCache(len(records), cache_mb << 20) if cache_mb else None

    def __len__(self) -> int:
        return len(self.records)

    def load(self, index: int) -> Sample:
        """Return an image and those of its objects that are at least partly inside it.

        Raises:
            ImageError: the file cannot be read.
            DataError: the image is not as large as recorded.
        """
        image = self._cache.get(index) if self._cache else None
        if image is None:
            image = read_picture(self.records.path(index))
            require_size(self.records, index, (image.shape[0], image.shape[1]))
            if self._cache:
                self._cache.put(index, image)
        size = (image.shape[0], image.shape[1])
        objects = self.records.objects(index, size)
        inside = has_area(clip(objects.boxes, size))
        return Sample(image, objects.only(inside), self.records.names[index])


def require_size(records: Records, index: int, size: tuple[int, int]) -> None:
    """Raise DataError unless an image has the (height, width) that is recorded."""
    height, width = (int(side) for side in records.sizes[index])
    if height and size != (height, width):
        raise DataError(f'{records.path(index)}: {size[1]}x{size[0]} pixels, but {records.source} '
                        f'says {width}x{height}')


def class_difference(one: Records, other: Records) -> str:
    """Return what is different about two splits' classes; '' if nothing is."""
    for label, (first, second) in enumerate(zip(one.class_names, other.class_names)):
        if first != second:
            return f'class {label} is {first!r} in {one.source} but {second!r} in {other.source}'
    if len(one.class_names) != len(other.class_names):
        return (f'{one.source} has {len(one.class_names)}, {other.source} '
                f'{len(other.class_names)}')
    return ''


def clip(boxes: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return (M, 4) corners clipped to an image of `size` (height, width)."""
    height, width = size
    return boxes.clip(0, np.array((width, height, width, height), np.float32))


def has_area(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (M,): which of the boxes have a width and a height."""
    return np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))


def unsafe(name: str) -> bool:
    """Tell whether a file name from a record leads out of its folder, or names no file at all."""
    parts = PurePosixPath(name).parts
    try:
        name.encode('utf-8', 'surrogateescape')
    except UnicodeEncodeError:
        return True
    return not parts or name[0] == '/' or '..' in parts or any(ord(each) < 32 for each in name)


def report_names(source: Path, names: Iterable[str], report: Report) -> None:
    """Report the names of classes that could not be written into the weights."""
    for name in names:
        if not is_class_name(name):
            report(Finding('class-name', str(source), f'class name {reprlib.repr(name)} is no '
                                                      f'{CLASS_NAME_RULE}'))


def report_missing(folder: Path, names: Iterable[str], report: Report) -> list[bool]:
    """Return which files are there, and report the others; each folder is listed once."""
    listed: dict[str, set[str]] = {}
    there = []
    for name in names:
        below, _, last = name.rpartition('/')
        if below not in listed:
            try:
                listed[below] = set(os.listdir(folder / below))
            except OSError:
                listed[below] = set()
        there.append(last in listed[below])
        if not there[-1]:
            report(Finding('missing-image', str(folder / name)))
    return there
