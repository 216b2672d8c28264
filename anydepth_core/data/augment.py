# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The training pictures of a recipe: each is a pure function of its number and the run's seed.

What moves pixels about is gathered into one matrix, so that a picture is resampled once.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from anydepth_core.data.colours import change_hsv, distort_colours
from anydepth_core.data.dataset import DetectionDataset
from anydepth_core.data.frames import Frame, crop_to_object, zoom_out
from anydepth_core.data.geometry import (
    Matrix,
    Picture,
    flipped,
    picture_of,
    placing,
    visible,
    warp,
)
from anydepth_core.data.mixtures import blend, compose_mosaic, paste_objects
from anydepth_core.data.options import Augmentation
from anydepth_core.runtime.preprocess import PADDING, Resize, fit, place

ZOOM_FILL = 0
BLEND_SHARPNESS = 32.0  # of the beta distribution that mixup's share is drawn from


class Augmenter:
    """Draws the training pictures of a data set.

    Args:
        dataset: where images come from.
        options: what is done at random.
        input_size: (height, width) of the pictures.
        resize: how an image becomes that size.
    """

    def __init__(self, dataset: DetectionDataset, options: Augmentation,
                 input_size: tuple[int, int], resize: Resize) -> None:
        self.dataset, self.options = dataset, options
        self.input_size, self.resize = input_size, resize

    def draw(self, index: int, rng: Generator, *, mix: bool = True) -> tuple[Picture, str]:
        """Return a picture made from image `index`, and its name.

        Args:
            index: the image.
            rng: where everything random comes from.
            mix: allow mosaic, mixup and copy-paste.
        """
        options = self.options
        picture, name = self._framed(index, rng, mix)
        if mix and _happens(rng, options.mixup):
            other, _ = self._framed(self._any(rng), rng, mix)
            picture = blend(picture, other, rng.beta(BLEND_SHARPNESS, BLEND_SHARPNESS))
        if options.photometric:
            picture = distort_colours(picture, options.photometric, rng)
        if _happens(rng, options.hsv):
            gains = rng.uniform(-1, 1, 3) * (options.hue, options.saturation, options.value)
            picture = change_hsv(picture, gains)
        if _happens(rng, options.flip):
            picture = flipped(picture)
        return picture, name

    def _framed(self, index: int, rng: Generator, mix: bool) -> tuple[Picture, str]:
        """Return a picture of the input's size; everything but colours and flip is done."""
        options, fill = self.options, PADDING
        sample = self.dataset.load(index)
        picture = picture_of(sample.image, sample.objects)
        if mix and _happens(rng, options.mosaic):
            others = [self._picture(self._any(rng)) for _ in range(3)]
            picture, frame = compose_mosaic([picture, *others], self.input_size, self.resize, rng)
        else:
            frame = Frame(0, 0, picture.size[1], picture.size[0])
        if mix and options.copy_paste:
            picture = paste_objects(picture, self._picture(self._any(rng)), options.copy_paste,
                                    self._scale(frame.size), self._scale, rng)
        whole = frame
        if _happens(rng, options.zoom_out):
            frame, fill = zoom_out(frame, options.zoom_out_side, rng), ZOOM_FILL
        if _happens(rng, options.iou_crop):
            picture, frame = crop_to_object(picture, frame, rng)
        affine = _happens(rng, options.affine)
        if frame is whole and frame.size == picture.size and not affine:
            return self._fitted(picture), sample.id
        placement = place(frame.size, self.input_size, self.resize)
        matrix = placing(placement, frame.left, frame.top)
        if affine:
            matrix = self._affine(rng) @ matrix
        return warp(picture, matrix, self.input_size, fill), sample.id

    def _fitted(self, picture: Picture) -> Picture:
        """Return a picture of the input's size as the detector makes one."""
        canvas = np.empty((*self.input_size, 3), np.uint8)
        placement = fit(picture.image, canvas, self.resize, 'rgb')
        (height, width), (rows, columns) = placement.image_size, placement.resized
        grown = np.float32(rows / height * columns / width)
        return visible(Picture(canvas, placement.to_input(picture.boxes), picture.labels,
                               picture.whole * grown))

    def _affine(self, rng: Generator) -> Matrix:
        """Return a random turn, change of size, shear and shift about the input's centre."""
        options, (height, width) = self.options, self.input_size
        turn = math.radians(rng.uniform(-options.degrees, options.degrees))
        size = rng.uniform(1 - options.scale, 1 + options.scale)
        shear = np.tan(np.radians(rng.uniform(-options.shear, options.shear, 2)))
        shift = rng.uniform(-options.translate, options.translate, 2) * (width, height)
        cos, sin = size * math.cos(turn), size * math.sin(turn)
        inner = np.array([[1, shear[0]], [shear[1], 1]]) @ np.array([[cos, sin], [-sin, cos]])
        centre = np.array((width / 2, height / 2))
        matrix = np.eye(3)
        matrix[:2, :2] = inner
        matrix[:2, 2] = centre + shift - inner @ centre
        return matrix

    def _picture(self, index: int) -> Picture:
        sample = self.dataset.load(index)
        return picture_of(sample.image, sample.objects)

    def _any(self, rng: Generator) -> int:
        return int(rng.integers(len(self.dataset)))

    def _scale(self, size: tuple[int, int]) -> tuple[float, float]:
        """Return how much an image of (height, width) grows along x and y in the input."""
        rows, columns = place(size, self.input_size, self.resize).resized
        return columns / size[1], rows / size[0]


def _happens(rng: Generator, probability: float) -> bool:
    """Draw, but only if the outcome is open: what is off leaves the random numbers alone."""
    return probability > 0 and rng.random() < probability
