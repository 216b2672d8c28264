# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Decoded images in a fixed amount of memory, shared by all workers of a training process."""

from __future__ import annotations

import mmap
import multiprocessing

import numpy as np
from numpy.typing import NDArray

PATIENCE_S = 1.0


class PictureCache:
    """Keeps the first images it is given, until its memory is full.

    Each epoch visits every image once, in a new order: then no choice of what to throw out does
    better than throwing out nothing. The memory is one anonymous mapping that forked workers
    share, so that an image that one worker has decoded serves all; pages of it that hold no image
    take no memory.

    Args:
        count: how many images there are.
        limit: bytes for pixels.
    """

    def __init__(self, count: int, limit: int) -> None:
        self._pixels = np.frombuffer(mmap.mmap(-1, max(1, limit)), np.uint8)
        # One row for each image: where its pixels end, its height and its width; 0 if not there.
        # The last row is for how much is taken.
        table = mmap.mmap(-1, (count + 1) * 3 * 8)
        self._table = np.frombuffer(table, np.int64).reshape(count + 1, 3)
        self._lock = multiprocessing.get_context('fork').Lock()

    def get(self, index: int) -> NDArray[np.uint8] | None:
        """Return a (H, W, 3) uint8 image, read-only, or None if it is not kept."""
        if not self._lock.acquire(timeout=PATIENCE_S):
            return None
        end, height, width = self._table[index].tolist()
        self._lock.release()
        if not end:
            return None
        image = self._pixels[end - height * width * 3:end].reshape(height, width, 3)
        image.flags.writeable = False
        return image

    def put(self, index: int, image: NDArray[np.uint8]) -> None:
        """Keep a (H, W, 3) uint8 image if there is room."""
        # A worker that was killed may have left the lock taken: go on without.
        if not self._lock.acquire(timeout=PATIENCE_S):
            return
        taken = int(self._table[-1, 0])
        end = taken + image.size
        if not self._table[index, 0] and end <= len(self._pixels):
            self._pixels[taken:end] = image.reshape(-1)
            self._table[index] = end, image.shape[0], image.shape[1]
            self._table[-1, 0] = end
        self._lock.release()
