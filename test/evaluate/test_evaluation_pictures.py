# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures: where boxes and heat lie, which images are chosen, how sheets are laid out."""

from __future__ import annotations

from evaluation_cases import detections, objects
from evaluation_data import SIZE, tiny_batches, tiny_model
import numpy as np
import pytest
import torch

from anydepth_core.data.dataset import SceneImages
from anydepth_core.errors import DataError, DepthError
from anydepth_core.evaluate.both_extremes import box_sheet, choose, heat_sheet
from anydepth_core.evaluate.pictures import (
    BASE_COLOR,
    CROWD_COLOR,
    FULL_COLOR,
    batch_picture,
    draw_full_over_base,
    draw_heat,
    draw_objects,
    heat_map,
    sheet,
)
from anydepth_core.models.weights import ModelInfo
from anydepth_core.runtime.draw import class_color
from anydepth_core.runtime.preprocess import place

GREY = np.full((100, 200, 3), 90, np.uint8)
BOX = [20, 30, 80, 90]


def near(picture: np.ndarray, row: int, column: int, color: tuple[int, int, int]) -> bool:
    """Tell whether a pixel has about a colour."""
    return bool(np.abs(picture[row, column].astype(int) - color).max() < 40)


def test_full_lies_over_base() -> None:
    full, base = detections([BOX], [0.9], [0]), detections([BOX, [120, 30, 180, 90]], [0.9, 0.8],
                                                           [0, 1])
    picture = draw_full_over_base(GREY, full, base)
    assert near(picture, 60, 20, FULL_COLOR) and near(picture, 60, 120, BASE_COLOR)
    quiet = draw_full_over_base(GREY, full, base, score_threshold=0.85)
    assert near(quiet, 60, 20, FULL_COLOR) and (quiet[60, 120] == 90).all()
    assert (GREY == 90).all()


def test_a_crowd_is_grey() -> None:
    picture = draw_objects(GREY, objects([BOX, [120, 30, 180, 90]], [3, 3], [False, True]),
                           ['a', 'b', 'c', 'd'])
    assert near(picture, 80, 80, class_color(3)) and near(picture, 80, 180, CROWD_COLOR)


def test_heat_lies_where_the_features_are_strong() -> None:
    placement = place((100, 200), (96, 96), 'letterbox')  # rows 24 to 72
    features = torch.zeros(5, 6, 6)
    features[:, 3, 4] = 2.0  # rows 48 to 64, columns 64 to 80 of the input
    features[:, 0, 0] = 9.0  # outside of the image
    heat = heat_map(features, placement, (96, 96))
    assert heat.shape == (48, 96)
    assert heat.max() == 1 and heat.min() == 0
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 24 <= row < 40 and 64 <= column < 80
    picture = draw_heat(GREY, heat)
    assert picture.shape == GREY.shape
    assert picture[65, 150, 1] > picture[65, 20, 1] + 50  # yellow is greener than dark blue
    assert np.isfinite(heat_map(torch.ones(5, 6, 6), placement, (96, 96))).all()


def test_sheet_scales_and_fills() -> None:
    wide, high = np.zeros((50, 100, 3), np.uint8), np.zeros((400, 200, 3), np.uint8)
    page = sheet([[wide, high], [wide]], cell=100)
    assert page.shape == (100 + 6 + 50, 100 + 6 + 100, 3)
    assert not page[:50, :100].any() and not page[:100, 106:156].any()
    assert (page[50:100, :100] == 255).all() and (page[106:, 106:] == 255).all()


def test_batch_picture_shows_every_image() -> None:
    batch = next(tiny_batches(5, batch=5))
    page = batch_picture(batch, [f'class {i}' for i in range(8)], columns=3, cell=160)
    height = round(160 * SIZE[0] / SIZE[1])
    assert page.shape == (2 * height + 6, 3 * 166 - 6, 3)


def test_which_images_are_chosen() -> None:
    scenes = SceneImages(40, 10, [(96, 128)])
    sizes = [len(scenes.load(index).objects.labels) for index in range(10)]
    crowded = choose(scenes, 'crowded', 3)
    assert crowded == sorted(crowded) and len(set(crowded)) == 3
    rest = [size for index, size in enumerate(sizes) if index not in crowded]
    assert min(sizes[index] for index in crowded) >= max(rest)
    assert choose(scenes, 'spread', 4) == [0, 2, 5, 7]
    assert choose(scenes, 'spread', 40) == list(range(10))
    assert choose(scenes, '7, 0', 1) == [7, 0]
    for pick in ('10', 'some', '-1', '', '1.5'):
        with pytest.raises(DataError, match='--pick'):
            choose(scenes, pick, 2)


def test_sheets_of_both_extremes() -> None:
    model = tiny_model('anydepth-detr-tiny')
    info = ModelInfo(model='anydepth-detr-tiny', class_names=tuple('abcdefgh'), input_size=SIZE)
    scenes = SceneImages(40, 10, [(96, 128)])
    page = box_sheet(model, info, scenes, [1, 4, 5, 6, 9], score_threshold=0.0, cell=80)
    assert page.shape == (2 * 60 + 6, 4 * 86 - 6, 3)
    colors = {tuple(color) for color in page.reshape(-1, 3)}
    assert FULL_COLOR in colors
    page = heat_sheet(model, info, scenes, [1, 4, 5, 6, 9], ['p3', 'pan5'], cell=80)
    assert page.shape == (5 * 66 - 6, 5 * 86 - 6, 3)
    with pytest.raises(DepthError, match=r"'p6'.*p5"):
        heat_sheet(model, info, scenes, [1], ['p6'], cell=80)
