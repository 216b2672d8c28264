# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Whether several images in one pass pay here, by trying (docs/decisions/0006)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from anydepth_core.depth import Depth
    from anydepth_core.runtime.detector import Detector

# More would make the first image of a batch wait too long on any device.
MOST_IMAGES = 8
ROUNDS, LIMIT_S = 5, 0.5


@dataclass(frozen=True)
class Batching:
    """How many images are best detected in one pass, and what was measured.

    Attributes:
        most: 1 where batches do not pay.
        shares: by the number of images in a pass, its time over that of as many passes of one;
            of full and base the worse.
    """

    most: int = 1
    shares: Mapping[int, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return one clause for the log."""
        if not self.shares:
            return 'one image at a time (nothing to batch)'
        measured = ', '.join(f'{size} in one pass take {share:.2f} of the time of {size} passes'
                             for size, share in self.shares.items())
        if self.most == 1:
            return f'one image at a time, because batches do not pay here ({measured})'
        return f'up to {self.most} images of cameras at one depth in one pass ({measured})'


def pays(size: int, share: float) -> bool:
    """Return whether images of a batch are, on average, done no later than one after another.

    One after another the first is done after one pass and the last after `size`: on average
    after (size + 1) / 2. In a batch all are done after `size` times `share`.
    """
    return share <= (size + 1) / (2 * size)


def measure_batching(detector: Detector, most: int,
                     stop: Callable[[], bool] = lambda: False) -> Batching:
    """Return how many images at once pay at full and at base.

    Larger batches are tried as long as they pay, each for about half a second, or for one pass
    where that takes longer.

    Args:
        detector: as it runs, warmed up.
        most: how many images there can be at once.
        stop: asked between passes whether to give up.
    """
    best, shares = 1, {}
    for size in range(2, min(most, MOST_IMAGES) + 1):
        try:
            found = [_share(detector, depth, size, stop)
                     for depth in (detector.depths.full, detector.depths.base)]
        except (MemoryError, RuntimeError):  # what a device raises that has too little memory
            break
        shares[size] = max(found)
        if stop() or not pays(size, shares[size]):
            break
        best = size
    return Batching(best, shares)


def _share(detector: Detector, depth: Depth, size: int, stop: Callable[[], bool]) -> float:
    """Return the least time of an image in a batch over that of one alone, taken in turns."""
    blank = np.zeros((*detector.input_size, 3), np.uint8)
    taken: dict[int, list[float]] = {1: [], size: []}
    detector.detect_batch([blank] * size, depth=depth)  # the first is slower
    end = time.monotonic() + LIMIT_S
    for done in range(ROUNDS):
        if stop() or (done and time.monotonic() > end):
            break
        for count, times in taken.items():
            times.append(detector.detect_batch([blank] * count, depth=depth)[0].timing.total_ms)
    return min(taken[size], default=1.0) / min(taken[1], default=1.0)
