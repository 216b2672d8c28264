# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Messages to arrays, detections to messages, and what cv_bridge makes of the same images."""

from __future__ import annotations

import array

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from anydepth_core.detections import Detections, FrameTiming
from anydepth_core.errors import ImageError
from anydepth_core.runtime.encodings import ENCODINGS
from anydepth_ros.conversions import (
    DetectionArrays,
    to_array,
    to_compressed_image,
    to_image,
    to_label_info,
    to_vision_info,
)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(['rgb8', 'bgr8']))
def test_an_image_comes_back_from_its_message(height, width, encoding):
    pixels = noise(height, width)
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


ARRAYS = DetectionArrays()  # one for all images, as in the node: nothing of the one before stays


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
    message = ARRAYS.of(found, header)
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


def test_a_class_is_its_name_where_names_are_given():
    found = Detections(np.array([[0, 0, 4, 4], [1, 1, 2, 2]], np.float32),
                       np.array([0.9, 0.4], np.float32), np.array([1, 0]), 'base',
                       FrameTiming(1.0, 2.0, 3.0), (8, 8))
    message = ARRAYS.of(found, Header(), ('ball', 'cup'))
    best = [detection.results[0].hypothesis for detection in message.detections]
    assert [(each.class_id, round(each.score, 1)) for each in best] == [('cup', 0.9),
                                                                        ('ball', 0.4)]


def test_vision_info_differs_with_the_weights_alone():
    message = to_vision_info('anydepth-yolo-tiny', 'f' * 64, '/detector/label_info', Header())
    assert message.method == f'anydepth-yolo-tiny sha256:{"f" * 64}'
    assert message.database_location == '/detector/label_info'
    assert message.database_version == 2 ** 31 - 1
    other = to_vision_info('anydepth-yolo-tiny', '0' + 63 * 'f', '/label_info', Header())
    assert 0 <= other.database_version != message.database_version


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_jpeg_shows_the_picture_to_this_and_other_readers(height, width):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[...] = (200, 60, 20)
    message = to_compressed_image(pixels, Header(frame_id='eye'))
    assert message.header.frame_id == 'eye'
    assert message.format == 'rgb8; jpeg compressed bgr8'
    found, color = to_array(message)
    assert color == 'bgr' and found.shape == pixels.shape
    assert np.abs(found[..., ::-1].astype(int) - pixels).max() <= 4


def test_no_jpeg_of_what_is_too_wide():
    with pytest.raises(ImageError, match='65501x1'):
        to_compressed_image(np.zeros((1, 65501, 3), np.uint8), Header())


def compressed(pixels: np.ndarray, suffix: str, words: str) -> CompressedImage:
    """Return the picture as image_transport would send it."""
    data = array.array('B', cv2.imencode(suffix, pixels)[1].tobytes())
    return CompressedImage(format=words, data=data)


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_compressed_image_is_an_image_too(height, width):
    pixels = noise(height, width)
    found, color = to_array(compressed(pixels, '.png', 'rgb8; png compressed bgr8'))
    assert np.array_equal(found, pixels) and color == 'bgr'


@settings(max_examples=1500, deadline=None)
@given(height=st.integers(0, 2 ** 32 - 1) | st.integers(0, 9),
       width=st.integers(0, 2 ** 32 - 1) | st.integers(0, 9),
       step=st.integers(0, 2 ** 32 - 1) | st.integers(0, 64),
       encoding=st.sampled_from(sorted(ENCODINGS)) | st.text(),
       is_bigendian=st.integers(0, 255), data=st.binary(max_size=600))
def test_malformed_images_are_refused_in_one_line(data, **fields):
    refused_or_whole(Image(data=array.array('B', data), **fields))


@settings(max_examples=700, deadline=None)
@given(st.sampled_from(['jpeg', 'png', 'rgb8; jpeg compressed bgr8', '16UC1; compressedDepth',
                        'bayer_rggb8; jpeg compressed ', 'mono16; png compressed ']) | st.text(),
       st.sampled_from([b'', b'\xff\xd8\xff\xc0', b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR']),
       st.binary(max_size=300))
def test_malformed_compressed_images_are_refused_in_one_line(words, start, data):
    refused_or_whole(CompressedImage(format=words, data=array.array('B', start + data)))


def refused_or_whole(message: Image | CompressedImage) -> None:
    try:
        found, color = to_array(message)
    except ImageError as error:
        assert len(str(error).splitlines()) == 1 and len(str(error)) < 700
    else:
        assert found.ndim == 3 and found.shape[2] == 3 and found.dtype == np.uint8
        assert color in ('rgb', 'bgr')


@pytest.fixture(scope='module')
def bridge():
    """cv_bridge, where its compiled part fits the NumPy that is installed."""
    try:
        from cv_bridge import CvBridge
        found = CvBridge()
        message = to_image(noise(4, 4), 'rgb8', Header())
        assert np.array_equal(found.imgmsg_to_cv2(message, 'bgr8')[..., ::-1], noise(4, 4))
    except Exception as error:  # an incompatible NumPy makes it fail in many ways
        pytest.skip(f'cv_bridge does not work here: {type(error).__name__}: {error}')
    return found


@pytest.mark.parametrize('encoding', [
    'rgb8', 'bgr8', 'rgba8', 'bgra8', 'rgb16', 'bgr16', 'rgba16', 'bgra16', 'mono8', 'mono16',
    *(f'bayer_{pattern}8' for pattern in ('rggb', 'bggr', 'gbrg', 'grbg')),
    'yuv422', 'yuv422_yuy2', 'nv21'])
def test_cv_bridge_sees_the_same(bridge, encoding):
    kind = ENCODINGS[encoding]
    height, width, per_row = 24, 32, 32 * kind.pixel * kind.sample_bytes
    rows = height * 3 // 2 if kind.chroma else height
    data = np.random.default_rng(0).integers(0, 256, rows * per_row, np.uint8)
    message = Image(height=height, width=width, step=per_row, encoding=encoding,
                    data=array.array('B', data.tobytes()))
    try:
        expected = bridge.imgmsg_to_cv2(message, 'bgr8')
    except Exception as error:
        pytest.skip(f'this cv_bridge does not convert {encoding}: {error}')
    found, color = to_array(message)
    blue_first = found if color == 'bgr' else found[..., ::-1]
    assert np.abs(blue_first.astype(int) - expected).max() <= 1  # it rounds 16 bits to 8
