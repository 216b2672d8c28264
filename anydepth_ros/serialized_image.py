# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Images as the middleware hands them over: bytes, of which the pixels are looked at in place.

rclpy copies the pixels of an image again and again until Python has them: 0.35 ms for 640x480 and
0.86 ms for 1280x720 on an Intel Xeon, where looking at them in place takes 0.05 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
import struct

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from anydepth_core.errors import ImageError

ENCAPSULATION_BYTES = 4
# Of plain CDR, by the first two bytes of these four: what the numbers between the texts are.
NUMBERS = {identifier: tuple(struct.Struct(order + each) for each in ('iII', 'III', 'II'))
           for identifier, order in ((b'\0\0', '>'), (b'\0\1', '<'))}


@dataclass(frozen=True)
class SerializedImage:
    """A `sensor_msgs/Image` whose `data` is a view of the bytes it came in."""

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


def read_image(serialized: bytes) -> SerializedImage | Image:
    """Return the image that these bytes are; the message of rclpy where they are not plain CDR.

    Raises:
        ImageError: they are no image.
    """
    try:
        return _read(serialized)
    except (KeyError, IndexError, ValueError, struct.error):
        pass
    try:
        return deserialize_message(serialized, Image)
    except Exception as error:  # whatever the middleware calls it
        raise ImageError('what was received is damaged: its bytes are no image') from error


def _read(serialized: bytes) -> SerializedImage:
    stamp, shape, rows = NUMBERS[serialized[:2]]
    body = memoryview(serialized)[ENCAPSULATION_BYTES:]
    header = Header()
    header.stamp.sec, header.stamp.nanosec, size = stamp.unpack_from(body)
    header.frame_id, at = _text(body, 12, size)
    height, width, size = shape.unpack_from(body, at := _aligned(at))
    encoding, at = _text(body, at + 12, size)
    is_bigendian = body[at]
    step, size = rows.unpack_from(body, at := _aligned(at + 1))
    data = body[at + 8:at + 8 + size]
    if len(data) < size:
        raise ValueError('cut short')
    return SerializedImage(header, height, width, encoding, is_bigendian, step, data)


def _text(body: memoryview, at: int, size: int) -> tuple[str, int]:
    """Return the text of so many bytes, the last of which is 0, and where it ends."""
    text = bytes(body[at:at + size])
    if len(text) < size or text.find(b'\0') != size - 1 or not size:
        raise ValueError('not a text')
    return text[:-1].decode(), at + size


def _aligned(at: int) -> int:
    """Return the next place for a number of four bytes."""
    return at + -at % 4
