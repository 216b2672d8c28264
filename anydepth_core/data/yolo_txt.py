# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""YOLO-txt data sets: a YAML file, images, and one text file of objects for each image."""

from __future__ import annotations

from collections.abc import Sequence
import math
from pathlib import Path
from typing import Any

import numpy as np

from anydepth_core.data.findings import Finding, Report, refuse
from anydepth_core.data.records import Records, report_missing, report_names, unsafe
from anydepth_core.errors import DataError, nearest
from anydepth_core.runtime.images import SUFFIXES
from anydepth_core.texts import load_yaml

MAX_FILE_BYTES = 1 << 24
MAX_NUMBER = 1e4
_Object = tuple[int, tuple[float, float, float, float]]  # label and relative corners
YAML_NAMES = ('data.yaml', 'data.yml', 'dataset.yaml', 'dataset.yml')
CLASS_FILES = ('classes.txt', 'labels/classes.txt', 'obj.names')


def read_yolo(path: Path, split: str, *, classes: Sequence[str] = (), report: Report = refuse,
              ) -> Records:
    """Read one split of a YOLO-txt data set.

    Args:
        path: the YAML file, with `train` and `val` (a folder, a text file of image names, or a
            list of such), `names`, and perhaps `path` and `nc`; or a folder that holds such a
            file, or `images/train`, `images/val`, `labels/...` and `classes.txt`.
        split: 'train' or 'val'.
        classes: names of the classes to keep, in the order of their labels; all by default.
        report: told of everything wrong that can be passed over; by default raises DataError for
            what training refuses.

    An image's objects are in the file of its name with `.txt` in `labels/`, beside `images/`: one
    a line, `label x y width height` of the box's centre and size, or `label x0 y0 x1 y1 ...` of an
    outline, all in sides of the image. No such file means no objects. Nothing outside the folder
    of the YAML file is read, whatever it says.

    Raises:
        DataError: a file or folder is missing or not as it should be, or `report` says so.
    """
    root, values = _described(path)
    names = _class_names(root, values, path)
    kept = tuple(classes) or names
    for name in kept:
        if name not in names:
            raise DataError(f'{path}: has no class {name!r}{nearest(name, names)}')
    report_names(path, kept, report)
    images = _images(root, values.get(split), split, path, report)
    there = report_missing(root, images, report)
    images = [name for name, exists in zip(images, there) if exists]
    label_of = [kept.index(name) if name in kept else None for name in names]
    labelled = [(root / label_file(name)).is_file() for name in images]
    if images and not any(labelled):
        raise DataError(f'{path}: {split}: none of the {len(images)} images has a label file such '
                        f'as {root / label_file(images[0])}')
    rows: list[_Object] = []
    starts = [0]
    for name, exists in zip(images, labelled):
        if exists:
            rows += _objects(root / label_file(name), label_of, report)
        else:
            report(Finding('no-label-file', str(root / name)))
        starts.append(len(rows))
    boxes = np.array([box for _, box in rows], np.float32).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    return Records(
        source=f'{path} ({split})', folder=root, class_names=kept, names=images,
        sizes=np.zeros((len(images), 2), np.int32), starts=np.array(starts, np.int64),
        boxes=boxes, labels=np.array([label for label, _ in rows], np.int64),
        crowd=np.zeros(len(rows), np.bool_), areas=sides[:, 0] * sides[:, 1], relative=True)


def describes_set(path: Path) -> bool:
    """Tell whether a path is a folder or a YAML file that a YOLO-txt data set could start from.

    A training recipe is not.
    """
    if path.is_dir():
        return True
    values = _yaml(path)
    return isinstance(values, dict) and not {'model', 'data', 'format'} & set(values)


def label_file(image: str) -> str:
    """Return the label file of an image, both below the data set's folder."""
    parts = image.split('/')
    for position in reversed(range(len(parts) - 1)):
        if parts[position] == 'images':
            parts[position] = 'labels'
            break
    return '/'.join([*parts[:-1], parts[-1].rpartition('.')[0] + '.txt'])


def _described(path: Path) -> tuple[Path, dict[str, Any]]:
    """Return the data set's folder and what its YAML file says, or its layout implies."""
    if path.is_dir():
        inside = next((path / name for name in YAML_NAMES if (path / name).is_file()), None)
        if inside is None:
            if not (path / 'images').is_dir():
                raise DataError(f'{path}: holds neither {YAML_NAMES[0]} nor a folder images/')
            return path, {'train': 'images/train', 'val': 'images/val'}
        path = inside
    values = _yaml(path)
    if not isinstance(values, dict):
        raise DataError(f'{path}: a data set is described by a mapping with train, val and names')
    base = values.get('path') or '.'
    if not isinstance(base, str):
        raise DataError(f"{path}: 'path' is not a text")
    # Exports carry the `path` of the machine they come from; it counts only if it leads inside.
    return (path.parent if base == '.' or unsafe(base) else path.parent / base), values


