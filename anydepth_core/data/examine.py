# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Examination of a data set: everything wrong with it that can be found without training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
import hashlib
import os
from typing import NamedTuple

import numpy as np

from anydepth_core.data.dataset import Objects
from anydepth_core.data.findings import KINDS, Effect, Finding, Report
from anydepth_core.data.geometry import MIN_SIDE, MIN_VISIBLE, area
from anydepth_core.data.options import Reader
from anydepth_core.data.pictures import read_picture
from anydepth_core.data.records import (
    Records,
    class_difference,
    clip,
    has_area,
    require_size,
)
from anydepth_core.data.twins import SIDE, Thumbnail, alike, thumbnail
from anydepth_core.errors import AnyDepthError, DataError, ImageError
from anydepth_core.runtime.preprocess import Resize, place

TOLERANCE = 0.5  # pixels by which a rounded box may reach out of its image

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class NetworkInput:
    """What images are resized to; decides which objects become too small."""

    size: tuple[int, int]
    resize: Resize


@dataclass(frozen=True)
class SplitSummary:
    """What a split holds.

    Attributes:
        role: 'training' or 'validation'.
        source: where it is recorded.
        images: how many.
        empty_images: how many have no object.
        objects: how many of each class, crowds not counted.
        crowds: how many crowd regions.
    """

    role: str
    source: str
    images: int
    empty_images: int
    objects: dict[str, int]
    crowds: int


@dataclass
class Examination:
    """What was found.

    Attributes:
        splits: what can be read of each.
        counts: how many findings there are of each kind.
        examples: the first findings of each kind.
        keep: how many examples to keep.
    """

    keep: int = 5
    splits: list[SplitSummary] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Finding]] = field(default_factory=dict)

    def report(self, finding: Finding) -> None:
        """Take up a finding."""
        self.counts[finding.kind] = self.counts.get(finding.kind, 0) + 1
        examples = self.examples.setdefault(finding.kind, [])
        if len(examples) < self.keep:
            examples.append(finding)

    @property
    def trainable(self) -> bool:
        """Whether training would run to its end."""
        effects = {KINDS[kind].effect for kind in self.counts}
        return not effects & {Effect.REFUSED, Effect.STOPS}


class _Look(NamedTuple):
    """What one image file shows; `error` if it is of no use."""

    size: tuple[int, int]
    digest: bytes
    thumbnail: Thumbnail
    error: AnyDepthError | None = None


def examine(readers: Iterable[tuple[str, Reader]], network: NetworkInput, *, keep: int = 5,
            progress: Progress = lambda done, count: None) -> Examination:
    """Examine the splits of a data set.

    Args:
        readers: role and reader of one or two splits; see `options.readers`.
        network: what images are resized to.
        keep: how many examples of each kind of finding to keep.
        progress: told how many of how many images of a split are done.
    """
    result = Examination(keep)
    seen: list[tuple[Records, list[_Look]]] = []
    for role, read in readers:
        try:
            records = read(report=result.report)
        except DataError as error:
            where, _, detail = str(error).partition(': ')
            result.report(Finding('unusable-file', where, detail))
            continue
        result.splits.append(_summary(role, records))
        _examine_classes(records, result.report)
        looks = _look_at_all(records, progress)
        for index, look in enumerate(looks):
            _examine_image(records, index, look, network, result.report)
        _report_repeated(records, looks, result.report)
        seen.append((records, looks))
    if len(seen) == 2:
        _examine_pair(*seen[0], *seen[1], result.report)
    return result


def _summary(role: str, records: Records) -> SplitSummary:
    single = records.labels[~records.crowd]
    counts = np.bincount(single, minlength=len(records.class_names))
    empty = int((np.diff(records.starts) == 0).sum())
    return SplitSummary(role, records.source, len(records), empty,
                        dict(zip(records.class_names, counts.tolist())), int(records.crowd.sum()))


def _examine_classes(records: Records, report: Report) -> None:
    if not len(records):
        report(Finding('empty-split', records.source))
        return
    counts = np.bincount(records.labels, minlength=len(records.class_names))
    for name, count in zip(records.class_names, counts):
        if not count:
            report(Finding('empty-class', records.source, f'no object of class {name!r}'))


