# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Images of a rosbag2 recording, MCAP or SQLite, through the library rosbags.

The definitions inside a bag are not used: the library makes Python code of such texts, and a bag
is not trusted. What image messages look like is known. Nor does anything unpack to more than it
says, or than `bounds` allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anydepth_core.errors import AnyDepthError, DataError, ImageError, nearest
from anydepth_core.replay.bounds import bound_chunks, refuse_packed
from anydepth_core.replay.frames import METADATA, Frame, Header
from anydepth_core.runtime.compressed import decode_compressed
from anydepth_core.runtime.encodings import decode
from anydepth_core.runtime.preprocess import Color

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


def read_bag(path: Path, topic: str | None) -> Iterator[Frame]:
    """Yield every image of a topic, in the order of recording.

    A message that cannot be read is an image that cannot be; so is, as the last one, what the bag
    promises after the place from which nothing can be read.

    Raises:
        DataError: no bag, one of which not even the first image can be reached, no such topic, or
            several to choose from.
    """
    count = 0
    try:
        for frame in _read_all(path, topic):
            count += 1
            yield frame
        return
    except DataError as error:
        if not count:
            raise
        words = str(error)
    yield _unusable(words)


def _read_all(path: Path, topic: str | None) -> Iterator[Frame]:
    try:
        from rosbags.rosbag2 import Reader
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise DataError("reading bags needs the package rosbags: pip install "
                        "'anydepth_ros[replay]'") from error
    store = get_typestore(Stores.ROS2_JAZZY)
    count = 0
    with _told(path):
        bound_chunks()
        if path.is_dir():
            refuse_packed(path, path / METADATA)
    with _told(path), Reader(path) as reader:
        name = choose_topic(path, topic, [(each.topic, each.msgtype)
                                          for each in reader.connections])
        chosen = [each for each in reader.connections if each.topic == name]
        promised = sum(each.msgcount for each in chosen)
        for connection, recorded_ns, data in reader.messages(chosen):
            count += 1
            yield _frame(store, connection.msgtype, recorded_ns, data)
    if count < promised or not count:
        raise DataError(f'{path}: {count} of the {promised} images on {name} are there; the bag '
                        'is empty or damaged')


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Make one line of whatever the library raises over a damaged or hostile file."""
    try:
        yield
    except AnyDepthError:
        raise
    except Exception as error:
        raise DataError(f'{path}: not a bag that can be read to its end ({_words(error)}); if its '
                        'recording was cut short, try: ros2 bag reindex') from error


def choose_topic(path: Path, wanted: str | None, topics: Iterable[tuple[str, str]]) -> str:
    """Return the topic to read.

    Args:
        path: of the bag, for the message.
        wanted: what the user named; None: the only one there is.
        topics: name and type of all topics of the bag.

    Raises:
        DataError: it cannot be told which, or the one wanted has no images.
    """
    kinds = dict(topics)
    images = sorted(name for name, kind in kinds.items() if kind in (RAW, COMPRESSED))
    shown = ', '.join(map(_shown, images[:20])) or 'none'
    if wanted is not None and wanted not in kinds:
        raise DataError(f'{path} has no topic {wanted!r}{nearest(wanted, kinds)}; with images: '
                        f'{shown}')
    if wanted is not None and wanted not in images:
        raise DataError(f'{wanted} in {path} is {_shown(kinds[wanted])}, not images; with images: '
                        f'{shown}')
    if not images:
        all_shown = [_shown(f'{name} ({kind})') for name, kind in sorted(kinds.items())]
        raise DataError(f'{path} has no topic with images; it has '
                        f'{", ".join(all_shown[:20]) or "no topic"}')
    if wanted is None and len(images) > 1:
        raise DataError(f'{path} has images on several topics; name one with --topic: {shown}')
    return wanted or images[0]


def _words(error: Exception) -> str:
    return _shown(' '.join(str(error).split())) or type(error).__name__


def _shown(text: str) -> str:
    """Return a text out of a bag as it may be printed: it may hold anything, of any length."""
    return ''.join(letter if letter.isprintable() else '?' for letter in text[:200])


def _frame(store: Any, kind: str, recorded_ns: int, data: bytes) -> Frame:
    """Return what a message holds; what it has instead of an image is told when it is read."""
    try:
        if not 0 <= recorded_ns < 1 << 63:
            raise ValueError(f'recorded at {recorded_ns} ns, which is no time')
        message = store.deserialize_cdr(data, kind)
        stamp = message.header.stamp
        header = Header(stamp.sec, stamp.nanosec, message.header.frame_id, recorded_ns)
    except Exception as error:  # the library's, over bytes of anybody
        return _unusable(f'message cannot be read ({_words(error)})')
    return Frame(partial(_READERS[kind], message), header=header)


def _unusable(words: str) -> Frame:
    def read() -> NoReturn:
        raise ImageError(words)

    return Frame(read)


def _read_raw(message: Any) -> tuple[NDArray[np.uint8], Color]:
    return decode(message.data, height=message.height, width=message.width, step=message.step,
                  encoding=message.encoding, big_endian=bool(message.is_bigendian))


def _read_compressed(message: Any) -> tuple[NDArray[np.uint8], Color]:
    return decode_compressed(message.data, message.format)


_READERS = {RAW: _read_raw, COMPRESSED: _read_compressed}
