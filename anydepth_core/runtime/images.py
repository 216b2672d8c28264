# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Image files: finding, reading and writing them, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
import os
from pathlib import Path
import re

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.errors import ImageError
from anydepth_core.files import whole_file

SUFFIXES = frozenset(('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp'))
MAX_FILE_BYTES = 1 << 28
# Encoders write ten or so; each of any number may cost a pass over the whole picture.
MAX_JPEG_SCANS = 64
# Of all kinds; large ones are of hundreds of segments, as each holds 64 KiB at most.
MAX_JPEG_MARKERS = 20_000
JPEG_START, JPEG_END, JPEG_SCAN = 0xD8, 0xD9, 0xDA
# What decoders stop at: not the bytes stuffed into a scan, its restarts, or markers of no meaning.
JPEG_MARKER = re.compile(rb'\xff([\xc0-\xcf\xd8-\xfe])')


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """Return the paths named, each folder replaced by the image files in it (sorted, not deeper).

    Raises:
        ImageError: a folder cannot be listed or holds no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not os.path.isdir(path):  # that of Path raises errors for names that cannot be
            found.append(path)
            continue
        try:
            inside = sorted(each for each in path.iterdir()
                            if each.suffix.lower() in SUFFIXES and each.is_file())
        except OSError as error:
            raise ImageError(f'folder {path} cannot be read ({error.strerror})') from error
        if not inside:
            raise ImageError(f'folder {path} holds no image ({" ".join(sorted(SUFFIXES))})')
        found += inside
    return found


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return an image file as (H, W, 3) uint8 RGB, turned upright as its EXIF data says.

    Raises:
        ImageError: not readable, not an image, truncated or too large.
    """
    try:
        with path.open('rb') as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ImageError(f'{path}: cannot be read ({error.strerror})') from error
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(f'{path}: larger than {MAX_FILE_BYTES >> 20} MiB')
    if not data:
        raise ImageError(f'{path}: the file is empty')
    if has_many_scans(data):
        raise ImageError(f'{path}: a JPEG of more than {MAX_JPEG_SCANS} scans, which is malicious')
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        reason = 'has too many pixels' if 'pixels' in str(error.err) else 'cannot be decoded'
        raise ImageError(f'{path}: {reason}') from error
    if image is None or is_cut_jpeg(data):
        raise ImageError(f'{path}: truncated, damaged or no image')
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def is_cut_jpeg(data: bytes) -> bool:
    """Tell whether a JPEG ends before its picture does; some OpenCV fill the rest with grey."""
    return data.startswith(b'\xff\xd8') and JPEG_END not in _jpeg_markers(data)


def has_many_scans(data: bytes) -> bool:
    """Tell whether a JPEG has more scans, or segments, than any encoder writes.

    They keep a decoder busy.
    """
    if not data.startswith(b'\xff\xd8'):
        return False
    markers = list(islice(_jpeg_markers(data), MAX_JPEG_MARKERS))
    return markers.count(JPEG_SCAN) > MAX_JPEG_SCANS or len(markers) == MAX_JPEG_MARKERS


def _jpeg_markers(data: bytes) -> Iterator[int]:
    """Yield the markers of a JPEG up to its end, after which phones put videos (ITU T.81, B.1)."""
    place = 2
    while (found := JPEG_MARKER.search(data, place)) is not None:
        marker = found[1][0]
        yield marker
        if marker in (JPEG_START, JPEG_END):  # a second start is that of another file
            return
        place = found.end() + max(2, int.from_bytes(data[found.end():found.end() + 2], 'big'))


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write (H, W, 3) uint8 RGB in the format of the suffix; the file appears whole or not at all.

    Raises:
        ImageError: OpenCV cannot write that format, or the file cannot be written.
    """
    try:
        done, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    except cv2.error as error:
        raise ImageError(f'{path}: cannot be encoded ({error.err})') from error
    if not done:
        raise ImageError(f'{path}: cannot be encoded')
    with whole_file(path, ImageError) as file:
        file.write(data.tobytes())