def _look_at_all(records: Records, progress: Progress) -> list[_Look]:
    """Read all images, on all cores: reading and decoding leave Python free."""
    looks = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for look in pool.map(lambda index: _look(records, index), range(len(records))):
            looks.append(look)
            progress(len(looks), len(records))
    return looks


def _look(records: Records, index: int) -> _Look:
    path = records.path(index)
    try:
        image = read_picture(path)
        size = image.shape[0], image.shape[1]
        require_size(records, index, size)
        return _Look(size, hashlib.sha256(path.read_bytes()).digest(), thumbnail(image))
    except AnyDepthError as error:
        return _Look((0, 0), b'', np.zeros(SIDE * SIDE, np.float32), error)
    except OSError as error:
        reason = ImageError(f'{path}: cannot be read ({error.strerror})')
        return _Look((0, 0), b'', np.zeros(SIDE * SIDE, np.float32), reason)


def _examine_image(records: Records, index: int, look: _Look, network: NetworkInput,
                   report: Report) -> None:
    if look.error is not None:
        kind = 'unreadable-image' if isinstance(look.error, ImageError) else 'size-differs'
        report(Finding(kind, *_split(look.error)))
        return
    objects = records.objects(index, look.size)
    where = f'{records.source}: {records.names[index]}'
    for kind, row in _box_findings(objects, look.size, network):
        x0, y0, x1, y1 = objects.boxes[row].tolist()
        name = records.class_names[objects.labels[row]]
        report(Finding(kind, where, f'{name} from ({x0:.1f}, {y0:.1f}) to ({x1:.1f}, {y1:.1f}) in '
                                    f'{look.size[1]}x{look.size[0]} pixels'))


def _box_findings(objects: Objects, size: tuple[int, int], network: NetworkInput,
                  ) -> Iterator[tuple[str, int]]:
    """Yield the kinds of findings about the boxes of an image, each with its row."""
    boxes = objects.boxes
    if not len(boxes):
        return
    clipped = clip(boxes, size)
    inside = has_area(clipped) & (area(clipped) >= MIN_VISIBLE * area(boxes))
    placement = place(size, network.size, network.resize)
    sides = placement.to_input(clipped)
    tiny = ((sides[:, 2:] - sides[:, :2]) < MIN_SIDE).any(axis=1) & inside & ~objects.crowd
    out = (np.abs(clipped - boxes) > TOLERANCE).any(axis=1) & inside
    for kind, which in (('box-outside', ~inside), ('box-reaches-out', out), ('tiny-box', tiny)):
        for row in np.flatnonzero(which).tolist():
            yield kind, row
    rows = np.column_stack([boxes, objects.labels])
    _, first = np.unique(rows, axis=0, return_index=True)
    for row in np.setdiff1d(np.arange(len(rows)), first).tolist():
        yield 'duplicate-object', row


def _report_repeated(records: Records, looks: list[_Look], report: Report) -> None:
    first: dict[bytes, int] = {}
    for index, look in enumerate(looks):
        if look.error is None and first.setdefault(look.digest, index) != index:
            report(Finding('repeated-image', f'{records.source}: {records.names[index]}',
                           f'is the same file as {records.names[first[look.digest]]}'))


def _examine_pair(one: Records, one_looks: list[_Look], other: Records, other_looks: list[_Look],
                  report: Report) -> None:
    """Report differing classes, and images of the second split that the first has too."""
    difference = class_difference(one, other)
    if difference:
        report(Finding('class-lists-differ', one.source, difference))
    first = {look.digest: index for index, look in enumerate(one_looks) if look.error is None}
    same = {index for index, look in enumerate(other_looks) if look.digest in first}
    for index in sorted(same):
        twin = one.names[first[other_looks[index].digest]]
        report(Finding('leak', f'{other.source}: {other.names[index]}',
                       f'is {twin} of {one.source}'))
    if not (one_looks and other_looks):
        return
    stacks = [np.stack([look.thumbnail for look in looks]) for looks in (other_looks, one_looks)]
    for index, twin_index in alike(*stacks):
        if index not in same:
            report(Finding('near-leak', f'{other.source}: {other.names[index]}',
                           f'looks like {one.names[twin_index]} of {one.source}'))


def _split(error: AnyDepthError) -> tuple[str, str]:
    where, _, detail = str(error).partition(': ')
    return where, detail
