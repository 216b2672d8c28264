# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded images one after the other: from a folder, an image file, a video or a bag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
import itertools
from pathlib import Path
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.errors import DataError
from anydepth_core.runtime.images import SUFFIXES, find_images, read_image
from anydepth_core.runtime.preprocess import Color

BAG_SUFFIXES = ('.mcap', '.db3')
METADATA = 'metadata.yaml'


@dataclass(frozen=True)
class Header:
    """The std_msgs/Header of an image, and when the recorder got it (nanoseconds)."""

    sec: int
    nanosec: int
    frame_id: str
    recorded_ns: int


@dataclass(frozen=True)
class Frame:
    """One recorded image.

    Attributes:
        read: returns (H, W, 3) uint8 and the channel order; raises ImageError for a bad image.
        file: name of the image file, if it is one.
        header: of the message, if it is one.
    """

    read: Callable[[], tuple[NDArray[np.uint8], Color]]
    file: str | None = None
    header: Header | None = None


def open_frames(source: Path, topic: str | None) -> Iterator[Frame]:
    """Return all images of a source in order; the first is read to see that it can be used.

    Args:
        source: a bag (folder, .mcap or .db3), a folder of images, an image, or a video.
        topic: of the images in a bag; may be None where it holds images on one topic alone.

    Raises:
        DataError: no such source, or one of which nothing can be read.
        ImageError: a folder without images.
    """
    frames = _open(source, topic)
    return itertools.chain([next(frames)], frames)


def _open(source: Path, topic: str | None) -> Iterator[Frame]:
    if not source.exists():
        raise DataError(f'{source} does not exist; give a bag, a folder of images, or a video')
    if is_bag(source):
        from anydepth_core.replay.bag_reader import read_bag

        return read_bag(source, topic)
    if topic is not None:
        raise DataError(f'--topic is for bags; {source} is none')
    if source.is_dir() or source.suffix.lower() in SUFFIXES:
        return _pictures(find_images([source]))
    return _video(source)


def is_bag(source: Path) -> bool:
    """Tell whether a path is meant as a bag.

    Raises:
        DataError: a folder of recordings that lacks what makes it a bag.
    """
    if not source.is_dir():
        return source.suffix in BAG_SUFFIXES
    if (source / METADATA).exists():
        return True
    parts = sorted(path.name for path in source.iterdir() if path.suffix in BAG_SUFFIXES)
    if parts:
        raise DataError(f'{source} has no {METADATA}, so its recording was cut short; make one '
                        f'with: ros2 bag reindex {source}  (or give {parts[0]} in it alone)')
    return False


def _pictures(paths: list[Path]) -> Iterator[Frame]:
    return (Frame(partial(_read_file, path), file=path.name) for path in paths)


def _read_file(path: Path) -> tuple[NDArray[np.uint8], Color]:
    return read_image(path), 'rgb'


def _as_it_is(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Color]:
    return pixels, 'bgr'


def _video(path: Path) -> Iterator[Frame]:
    capture = cv2.VideoCapture(str(path))
    try:
        count = 0
        while True:
            done, picture = capture.read()
            if not done:
                break
            count += 1
            yield Frame(partial(_as_it_is, np.asarray(picture, np.uint8)))
        promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if not count:
            raise DataError(f'{path}: no video that can be read')
        if count < promised:  # an estimate in some containers, so no error
            print(f'anydepth: {path}: {count} images could be read, the file speaks of '
                  f'{promised}', file=sys.stderr)
    finally:
        capture.release()
