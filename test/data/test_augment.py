# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to a picture, each box encloses what its object still shows, and no more."""

from __future__ import annotations

from drawn_sets import DrawnImages, shown
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import torch

from anydepth_core.data.augment import Augmenter
from anydepth_core.data.colours import change_hsv, distort_colours
from anydepth_core.data.dataset import Objects, SceneImages
from anydepth_core.data.frames import Frame, crop_to_object, zoom_out
from anydepth_core.data.geometry import (
    MIN_SIDE,
    Picture,
    flipped,
    picture_of,
    placing,
    visible,
    warp,
)
from anydepth_core.data.mixtures import MOST_HIDDEN, blend, compose_mosaic, paste_objects
from anydepth_core.data.options import Augmentation
from anydepth_core.runtime.preprocess import PADDING, fit

IMAGES = DrawnImages(3, 30)
INPUT = (96, 128)
MOVES = {
    'nothing': Augmentation(),
    'flip': Augmentation(flip=1),
    'scale and shift': Augmentation(affine=1, scale=0.5, translate=0.3),
    'turn and shear': Augmentation(affine=1, degrees=180, shear=20, translate=0.3),
    'zoom out': Augmentation(zoom_out=1),
    'crop': Augmentation(iou_crop=1),
    'all of one image': Augmentation(zoom_out=0.5, iou_crop=0.8, affine=0.5, degrees=30, flip=0.5),
}
MIXES = {
    'mosaic': Augmentation(mosaic=1),
    'mosaic moved': Augmentation(mosaic=1, affine=1, scale=0.5, translate=0.2, flip=0.5),
    'mosaic cropped': Augmentation(mosaic=1, zoom_out=1, iou_crop=1),
    'paste': Augmentation(copy_paste=1),
}


def draw(options: Augmentation, number: int, *, resize: str = 'letterbox',
         images: DrawnImages | SceneImages = IMAGES) -> Picture:
    augmenter = Augmenter(images, options, INPUT, resize)  # type: ignore[arg-type]
    picture, name = augmenter.draw(number % 30, np.random.default_rng((1, number)))
    assert name == images.load(number % 30).id
    return picture


def require_sound(picture: Picture, size: tuple[int, int] = INPUT, *,
                  least: float = MIN_SIDE - 1e-3) -> None:
    boxes = picture.boxes
    assert picture.image.shape == (*size, 3) and picture.image.dtype == np.uint8
    assert boxes.dtype == np.float32 and boxes.shape == (len(picture.labels), 4)
    assert picture.labels.dtype == np.int64
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= (size[1], size[0])).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= least).all()


