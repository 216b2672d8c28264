# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Reading images in place, held to rclpy's own reading of the same bytes."""

from __future__ import annotations

import array

from hypothesis import example, given, settings
from hypothesis import strategies as st
from malformed import damaged
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from anydepth_core.errors import ImageError
from anydepth_ros.serialized_image import SerializedImage, read_image

words = st.text(st.characters(exclude_characters='\0', codec='utf-8'), max_size=9)
sizes = st.integers(0, 2 ** 32 - 1)


@st.composite
def images(draw):
    header = Header(frame_id=draw(words))
    header.stamp.sec = draw(st.integers(-2 ** 31, 2 ** 31 - 1))
    header.stamp.nanosec = draw(sizes)
    return Image(header=header, height=draw(sizes), width=draw(sizes), encoding=draw(words),
                 is_bigendian=draw(st.integers(0, 255)), step=draw(sizes),
                 data=array.array('B', draw(st.binary(max_size=40))))


def assert_same(found, message):
    for name in ('header', 'height', 'width', 'encoding', 'is_bigendian', 'step'):
        assert getattr(found, name) == getattr(message, name)
    assert bytes(found.data) == bytes(message.data)


@settings(max_examples=300, deadline=None)
@given(images())
def test_every_field_is_where_rclpy_finds_it(message):
    found = read_image(serialize_message(message))
    assert isinstance(found, SerializedImage) and isinstance(found.data, memoryview)
    assert_same(found, message)


def big_endian(serialized):
    """Return an image with an empty frame and the encoding mono8 in the other byte order."""
    turned = bytearray(serialized)
    turned[1] = 0
    for at in (4, 8, 12, 20, 24, 28, 40, 44):
        turned[at:at + 4] = turned[at:at + 4][::-1]
    return bytes(turned)


def test_the_other_byte_order_is_read_too():
    message = Image(height=2, width=3, step=3, encoding='mono8', data=array.array('B', range(6)))
    message.header.stamp.sec = 5
    serialized = big_endian(serialize_message(message))
    assert_same(deserialize_message(serialized, Image), message)
    assert_same(read_image(serialized), message)


WHOLE = serialize_message(Image(header=Header(frame_id='eye'), height=8, width=8, step=24,
                                encoding='bgr8', data=array.array('B', bytes(192))))


@settings(max_examples=500, deadline=None)
@given(damaged(WHOLE))
@example(b'')
@example(WHOLE[:4])
@example(WHOLE[:-1])
@example(b'\0\x09' + WHOLE[2:])
def test_damaged_bytes_are_an_image_for_both_or_for_none(serialized):
    try:
        expected = deserialize_message(serialized, Image)
    except Exception:
        with pytest.raises(ImageError, match='damaged'):
            read_image(serialized)
    else:
        assert_same(read_image(serialized), expected)