def _yaml(path: Path) -> Any:
    try:
        return load_yaml(_text(path))
    except ValueError as error:
        raise DataError(f'{path}: not YAML ({str(error)[:200]})') from None


def _class_names(root: Path, values: dict[str, Any], path: Path) -> tuple[str, ...]:
    """Return the names of the labels; DataError if there are none, or not one for each label."""
    names = values.get('names')
    if names is None:
        file = next((root / name for name in CLASS_FILES if (root / name).is_file()), None)
        if file is None:
            raise DataError(f"{path}: has no 'names' and no {CLASS_FILES[0]}")
        names = [line.strip() for line in _text(file).splitlines() if line.strip()]
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise DataError(f'{path}: names must count up from 0')
        names = [names[label] for label in range(len(names))]
    if not isinstance(names, list) or not names \
            or not all(isinstance(name, (str, int)) for name in names):
        raise DataError(f'{path}: names must be a list of texts')
    names = tuple(map(str, names))
    if len(set(names)) < len(names):
        raise DataError(f'{path}: names: a name is used twice')
    if values.get('nc') not in (None, len(names)):
        raise DataError(f"{path}: 'nc' is not {len(names)}, the number of names")
    return names


def _images(root: Path, entry: Any, split: str, path: Path, report: Report) -> list[str]:
    """Return the image files of a split, below the data set's folder."""
    entries = entry if isinstance(entry, list) else [entry]
    if not entries or not all(isinstance(each, str) and each for each in entries):
        raise DataError(f'{path}: has no {split!r}: a folder of images, or a text file of names')
    found: list[str] = []
    for each in entries:
        name = _inside(root, each)
        if name is None:
            raise DataError(f'{path}: {split}: {each!r} leads out of {root}; move the images into '
                            'it')
        if (root / name).is_dir():
            found += sorted(str(file.relative_to(root)) for file in (root / name).rglob('*')
                            if file.suffix.lower() in SUFFIXES)
        elif name.endswith('.txt') and (root / name).is_file():
            found += _listed(root, name, report)
        else:
            raise DataError(f'{path}: {split}: {root / name} is neither a folder nor a text file')
    return found


def _listed(root: Path, file: str, report: Report) -> list[str]:
    """Return the image files that a text file names, one a line."""
    found = []
    for number, line in enumerate(_text(root / file).splitlines(), 1):
        name = line.strip()
        if not name:
            continue
        inside = _inside(root, name)
        if inside is None:
            report(Finding('unsafe-path', f'{root / file}: line {number}',
                           f'{name!r} leads out of {root}'))
        else:
            found.append(inside)
    return found


def _inside(root: Path, name: str) -> str | None:
    """Return a name as one below `root`, or None.

    Some exports write '../train/images' for a folder that lies beside the YAML file.
    """
    while name.startswith(('./', '../')):
        name = name.partition('/')[2]
    if unsafe(name):
        try:
            name = str(Path(name).relative_to(root))
        except ValueError:
            return None
    return None if unsafe(name) else name


def _objects(file: Path, label_of: Sequence[int | None], report: Report,
             ) -> list[_Object]:
    """Return the label and the relative corners of each object of a label file."""
    try:
        lines = _text(file).splitlines()
    except DataError as error:
        report(Finding('unusable-file', str(file), str(error).partition(': ')[2]))
        return []
    found: list[_Object] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        where = f'{file}: line {number}'
        values = _numbers(words)
        if values is None or values[0] != int(values[0]):
            report(Finding('malformed-entry', where, 'is not a label and four (or an even number '
                                                     'of six or more) numbers'))
            continue
        if not 0 <= values[0] < len(label_of):
            report(Finding('unknown-category', where,
                           f'label {values[0]:.0f} is not below {len(label_of)}'))
            continue
        x0, y0, x1, y1 = _corners(values[1:])
        if x1 <= x0 or y1 <= y0:
            report(Finding('degenerate-box', where))
            continue
        label = label_of[int(values[0])]
        if label is not None:
            found.append((label, (x0, y0, x1, y1)))
    return found


def _numbers(words: Sequence[str]) -> list[float] | None:
    """Return a line's numbers, or None if they are not an object's."""
    if len(words) != 5 and (len(words) < 7 or len(words) % 2 == 0):
        return None
    try:
        values = [float(word) for word in words]
    except ValueError:
        return None
    return values if all(math.isfinite(v) and abs(v) <= MAX_NUMBER for v in values) else None


def _corners(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Return the corners of a centre and size, or of an outline."""
    if len(values) == 4:
        x, y, width, height = values
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])


def _text(path: Path) -> str:
    """Return a text file; DataError if it is none, or too large for one."""
    try:
        with path.open('rb') as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise DataError(f'{path}: larger than {MAX_FILE_BYTES >> 20} MiB')
        return data.decode('utf-8')
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror})') from error
    except UnicodeDecodeError:
        raise DataError(f'{path}: not a text file in UTF-8') from None
