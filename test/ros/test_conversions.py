# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Image bytes to arrays and detections to messages."""

from __future__ import annotations

import array

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from std_msgs.msg import Header

from anydepth_core.detections import Detections, FrameTiming
from anydepth_core.errors import ImageError
from anydepth_ros.conversions import to_array, to_detection_array, to_image, to_label_info
from anydepth_ros.encodings import ENCODINGS, decode

sides = st.integers(1, 40)


@st.composite
def pictures(draw):
    height, width, pad = draw(sides), draw(sides), draw(st.integers(0, 7))
    seed = draw(st.integers(0, 2 ** 16))
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8), pad


def padded(rows: np.ndarray, pad: int) -> array.array:
    """Return rows of samples as message memory with `pad` bytes after each row."""
    lines = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    return array.array('B', np.pad(lines, ((0, 0), (0, pad)), constant_values=99).tobytes())


@given(pictures(), st.sampled_from(['rgb8', 'bgr8', '8UC3', 'rgba8', 'bgra8', '8UC4']))
def test_eight_bit_colours_are_views_whatever_the_step(picture, encoding):
    pixels, pad = picture
    height, width, _ = pixels.shape
    channels = ENCODINGS[encoding].pixel
    stored = np.dstack([pixels, pixels[..., :1]]) if channels == 4 else pixels
    data = padded(stored, pad)
    found, color = decode(data, height=height, width=width, step=width * channels + pad,
                          encoding=encoding)
    assert np.array_equal(found, pixels)
    assert color == ('rgb' if encoding.startswith('rgb') else 'bgr')
    assert np.shares_memory(found, np.frombuffer(data, np.uint8))


@given(pictures(), st.booleans())
def test_grey_of_one_and_two_bytes(picture, big_endian):
    pixels, pad = picture
    grey = pixels[..., 0]
    height, width = grey.shape
    expected = np.repeat(grey[..., None], 3, 2)
    found, _ = decode(padded(grey, pad), height=height, width=width, step=width + pad,
                      encoding='mono8')
    assert np.array_equal(found, expected)
    wide = (grey.astype(np.uint16) * 257).astype('>u2' if big_endian else '<u2')
    found, _ = decode(padded(wide, pad), height=height, width=width, step=2 * width + pad,
                      encoding='mono16', big_endian=big_endian)
    assert np.array_equal(found, expected)


def smooth(height: int = 32, width: int = 48) -> np.ndarray:
    """Return a BGR picture of gradients, which survives halved chroma."""
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    return (np.dstack([255 * x, 255 * y, 255 * (1 - x)])).astype(np.uint8)