def extent(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@pytest.mark.parametrize('resize', ['letterbox', 'stretch'])
@pytest.mark.parametrize('name', MOVES)
@given(number=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_a_box_is_tight_around_its_object(name: str, resize: str, number: int) -> None:
    picture = draw(MOVES[name], number, resize=resize)
    require_sound(picture)
    label = number % 30 % 3
    half, any_of_it = shown(picture.image, label), shown(picture.image, label, least=0.04)
    if len(picture.boxes):
        low, high = extent(half)[:2], extent(half)[2:]
        assert (low >= picture.boxes[0, :2] - 1).all() and (high <= picture.boxes[0, 2:] + 1).all()
        room = 2.5 if MOVES[name].degrees else 1  # the tip of a slanted corner may be that thin
        assert (extent(any_of_it)[:2] <= picture.boxes[0, :2] + room).all()
        assert (extent(any_of_it)[2:] >= picture.boxes[0, 2:] - room).all()
    else:  # only so little may be shown without a box
        sides = np.diff(extent(half).reshape(2, 2), axis=0) if half.any() else np.zeros(2)
        assert name != 'nothing'
        assert sides.min() <= MIN_SIDE + 1 or half.sum() < 0.15 * 160 * 160


@pytest.mark.parametrize('name', MIXES)
@given(number=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_boxes_of_mixed_pictures_are_filled_by_their_objects(name: str, number: int) -> None:
    picture = draw(MIXES[name], number)
    require_sound(picture)
    for box, label in zip(picture.boxes, picture.labels):
        mask = shown(picture.image, label)
        x0, y0, x1, y1 = np.round(box).astype(int)
        inner = mask[y0 + 1:y1 - 1, x0 + 1:x1 - 1]
        # Another object pasted over it hides at most this much.
        assert not inner.size or inner.mean() > (1 - 2 * MOST_HIDDEN if name == 'paste' else 0.95)
        if name != 'paste':
            part = mask[y0:y1, x0:x1]
            np.testing.assert_allclose(extent(part), (0, 0, x1 - x0, y1 - y0), atol=1)


def test_nothing_is_done_unless_asked_for() -> None:
    for index in range(6):
        sample = IMAGES.load(index)
        canvas = np.empty((*INPUT, 3), np.uint8)
        placement = fit(sample.image, canvas, 'letterbox', 'rgb')
        picture = draw(Augmentation(), index)
        assert np.array_equal(picture.image, canvas)
        np.testing.assert_array_equal(picture.boxes, placement.to_input(sample.objects.boxes))


@pytest.mark.parametrize('resize', ['letterbox', 'stretch'])
def test_warping_places_pixels_and_boxes_as_the_detector_does(resize: str) -> None:
    sample = SceneImages(5, 1, [(120, 160)]).load(0)
    picture = picture_of(sample.image, sample.objects)
    canvas = np.empty((150, 130, 3), np.uint8)
    placement = fit(sample.image, canvas, resize, 'rgb')  # type: ignore[arg-type]
    warped = warp(picture, placing(placement), (150, 130))
    inside = np.s_[placement.top + 1:placement.top + placement.resized[0] - 1, 1:-1]
    assert np.abs(warped.image[inside].astype(int) - canvas[inside]).mean() < 0.5
    np.testing.assert_allclose(warped.boxes, placement.to_input(picture.boxes), atol=1e-3)


@pytest.mark.parametrize('name', [*MOVES, *MIXES])
def test_the_random_numbers_decide_everything(name: str) -> None:
    options = (MOVES | MIXES)[name]
    one, two, other = draw(options, 5), draw(options, 5), draw(options, 35)
    assert np.array_equal(one.image, two.image) and np.array_equal(one.boxes, two.boxes)
    assert name == 'nothing' or name == 'flip' or not np.array_equal(one.image, other.image)


@pytest.mark.parametrize('name', [name for name in MOVES if 'turn' in name or 'scale' in name])
def test_an_affine_change_is_as_often_to_either_side(name: str) -> None:
    centres = []
    for number in range(0, 900, 30):
        picture = draw(MOVES[name], number)
        centres += [(box[:2] + box[2:]) / 2 for box in picture.boxes]
    untouched = draw(Augmentation(), 0).boxes[0]
    middle = (untouched[:2] + untouched[2:]) / 2
    assert (np.array(centres) < middle).any(axis=0).all()
    assert (np.array(centres) > middle).any(axis=0).all()


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_flipping_twice_changes_nothing(seed: int) -> None:
    sample = DrawnImages(seed, 1).load(0)
    picture = picture_of(sample.image, sample.objects)
    twice = flipped(flipped(picture))
    assert np.array_equal(twice.image, picture.image)
    np.testing.assert_allclose(twice.boxes, picture.boxes, atol=1e-4)
    assert not np.array_equal(flipped(picture).boxes, picture.boxes) or \
        picture.boxes[0, 0] == picture.size[1] - picture.boxes[0, 2]


def test_crowds_and_what_is_outside_are_not_learned() -> None:
    boxes = np.array([[0, 0, 20, 20], [5, 5, 15, 15], [-30, -30, -1, -1], [-10, 10, 10, 30]],
                     np.float32)
    objects = Objects(boxes, np.array([0, 1, 2, 1]), np.array([True, False, False, False]),
                      np.ones(4, np.float32))
    picture = picture_of(np.zeros((40, 40, 3), np.uint8), objects)
    assert picture.boxes.tolist() == [[5, 5, 15, 15], [0, 10, 10, 30]]
    assert picture.labels.tolist() == [1, 1]


def test_what_little_is_left_of_an_object_is_dropped() -> None:
    boxes = np.array([[0, 0, 40, 40]] * 3, np.float32)
    picture = Picture(np.zeros((40, 100, 3), np.uint8), boxes, np.arange(3),
                      np.full(3, 1600, np.float32))
    shift = np.eye(3)
    for left, kept in ((30, 3), (35.9, 3), (36.1, 0), (39, 0)):  # a tenth of 40 columns is 4
        shift[0, 2] = -left
        assert len(warp(picture, shift, (40, 40)).boxes) == kept, left
    tiny = picture._replace(boxes=np.array([[0, 0, 1.9, 9], [0, 0, 9, 1.9], [0, 0, 2, 2]],
                                           np.float32), whole=np.ones(3, np.float32))
    assert visible(tiny).labels.tolist() == [2]


def test_colours_change_and_boxes_do_not() -> None:
    sample = SceneImages(5, 1, [(120, 160)]).load(0)
    picture = picture_of(sample.image, sample.objects)
    still = change_hsv(picture, np.zeros(3))
    assert np.abs(still.image.astype(int) - picture.image).mean() < 2  # 8-bit HSV is coarse
    darker = change_hsv(picture, np.array([0, 0, -0.5]))
    assert darker.image.mean() == pytest.approx(picture.image.mean() / 2, rel=0.05)
    grey = change_hsv(picture, np.array([0, -1.0, 0]))
    assert (grey.image.max(axis=2) == grey.image.min(axis=2)).all()
    distorted = [distort_colours(picture, 1.0, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert np.array_equal(distorted[0].image, distorted[1].image)
    assert not np.array_equal(distorted[0].image, distorted[2].image)
    for changed in (darker, *distorted):
        assert changed.image.shape == picture.image.shape and changed.boxes is picture.boxes


def test_colours_leave_the_other_random_numbers_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    draw(Augmentation(photometric=1), 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_mosaic_is_four_images_around_a_point() -> None:
    rng = np.random.default_rng(0)
    pictures = [picture_of(*IMAGES.load(index)[:2]) for index in range(4)]
    pictures[3] = pictures[3].only(np.array([False]))._replace(
        image=np.zeros_like(pictures[3].image))
    found = 0
    for _ in range(30):
        mosaic, frame = compose_mosaic(pictures, INPUT, 'letterbox', rng)
        require_sound(mosaic, (2 * INPUT[0], 2 * INPUT[1]), least=0.01)
        assert frame == Frame(64, 48, 192, 144)
        assert (mosaic.image == PADDING).all(axis=2).any()
        for box, label in zip(mosaic.boxes, mosaic.labels):
            if (box[2:] - box[:2] > 1).all():
                np.testing.assert_allclose(box, extent(shown(mosaic.image, label)), atol=1)
                found += 1
    assert found > 60


def test_pasted_objects_come_with_their_boxes_and_hide_little() -> None:
    donor = picture_of(*IMAGES.load(1)[:2])
    pasted = 0
    for seed in range(40):
        target = picture_of(*IMAGES.load(0)[:2])
        result = paste_objects(target, donor, 1.0, (1.0, 1.0), lambda size: (0.5, 0.5),
                               np.random.default_rng(seed))
        if len(result.boxes) == 1:
            assert result.image is target.image or np.array_equal(result.image, target.image)
            continue
        pasted += 1
        x0, y0, x1, y1 = np.round(result.boxes[1]).astype(int)
        assert shown(result.image, 1)[y0:y1, x0:x1].mean() > 0.9
        hidden = shown(target.image, 0).sum() - shown(result.image, 0).sum()
        assert hidden <= (MOST_HIDDEN + 0.05) * shown(target.image, 0).sum()
    assert pasted > 5
    assert IMAGES.load(0).image.max(axis=(0, 1))[1] == 0, 'the data set itself is untouched'


def test_blending_keeps_the_objects_of_both() -> None:
    one, other = (draw(Augmentation(), index) for index in (0, 1))
    both = blend(one, other, 0.25)
    expected = 0.25 * one.image + 0.75 * other.image.astype(float)
    assert np.abs(both.image - expected).max() <= 1
    assert both.labels.tolist() == [*one.labels, *other.labels]
    mixed = draw(Augmentation(mixup=1), 0)
    assert len(mixed.labels) == 2
    require_sound(mixed)


def test_mixing_can_be_switched_off() -> None:
    options = Augmentation(mosaic=1, mixup=1, copy_paste=1)
    augmenter = Augmenter(IMAGES, options, INPUT, 'letterbox')
    plain, _ = augmenter.draw(4, np.random.default_rng(0), mix=False)
    assert np.array_equal(plain.image, draw(Augmentation(), 4).image)


@given(seed=st.integers(0, 10**6), most=st.floats(1, 8))
@settings(max_examples=50, deadline=None)
def test_zooming_out_keeps_the_whole_frame(seed: int, most: float) -> None:
    frame = Frame(3, 5, 90, 60)
    zoomed = zoom_out(frame, most, np.random.default_rng(seed))
    assert zoomed.left <= frame.left and zoomed.top <= frame.top
    assert zoomed.right >= frame.right and zoomed.bottom >= frame.bottom
    assert zoomed.size[0] <= most * frame.size[0] and zoomed.size[1] <= most * frame.size[1]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_a_crop_keeps_objects_whose_centre_is_inside(seed: int) -> None:
    sample = DrawnImages(seed, 1).load(0)
    picture = picture_of(sample.image, sample.objects)
    frame = Frame(0, 0, picture.size[1], picture.size[0])
    part, crop = crop_to_object(picture, frame, np.random.default_rng(seed))
    assert len(part.boxes) == 1, 'the only object is the one that a crop is made for'
    assert crop.size == part.size, 'a crop of a frame that is the picture leaves nothing empty'
    ratio = crop.size[1] / crop.size[0]
    assert part.size == picture.size or 0.5 <= ratio <= 2


def test_a_picture_without_objects_is_fine() -> None:
    class Empty(DrawnImages):
        def load(self, index: int):
            sample = super().load(index)
            return sample._replace(objects=sample.objects.only(np.array([False])))

    images = Empty(0, 30)
    for name, options in (MOVES | MIXES).items():
        picture = draw(options, 3, images=images)
        require_sound(picture)
        assert len(picture.boxes) == 0, name
    assert len(draw(Augmentation(mixup=1), 3, images=images).boxes) == 0
