# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of detections: boxes, labels that stay readable, and a strip with a caption."""

from __future__ import annotations

from collections.abc import Sequence
import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.detections import Detections
from anydepth_core.runtime.preprocess import require_image

FONT = cv2.FONT_HERSHEY_SIMPLEX
# A text height of the font at scale 1; all sizes below follow from the size of the image.
FONT_PIXELS = 22
GOLDEN_RATIO = 0.618033988749895
DARK, LIGHT = (24, 24, 27), (250, 250, 250)

Rgb = tuple[int, int, int]
Picture = NDArray[np.uint8]


def draw_detections(image: Picture, detections: Detections, class_names: Sequence[str], *,
                    caption: str = '') -> Picture:
    """Return a copy of the image with the detections drawn into it.

    Args:
        image: (H, W, 3) uint8 RGB of any strides; it stays as it is.
        detections: what to draw; the best lies on top.
        class_names: what a label means.
        caption: text of a strip in the upper left corner, such as ``'depth base  12.3 ms'``.

    Raises:
        ImageError: `image` is not such an array.
    """
    labels, scores = detections.labels.tolist(), detections.scores.tolist()
    return draw_boxes(image, detections.boxes[::-1],
                      [f'{class_names[label]} {score:.0%}'
                       for label, score in zip(labels, scores)][::-1],
                      [class_color(label) for label in labels][::-1], caption=caption)


def draw_boxes(image: Picture, boxes: NDArray[np.float32], words: Sequence[str],
               colors: Sequence[Rgb], *, caption: str = '') -> Picture:
    """Return a copy of the image with boxes drawn into it; the last lies on top.

    Args:
        image: (H, W, 3) uint8 RGB of any strides; it stays as it is.
        boxes: (N, 4) corners in pixels.
        words: what to write at each box; '' for nothing.
        colors: of each box.
        caption: text of a strip in the upper left corner.

    Raises:
        ImageError: `image` is not such an array.
    """
    require_image(image)
    picture = np.ascontiguousarray(image).copy()
    line = max(1, round(sum(picture.shape[:2]) / 600))
    text = float(np.clip(min(picture.shape[:2]) / 36, 9, 60))
    corners = boxes.round().astype(int).tolist()
    for (left, top, right, bottom), color in zip(corners, colors):
        cv2.rectangle(picture, (left, top), (right, bottom), color, line, cv2.LINE_AA)
    for (left, top, _, _), label, color in zip(corners, words, colors):
        if label:
            _chip(picture, label, (left - line // 2, top), text, color)
    if caption:
        _chip(picture, caption, (0, 0), 1.15 * text, DARK)
    return picture


def class_color(label: int) -> Rgb:
    """Return the RGB colour of a class: neighbouring labels get distant hues, and none repeats."""
    hue = (0.56 + label * GOLDEN_RATIO) % 1.0
    saturation = (0.78, 0.60, 0.92)[label // 8 % 3]
    value = (0.95, 1.0, 0.80)[label // 24 % 3]
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


def _chip(picture: Picture, words: str, corner: tuple[int, int], height: float,
          color: Rgb) -> None:
    """Write words on a filled rectangle above `corner`, moved so that it lies in the picture."""
    words = words.encode('ascii', 'replace').decode()
    scale = height / FONT_PIXELS
    weight = max(1, round(1.5 * scale))
    (wide, high), below = cv2.getTextSize(words, FONT, scale, weight)
    margin = max(2, round(height / 4))
    width, tall = wide + 2 * margin, high + below + margin
    rows, columns = picture.shape[:2]
    left = max(0, min(corner[0], columns - width))
    top = max(0, min(corner[1] - tall, rows - tall))
    cv2.rectangle(picture, (left, top), (left + width - 1, top + tall - 1), color, cv2.FILLED)
    cv2.putText(picture, words, (left + margin, top + high + margin // 2), FONT, scale,
                _ink(color), weight, cv2.LINE_AA)


def _ink(color: Rgb) -> Rgb:
    """Return dark or light, whichever reads better on `color` (luma of ITU-R BT.601)."""
    red, green, blue = color
    return DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else LIGHT
