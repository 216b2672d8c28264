# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures with boxes, and moving both by one matrix.

Coordinates are continuous: pixel (row, column) covers the square from (column, row) to
(column + 1, row + 1), so a box is tight when it ends where its pixels end.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.data.dataset import Objects
from anydepth_core.data.records import clip, has_area
from anydepth_core.runtime.preprocess import PADDING, Placement

MIN_SIDE = 2.0
MIN_VISIBLE = 0.1

Matrix = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]


class Picture(NamedTuple):
    """An image and the objects to learn in it.

    Attributes:
        image: (H, W, 3) uint8 RGB; may be read-only.
        boxes: (M, 4) float32 corners in pixels, inside the image.
        labels: (M,) int64.
        whole: (M,) float32, the area each box would have if nothing of it had been cut off.
    """

    image: Pixels
    boxes: Boxes
    labels: NDArray[np.int64]
    whole: NDArray[np.float32]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def only(self, which: NDArray[np.bool_]) -> Picture:
        """Return the picture with some of its objects."""
        return self._replace(boxes=self.boxes[which], labels=self.labels[which],
                             whole=self.whole[which])


def picture_of(image: Pixels, objects: Objects) -> Picture:
    """Return the objects of an image that are to be learned: no crowds, and clipped."""
    boxes = objects.boxes
    picture = Picture(image, clip(boxes, (image.shape[0], image.shape[1])), objects.labels,
                      area(boxes))
    return picture.only(~objects.crowd & has_area(picture.boxes))


def twice(x: float, y: float) -> Boxes:
    """Return what shifts or scales both corners of a box: (x, y, x, y)."""
    return np.array((x, y, x, y), np.float32)


def area(boxes: Boxes) -> NDArray[np.float32]:
    """Return (M,) areas of (M, 4) corners."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def visible(picture: Picture) -> Picture:
    """Leave out the objects of which too little is left.

    An object stays if its box is at least MIN_SIDE pixels wide and high and has at least
    MIN_VISIBLE of the area it would have if nothing were cut off.
    """
    sides = picture.boxes[:, 2:] - picture.boxes[:, :2]
    return picture.only((sides >= MIN_SIDE).all(axis=1)
                        & (area(picture.boxes) >= MIN_VISIBLE * picture.whole))


def cut(picture: Picture, x0: int, y0: int, x1: int, y1: int) -> Picture:
    """Return the part of a picture inside a rectangle, in a view of the same pixels."""
    boxes = clip(picture.boxes - twice(x0, y0), (y1 - y0, x1 - x0))
    return picture._replace(image=picture.image[y0:y1, x0:x1], boxes=boxes).only(has_area(boxes))


def placing(placement: Placement, left: float = 0.0, top: float = 0.0) -> Matrix:
    """Return the matrix from image pixels to input pixels.

    `left` and `top` are where the placed frame starts in the image.
    """
    (height, width), (rows, columns) = placement.image_size, placement.resized
    x, y = columns / width, rows / height
    return np.array([[x, 0, placement.left - x * left], [0, y, placement.top - y * top],
                     [0, 0, 1]])


def warp(picture: Picture, matrix: Matrix, size: tuple[int, int], fill: int = PADDING) -> Picture:
    """Draw a picture into an image of `size` (height, width) by an affine (3, 3) matrix.

    Boxes are tight around what is left of them, a box standing for a filled rectangle.
    """
    # OpenCV's coordinates are those of pixel centres.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    centres = np.linalg.inv(half) @ matrix @ half
    image = cv2.warpAffine(picture.image, centres[:2], size[::-1], flags=cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_CONSTANT, borderValue=(fill,) * 3)
    corners = picture.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2).astype(np.float64)
    moved = corners @ matrix[:2, :2].T + matrix[:2, 2]
    around = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1).astype(np.float32)
    boxes = clip(around, size)
    if matrix[0, 1] or matrix[1, 0]:
        boxes = clip(_tightened(boxes, moved, around, size), size)
    before = np.maximum(area(picture.boxes), np.finfo(np.float32).tiny)
    whole = picture.whole * (area(around) / before)
    return visible(Picture(np.asarray(image, np.uint8), boxes, picture.labels, whole))


def _tightened(boxes: Boxes, corners: NDArray[np.float64], around: Boxes, size: tuple[int, int],
               ) -> Boxes:
    """Return boxes of slanted rectangles, tight around what of them is inside the image."""
    boxes, (height, width) = boxes.copy(), size
    frame = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32)
    for index in np.flatnonzero((boxes != around).any(axis=1)):
        shared, inside = cv2.intersectConvexConvex(corners[index].astype(np.float32), frame)
        points = np.asarray(inside if shared else frame[:1]).reshape(-1, 2)
        boxes[index] = *points.min(axis=0), *points.max(axis=0)
    return boxes


def flipped(picture: Picture) -> Picture:
    """Exchange left and right."""
    boxes = picture.boxes.copy()
    boxes[:, [0, 2]] = picture.size[1] - picture.boxes[:, [2, 0]]
    return picture._replace(image=np.asarray(cv2.flip(picture.image, 1), np.uint8), boxes=boxes)
