# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Image files: finding, reading and writing them, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.errors import ImageError
from anydepth_core.files import whole_file

SUFFIXES = frozenset(('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp'))
MAX_FILE_BYTES = 1 << 28
# Encoders write ten or so; each of any number may cost a pass over the whole picture.
MAX_JPEG_SCANS = 64


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """Return the paths named, each folder replaced by the image files in it (sorted, not deeper).

    Raises:
        ImageError: a folder cannot be listed or holds no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
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
    """Tell whether a JPEG ends before its last scan does; some OpenCV fill the rest with grey."""
    return data.startswith(b'\xff\xd8') and data.rfind(b'\xff\xd9') < data.rfind(b'\xff\xda')


def has_many_scans(data: bytes) -> bool:
    """Tell whether a JPEG has more scans than any encoder writes, to keep a decoder busy."""
    return data.startswith(b'\xff\xd8') and data.count(b'\xff\xda') > MAX_JPEG_SCANS


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
