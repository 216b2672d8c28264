# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Where the demo camera's pictures come from: built-in scenes, a folder, a video, a device.

No ROS here. A source is an endless iterator of (H, W, 3) uint8 RGB pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
import itertools
from pathlib import Path
import re

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.data.scenes import SceneVideo
from anydepth_core.errors import DataError
from anydepth_core.runtime.images import SUFFIXES, find_images, read_image

Picture = NDArray[np.uint8]
DEFAULT_SIZE = (480, 640)
# Drawing a scene costs far more than showing it again, and the detector needs the processor.
LOOP_BYTES = 128 << 20
LOOP_FRAMES = 120
FRAMES_PER_SCENE = 40


def open_source(source: str, size: tuple[int, int] | None = None) -> Iterator[Picture]:
    """Return the endless pictures of a source; the first can be had at once.

    Args:
        source: 'scenes' (or 'scenes:SEED'); a folder of images; a video or image file; the number
            of a camera, or its device such as /dev/video0.
        size: (height, width) of the pictures; None: as they are, 480x640 for scenes.

    Raises:
        DataError: the source does not exist, or the first picture cannot be read.
    """
    pictures = _pictures(source.strip(), size)
    first = next(pictures)
    return itertools.chain([first], pictures)


def _pictures(source: str, size: tuple[int, int] | None) -> Iterator[Picture]:
    scenes = re.fullmatch(r'scenes(?::(\d{1,9}))?', source)
    if scenes:
        return _scenes(int(scenes[1] or 0), size or DEFAULT_SIZE)
    if re.fullmatch(r'\d{1,3}|/dev/video\d+', source):
        return _resized(_camera(source), size)
    path = Path(source).expanduser()
    if not source or not path.exists():
        raise DataError(f"image source {source!r} does not exist; give 'scenes', a folder of "
                        'images, a video file, or a camera (0 or /dev/video0)')
    if path.is_dir() or path.suffix.lower() in SUFFIXES:
        return _resized(_files(path), size)
    return _resized(_video(path), size)


def _scenes(seed: int, size: tuple[int, int]) -> Iterator[Picture]:
    film = SceneVideo(seed, size, frames_per_scene=FRAMES_PER_SCENE)
    count = max(1, min(LOOP_FRAMES, LOOP_BYTES // (3 * size[0] * size[1])))
    return itertools.cycle(film.frame(index).image for index in range(count))


def _files(path: Path) -> Iterator[Picture]:
    """Yield the images of a folder in turn; one that cannot be read ends it with its name."""
    for file in itertools.cycle(find_images([path])):
        yield read_image(file)


def _video(path: Path) -> Iterator[Picture]:
    while True:
        capture = cv2.VideoCapture(str(path))
        try:
            first = True
            while (picture := _grab(capture)) is not None:
                first = False
                yield picture
            if first:
                raise DataError(f'{path}: no video that can be read')
        finally:
            capture.release()


def _camera(source: str) -> Iterator[Picture]:
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    try:
        while (picture := _grab(capture)) is not None:
            yield picture
        raise DataError(f'camera {source} cannot be opened or gives no picture')
    finally:
        capture.release()


def _grab(capture: cv2.VideoCapture) -> Picture | None:
    done, picture = capture.read()
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8) if done else None


def _resized(pictures: Iterator[Picture], size: tuple[int, int] | None) -> Iterator[Picture]:
    for picture in pictures:
        if size and picture.shape[:2] != size:
            picture = np.asarray(cv2.resize(picture, size[::-1]), np.uint8)
        yield picture
