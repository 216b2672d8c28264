# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Which part of a picture's plane the network is shown: zooming out, and cropping to an object.

The same choices as torchvision's RandomZoomOut and RandomIoUCrop (SSD, arXiv 1512.02325, section
2.2), but as a frame of the plane: no larger canvas is ever filled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anydepth_core.data.geometry import Boxes, Picture, area, cut, twice

LEAST_OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
SIDES = (0.3, 1.0)
RATIOS = (0.5, 2.0)
TRIALS = 40


class Frame(NamedTuple):
    """A rectangle of the plane in whole pixels; it may reach beyond the picture."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.bottom - self.top, self.right - self.left


def zoom_out(frame: Frame, most: float, rng: Generator) -> Frame:
    """Return a frame with sides of up to `most` times `frame`'s that holds it at random."""
    height, width = frame.size
    factor = rng.uniform(1.0, most)
    rows, columns = int(height * factor), int(width * factor)
    left = frame.left - int((columns - width) * rng.random())
    top = frame.top - int((rows - height) * rng.random())
    return Frame(left, top, left + columns, top + rows)


def crop_to_object(picture: Picture, frame: Frame, rng: Generator) -> tuple[Picture, Frame]:
    """Crop a frame so that it overlaps some object by at least a share drawn at random.

    Objects whose centres lie outside the crop are left out. If the share drawn is 1, or no crop
    is found, nothing changes.
    """
    boxes = picture.boxes - twice(frame.left, frame.top)
    while len(boxes):
        least = rng.choice(LEAST_OVERLAPS)
        if least >= 1:
            break
        for _ in range(TRIALS):
            found = _crop(boxes, frame.size, least, rng)
            if found is not None:
                return _cut(picture, Frame(
                    frame.left + found.left, frame.top + found.top,
                    frame.left + found.right, frame.top + found.bottom))
    return picture, frame


def _crop(boxes: Boxes, size: tuple[int, int], least: float, rng: Generator,
          ) -> Frame | None:
    """Try one random crop of a frame; return it if it overlaps a box enough."""
    height, width = size
    columns, rows = (int(side * share) for side, share in zip((width, height),
                                                              rng.uniform(*SIDES, 2)))
    if not (rows and columns and RATIOS[0] <= columns / rows <= RATIOS[1]):
        return None
    x0, y0 = int((width - columns) * rng.random()), int((height - rows) * rng.random())
    crop = Frame(x0, y0, x0 + columns, y0 + rows)
    inside = boxes[_centred(boxes, crop)]
    if not len(inside):
        return None
    low = np.maximum(inside[:, :2], crop[:2])
    high = np.minimum(inside[:, 2:], crop[2:])
    shared = (high - low).clip(0).prod(axis=1)
    overlap = shared / (area(inside) + rows * columns - shared)
    return crop if overlap.max() >= least else None


def _centred(boxes: Boxes, crop: Frame) -> NDArray[np.bool_]:
    """Return (M,): which boxes have their centre inside a crop."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.asarray(((centres > crop[:2]) & (centres < crop[2:])).all(axis=1))


def _cut(picture: Picture, crop: Frame) -> tuple[Picture, Frame]:
    """Return the part of a picture inside a crop, and where the crop lies in that part's plane."""
    height, width = picture.size
    x0, y0 = max(0, crop.left), max(0, crop.top)
    x1, y1 = min(width, crop.right), min(height, crop.bottom)
    part = cut(picture.only(_centred(picture.boxes, crop)), x0, y0, x1, y1)
    return part, Frame(crop.left - x0, crop.top - y0, crop.right - x0, crop.bottom - y0)
