# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""From an image of any size to the pixels a network takes, and boxes back again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.errors import ImageError

PADDING = 114
Resize = Literal['letterbox', 'stretch']
Color = Literal['rgb', 'bgr']


@dataclass(frozen=True)
class Placement:
    """Where an image lies in the network input.

    Attributes:
        image_size: (height, width) of the image in pixels.
        resized: (height, width) it takes up in the input.
        top, left: first row and column it takes up.
    """

    image_size: tuple[int, int]
    resized: tuple[int, int]
    top: int
    left: int

    def to_image(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) corners from input pixels to image pixels, clipped to the image."""
        (height, width), (rows, columns) = self.image_size, self.resized
        moved = boxes.astype(np.float64) - (self.left, self.top, self.left, self.top)
        moved *= (width / columns, height / rows) * 2
        return moved.clip(0, (width, height, width, height)).astype(np.float32)

    def to_input(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) corners from image pixels to input pixels."""
        (height, width), (rows, columns) = self.image_size, self.resized
        scaled = boxes * np.array((columns / width, rows / height) * 2)
        return (scaled + (self.left, self.top, self.left, self.top)).astype(np.float32)


def place(image_size: tuple[int, int], input_size: tuple[int, int], resize: Resize) -> Placement:
    """Return where an image goes in the network input; both sizes are (height, width).

    'letterbox' keeps the aspect ratio, to a pixel, and centres the image; 'stretch' fills the
    input.
    """
    if resize == 'stretch':
        return Placement(image_size, input_size, 0, 0)
    scale = min(side / given for side, given in zip(input_size, image_size))
    rows, columns = (min(side, max(1, round(given * scale)))
                     for side, given in zip(input_size, image_size))
    return Placement(image_size, (rows, columns), (input_size[0] - rows) // 2,
                     (input_size[1] - columns) // 2)


def fit(image: NDArray[np.uint8], canvas: NDArray[np.uint8], resize: Resize,
        color: Color) -> Placement:
    """Draw the image into the network input, RGB, and return where it lies in it.

    Args:
        image: (H, W, 3) uint8 of any strides; it is neither changed nor kept.
        canvas: (height, width, 3) uint8, contiguous; every pixel of it is overwritten.
        resize: 'letterbox' (what the image leaves free becomes grey) or 'stretch'.
        color: order of the channels of `image`.

    Raises:
        ImageError: not such an image, or an unknown order of channels.
    """
    require_image(image)
    if color not in ('rgb', 'bgr'):
        raise ImageError(f"color {color!r} is not 'rgb' or 'bgr'")
    height, width = image.shape[:2]
    placement = place((height, width), (canvas.shape[0], canvas.shape[1]), resize)
    (rows, columns), top, left = placement.resized, placement.top, placement.left
    canvas[:top] = canvas[top + rows:] = PADDING
    canvas[:, :left] = canvas[:, left + columns:] = PADDING
    inside = canvas[top:top + rows, left:left + columns]
    try:
        cv2.resize(_rows_of_pixels(image), (columns, rows), dst=inside)
    except cv2.error as error:
        raise ImageError(f'image of {width}x{height} pixels cannot be resized: '
                         f'{error.err}') from error
    if color == 'bgr':
        cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB, dst=canvas)
    return placement


def require_image(image: Any) -> None:
    """Raise ImageError unless `image` is an (H, W, 3) uint8 array with at least one pixel."""
    if not isinstance(image, np.ndarray):
        raise ImageError(f'an image is an (H, W, 3) uint8 array, not {type(image).__name__}')
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ImageError('an image is an (H, W, 3) uint8 array with at least one pixel, not '
                         f'{image.dtype} of shape {image.shape}')


def _rows_of_pixels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `image` itself if OpenCV can read it in place (rows may be padded), else a copy."""
    row, pixel, channel = image.strides
    readable = channel == 1 and pixel == 3 and row >= 3 * image.shape[1]
    return image if readable else np.ascontiguousarray(image)
