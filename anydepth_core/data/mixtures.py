# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Training pictures made of several images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anydepth_core.data.frames import Frame
from anydepth_core.data.geometry import Boxes, Picture, Pixels, area, cut, twice
from anydepth_core.runtime.preprocess import PADDING, Resize, place

MOST_HIDDEN = 0.3
LEAST_CARRIED = 0.5
PLACES_TRIED = 5


def compose_mosaic(pictures: Sequence[Picture], input_size: tuple[int, int], resize: Resize,
                   rng: Generator) -> tuple[Picture, Frame]:
    """Put four pictures around a random point (YOLOv4, arXiv 2004.10934, section 3.3).

    Each gets the size it would have alone in the network input. They meet in the middle half of a
    grey canvas twice as high and wide as the input, and what does not fit is cut off.

    Returns:
        The canvas, and its central frame of the input's size.
    """
    height, width = input_size
    canvas = np.full((2 * height, 2 * width, 3), PADDING, np.uint8)
    x = int(rng.integers(width // 2, width * 3 // 2 + 1))
    y = int(rng.integers(height // 2, height * 3 // 2 + 1))
    parts = []
    for corner, picture in enumerate(pictures):
        rows, columns = place(picture.size, input_size, resize).resized
        piece = resized(picture, rows, columns)
        left = x if corner % 2 else x - columns
        top = y if corner // 2 else y - rows
        x0, y0 = max(0, -left), max(0, -top)
        x1, y1 = min(columns, 2 * width - left), min(rows, 2 * height - top)
        piece = cut(piece, x0, y0, x1, y1)
        left, top = left + x0, top + y0
        canvas[top:top + y1 - y0, left:left + x1 - x0] = piece.image
        parts.append(piece._replace(boxes=piece.boxes + twice(left, top)))
    mosaic = together(canvas, parts)
    left, top = width // 2, height // 2
    return mosaic, Frame(left, top, left + width, top + height)


def paste_objects(picture: Picture, donor: Picture, probability: float,
                  scale: tuple[float, float],
                  scale_of: Callable[[tuple[int, int]], tuple[float, float]],
                  rng: Generator) -> Picture:
    """Paste objects of another picture as rectangles (after arXiv 2012.07177, which has masks).

    There are no masks here: what lies in an object's box comes along, with whatever other object
    is at least half inside. A place is random; one where the rectangle would hide more than
    MOST_HIDDEN of an object is not taken.

    Args:
        picture: what to paste into.
        donor: where objects come from.
        probability: of each object of the donor.
        scale: how much `picture` will grow along x and y in the network input.
        scale_of: the same of the donor, by its (height, width).
        rng: where everything random comes from.
    """
    chosen = donor.boxes[rng.random(len(donor.boxes)) < probability]
    if not len(chosen):
        return picture
    growth = np.divide(scale_of(donor.size), scale)
    image = picture.image.copy()
    picture = picture._replace(image=image)
    for box in chosen:
        x0, y0 = np.floor(box[:2]).astype(int)
        x1, y1 = np.ceil(box[2:]).astype(int)
        patch = cut(donor, x0, y0, x1, y1)
        patch = patch.only(area(patch.boxes) >= LEAST_CARRIED * patch.whole)
        columns, rows = np.maximum(1, np.round((x1 - x0, y1 - y0) * growth)).astype(int).tolist()
        spot = _free_spot(picture, rows, columns, rng)
        if spot is None or not len(patch.boxes):
            continue
        patch = resized(patch, rows, columns)
        left, top = spot
        image[top:top + rows, left:left + columns] = patch.image
        moved = patch._replace(boxes=patch.boxes + twice(left, top))
        picture = together(image, [picture, moved])
    return picture


def blend(picture: Picture, other: Picture, share: float) -> Picture:
    """Mix two pictures of one size, `share` of the first; both keep their objects (mixup)."""
    image = cv2.addWeighted(picture.image, share, other.image, 1 - share, 0)
    return together(np.asarray(image, np.uint8), [picture, other])


def together(image: Pixels, parts: Sequence[Picture]) -> Picture:
    """Return an image with the objects of all parts."""
    return Picture(image, np.concatenate([part.boxes for part in parts]),
                   np.concatenate([part.labels for part in parts]),
                   np.concatenate([part.whole for part in parts]))


def resized(picture: Picture, rows: int, columns: int) -> Picture:
    """Return a picture stretched to `rows` x `columns` pixels."""
    height, width = picture.size
    x, y = columns / width, rows / height
    image = cv2.resize(picture.image, (columns, rows))
    return picture._replace(image=np.asarray(image, np.uint8), boxes=picture.boxes * twice(x, y),
                            whole=picture.whole * np.float32(x * y))


def _free_spot(picture: Picture, rows: int, columns: int, rng: Generator,
               ) -> tuple[int, int] | None:
    """Return (left, top) of a place for a rectangle that hides no object by much, or None."""
    height, width = picture.size
    if rows > height or columns > width:
        return None
    for _ in range(PLACES_TRIED):
        left, top = int(rng.integers(width - columns + 1)), int(rng.integers(height - rows + 1))
        if not _hidden(picture.boxes, left, top, left + columns, top + rows).any():
            return left, top
    return None


def _hidden(boxes: Boxes, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    """Return (M,): which boxes a rectangle would hide by more than MOST_HIDDEN."""
    sides = np.minimum(boxes[:, 2:], (x1, y1)) - np.maximum(boxes[:, :2], (x0, y0))
    return np.asarray(sides.clip(0).prod(axis=1) > MOST_HIDDEN * area(boxes))
