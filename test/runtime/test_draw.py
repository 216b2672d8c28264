# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Drawing: a new picture, marked where the boxes are, at any size."""

import itertools

import numpy as np
import pytest

from anydepth_core.detections import Detections, FrameTiming
from anydepth_core.errors import ImageError
from anydepth_core.runtime.draw import class_color, draw_detections


def some(boxes, size, labels=None):
    count = len(boxes)
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(count, 4),
        scores=np.linspace(0.9, 0.4, count, dtype=np.float32),
        labels=np.array(labels or range(count), np.int64), depth='full',
        timing=FrameTiming(1.0, 2.0, 3.0), image_size=size)


def test_draws_on_a_copy_at_the_box():
    image = np.full((240, 320, 3), 90, np.uint8)
    found = some([[100, 80, 200, 160]], (240, 320))
    picture = draw_detections(image, found, ['cat'])
    assert (image == 90).all() and picture.shape == image.shape and picture.dtype == np.uint8
    for point in ((120, 100), (120, 200), (160, 150)):
        assert np.abs(picture[point].astype(int) - class_color(0)).max() < 60, point
    changed = (picture != image).any(-1)
    assert changed[60:80, 100:140].mean() > 0.5
    assert not changed[90:150, 110:190].any() and not changed[180:].any()


def test_caption():
    image = np.full((240, 320, 3), 200, np.uint8)
    nothing = some([], (240, 320))
    assert np.array_equal(draw_detections(image, nothing, []), image)
    changed = (draw_detections(image, nothing, [], caption='depth base  12.3 ms') != image).any(-1)
    assert changed[:10, :100].all() and not changed[40:].any()


@pytest.mark.parametrize('size', [(1, 1), (7, 5), (20, 900), (900, 20), (1080, 1920)])
def test_any_size_of_image_and_any_box(size):
    height, width = size
    boxes = [[0, 0, width, height], [0, 0, 0, 0], [width, height, width, height],
             [width - 1, 0, width, height / 2]]
    image = np.zeros((*size, 3), np.uint8)[::-1, :, ::-1]
    picture = draw_detections(image, some(boxes, size), ['a' * 200, 'ö', 'c', ''], caption='x')
    assert picture.shape == image.shape and picture.any()


def test_neighbouring_classes_differ():
    colors = np.array([class_color(label) for label in range(80)], int)
    assert len({tuple(color) for color in colors}) == 80
    for one, other in itertools.combinations(range(8), 2):
        assert np.abs(colors[one] - colors[other]).sum() > 80, (one, other)


def test_no_image():
    with pytest.raises(ImageError):
        draw_detections(np.zeros((4, 4), np.uint8), some([], (4, 4)), [])
