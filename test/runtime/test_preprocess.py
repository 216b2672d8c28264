# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Placing images of every size and layout in the input, and mapping boxes back."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from anydepth_core.errors import ImageError
from anydepth_core.runtime.preprocess import PADDING, fit, place

SIDES = st.integers(1, 2500)
INPUTS = st.tuples(st.integers(1, 30), st.integers(1, 30)).map(lambda s: (32 * s[0], 32 * s[1]))


def fitted(image, size=(64, 96), resize='letterbox', color='rgb'):
    canvas = np.full((*size, 3), 7, np.uint8)
    return canvas, fit(image, canvas, resize, color)


@settings(max_examples=300, deadline=None)
@given(height=SIDES, width=SIDES, size=INPUTS, resize=st.sampled_from(['letterbox', 'stretch']),
       seed=st.integers(0, 99))
@example(height=1, width=2500, size=(32, 32), resize='letterbox', seed=0)
@example(height=2500, width=1, size=(960, 32), resize='letterbox', seed=0)
def test_boxes_come_back(height, width, size, resize, seed):
    placement = place((height, width), size, resize)
    corners = np.random.default_rng(seed).uniform(0, 1, (20, 2, 2)) * (width, height)
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)
    inside = placement.to_input(boxes)
    assert (inside >= 0).all() and (inside <= np.tile(size[::-1], 2)).all()
    shrunk = max(1, *np.divide((height, width), placement.resized))
    np.testing.assert_allclose(placement.to_image(inside), boxes, rtol=0, atol=1e-3 * shrunk)
    everything = placement.to_image(np.array([[-1e6, -1e6, 1e6, 1e6]], np.float32))
    assert everything.dtype == np.float32
    assert everything.tolist() == [[0, 0, width, height]]


@settings(max_examples=300, deadline=None)
@given(height=SIDES, width=SIDES, size=INPUTS)
def test_letterbox_keeps_the_ratio_and_centres(height, width, size):
    placement = place((height, width), size, 'letterbox')
    rows, columns = placement.resized
    assert (rows == size[0] or columns == size[1]) and rows <= size[0] and columns <= size[1]
    scale = min(size[0] / height, size[1] / width)
    assert abs(rows - max(1, height * scale)) <= 0.5 + 1e-6
    assert abs(columns - max(1, width * scale)) <= 0.5 + 1e-6
    assert abs(size[0] - rows - 2 * placement.top) <= 1
    assert abs(size[1] - columns - 2 * placement.left) <= 1


@pytest.mark.parametrize('shape', [(37, 91), (91, 37), (64, 96), (480, 640), (1, 1), (3, 1999)])
@pytest.mark.parametrize('resize', ['letterbox', 'stretch'])
def test_a_marked_region_lands_where_its_box_says(shape, resize):
    height, width = shape
    image = np.zeros((height, width, 3), np.uint8)
    box = np.array([[width // 3, height // 3, max(width // 3 + 1, 2 * width // 3),
                     max(height // 3 + 1, 2 * height // 3)]], np.float32)
    left, top, right, bottom = box[0].astype(int)
    image[top:bottom, left:right] = 255
    canvas, placement = fitted(image, resize=resize)
    bright = np.argwhere(canvas[..., 0] > 127)
    x1, y1, x2, y2 = placement.to_input(box)[0]
    if x2 - x1 > 2 and y2 - y1 > 2:
        assert np.abs(bright.min(0) - (y1, x1)).max() <= 1
        assert np.abs(bright.max(0) + 1 - (y2, x2)).max() <= 1
    outside = np.ones(canvas.shape[:2], bool)
    rows, columns = placement.resized
    outside[placement.top:placement.top + rows, placement.left:placement.left + columns] = False
    assert (canvas[outside] == PADDING).all()


def test_same_size_is_the_same_pixels():
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    assert np.array_equal(fitted(image)[0], image)
    assert np.array_equal(fitted(image, color='bgr')[0], image[..., ::-1])


@pytest.mark.parametrize('view', [
    lambda a: a, lambda a: a[::-1], lambda a: a[:, ::-1], lambda a: a[..., ::-1],
    lambda a: a[::2, ::3], lambda a: a[5:40, 7:30], lambda a: a.transpose(1, 0, 2),
    np.asfortranarray, lambda a: np.broadcast_to(a[:1], a.shape),
    lambda a: np.broadcast_to(a[:, :, :1], a.shape), lambda a: a[:1], lambda a: a[:, :1],
    lambda a: a[3:4, ::-1]])
@pytest.mark.parametrize('color', ['rgb', 'bgr'])
def test_any_strides(view, color):
    image = view(np.random.default_rng(0).integers(0, 256, (51, 67, 3), np.uint8))
    before = image.copy()
    image.flags.writeable = False
    canvas, placement = fitted(image, color=color)
    expected, same = fitted(before, color=color)
    assert np.array_equal(canvas, expected) and placement == same
    assert np.array_equal(image, before)
    assert not np.shares_memory(canvas, image)


@pytest.mark.parametrize('bad', [
    np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 4), np.uint8),
    np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 3), np.uint16), np.zeros((0, 4, 3), np.uint8),
    np.zeros((1, 4, 4, 3), np.uint8), [[[1, 2, 3]]], None, 'image.jpg'])
def test_no_image(bad):
    with pytest.raises(ImageError, match='uint8 array'):
        fitted(bad)


def test_unknown_color():
    with pytest.raises(ImageError, match="'rgb' or 'bgr'"):
        fitted(np.zeros((4, 4, 3), np.uint8), color='yuv')
