# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Images that are the same, or look the same, in two splits of a data set."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 16
MOST_DIFFERENCE = 3.0  # root mean square over the thumbnails, in grey levels
LEAST_CONTRAST = 4.0   # standard deviation; what is plainer says nothing
ROWS_AT_ONCE = 1024

Thumbnail = NDArray[np.float32]


def thumbnail(image: NDArray[np.uint8]) -> Thumbnail:
    """Return (256,) float32 grey levels around 0: means over a 16 x 16 grid of an RGB image.

    All zero if the image is too plain to be told from others.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < LEAST_CONTRAST:
        return np.zeros(SIDE * SIDE, np.float32)
    return np.asarray(small.reshape(-1) - 128, np.float32)


def alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of rows of (N, 256) and (M, 256) thumbnails that look the same.

    Each row of `one` is paired with the nearest row of `other` at most.
    """
    if not len(other):
        return
    lengths = (other ** 2).sum(axis=1)
    lengths[lengths == 0] = np.inf
    for start in range(0, len(one), ROWS_AT_ONCE):
        part = one[start:start + ROWS_AT_ONCE]
        apart = lengths - 2 * part @ other.T + (part ** 2).sum(axis=1, keepdims=True)
        nearest = apart.argmin(axis=1)
        least = apart[np.arange(len(part)), nearest] / (SIDE * SIDE)
        for row in np.flatnonzero((least < MOST_DIFFERENCE ** 2) & part.any(axis=1)).tolist():
            yield start + row, int(nearest[row])