def planes(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Y, U, V of ITU-R BT.601 with studio range (16 to 235), each of full size."""
    blue, green, red = (pixels[..., i].astype(float) for i in range(3))
    y = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    return y, u, v


@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21'])
def test_yuv_layouts_against_their_definition(encoding):
    pixels = smooth()
    height, width, _ = pixels.shape
    y, u, v = planes(pixels)
    if encoding in ('nv12', 'nv21'):
        chroma = np.empty((height // 2, width))
        first, second = (u, v) if encoding == 'nv12' else (v, u)
        chroma[:, 0::2], chroma[:, 1::2] = first[::2, ::2], second[::2, ::2]
        stored, step = np.vstack([y, chroma]), width
    else:
        luma_first = encoding in ('yuyv', 'yuv422_yuy2')
        stored, step = np.empty((height, 2 * width)), 2 * width
        stored[:, (0 if luma_first else 1)::2] = y
        stored[:, (1 if luma_first else 0)::4] = u[:, ::2]
        stored[:, (3 if luma_first else 2)::4] = v[:, ::2]
    data = padded(np.rint(stored).astype(np.uint8), 6)
    found, color = decode(data, height=height, width=width, step=step + 6, encoding=encoding)
    assert color == 'bgr' and found.shape == pixels.shape
    assert np.abs(found.astype(int) - pixels).mean() < 4


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_patterns_against_their_definition(pattern):
    pixels = smooth()
    stored = np.empty(pixels.shape[:2], np.uint8)
    for place, letter in enumerate(pattern):
        row, column = divmod(place, 2)
        stored[row::2, column::2] = pixels[row::2, column::2, 'bgr'.index(letter)]
    found, color = decode(padded(stored, 3), height=32, width=48, step=51,
                          encoding=f'bayer_{pattern}8')
    assert color == 'bgr'
    inner = np.s_[4:-4, 4:-4]
    assert np.abs(found[inner].astype(int) - pixels[inner]).mean() < 4


@settings(max_examples=300)
@given(st.sampled_from([*ENCODINGS, 'jpeg', '', 'rgb', '16UC1']), st.integers(0, 9),
       st.integers(0, 9), st.integers(0, 40), st.integers(0, 400), st.booleans())
def test_any_header_gives_an_image_of_its_size_or_a_clear_refusal(
        encoding, height, width, step, size, big_endian):
    try:
        found, color = decode(bytes(size), height=height, width=width, step=step,
                              encoding=encoding, big_endian=big_endian)
    except ImageError as error:
        assert '\n' not in str(error)
    else:
        assert found.shape == (height, width, 3) and found.dtype == np.uint8
        assert color in ('rgb', 'bgr')


def test_refusals_say_what_is_wrong():
    for changed, words in (
            ({'encoding': 'rbg8'}, r"unknown image encoding 'rbg8' \(did you mean 'rgb8'\?\)"),
            ({'height': 0}, 'empty image'), ({'step': 5}, 'step 5 is less than the 6 bytes'),
            ({'data': bytes(11)}, 'truncated image: 11 bytes of 12'),
            ({'encoding': 'yuyv', 'width': 3}, 'width must be even'),
            ({'encoding': 'nv12', 'height': 1}, 'height must be even'),
            ({'encoding': 'bayer_rggb8'}, 'too small')):
        arguments = {'data': bytes(12), 'height': 2, 'width': 2, 'step': 6, 'encoding': 'rgb8'}
        arguments.update(changed)
        with pytest.raises(ImageError, match=words):
            decode(arguments.pop('data'), **arguments)


@given(pictures(), st.sampled_from(['rgb8', 'bgr8']))
def test_an_image_comes_back_from_its_message(picture, encoding):
    pixels, _ = picture
    for view in (pixels, pixels[::-1, ::-1], pixels[..., ::-1]):
        message = to_image(view, encoding, Header(frame_id='eye'))
        assert isinstance(message.data, array.array)
        assert message.step * message.height == len(message.data)
        found, color = to_array(message)
        assert np.array_equal(found, view) and color == encoding[:3]
        assert message.header.frame_id == 'eye'


@pytest.mark.parametrize('wrong', [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8),
                                   np.zeros((2, 2, 3), np.float32)])
def test_no_image_is_made_of_another_array(wrong):
    with pytest.raises(ImageError, match='expected'):
        to_image(wrong, 'rgb8', Header())


@given(st.lists(st.tuples(*[st.floats(0, 4096, width=32)] * 4, st.floats(0, 1, width=32),
                          st.integers(0, 79)), max_size=20))
def test_detections_become_plain_floats_that_give_the_corners_back(rows):
    corners = np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d, *_ in rows],
                       np.float32).reshape(-1, 4)
    found = Detections(corners, np.array([r[4] for r in rows], np.float32),
                       np.array([r[5] for r in rows], np.int64), 'base',
                       FrameTiming(1.0, 2.0, 3.0), (480, 640))
    header = Header(frame_id='eye')
    header.stamp.sec, header.stamp.nanosec = 12, 34
    message = to_detection_array(found, header)
    assert message.header == header and len(message.detections) == len(rows)
    for detection, corner, row in zip(message.detections, corners.tolist(), rows):
        center, box = detection.bbox.center.position, detection.bbox
        assert type(center.x) is type(box.size_x) is float
        assert [center.x - box.size_x / 2, center.y - box.size_y / 2, center.x + box.size_x / 2,
                center.y + box.size_y / 2] == pytest.approx(corner, abs=1e-9)
        assert detection.header == header
        hypothesis = detection.results[0].hypothesis
        assert (hypothesis.class_id, hypothesis.score) == (str(row[5]), row[4])


def test_label_info_names_each_class():
    message = to_label_info(('ball', 'cup'), 0.25, Header())
    assert [(c.class_id, c.class_name) for c in message.class_map] == [(0, 'ball'), (1, 'cup')]
    assert message.threshold == 0.25


