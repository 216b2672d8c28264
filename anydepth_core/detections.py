# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a detector returns for one image. Numpy only, so that any process can hold it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FrameTiming:
    """Wall-clock milliseconds that each phase of one frame took."""

    preprocess_ms: float
    network_ms: float
    decode_ms: float

    @property
    def total_ms(self) -> float:
        """Milliseconds from the image array to the detections."""
        return self.preprocess_ms + self.network_ms + self.decode_ms


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects found in one image, best first, and how they were found.

    Attributes:
        boxes: (N, 4) float32, corners x1 y1 x2 y2 in pixels of the given image, clipped to it.
        scores: (N,) float32 in [0, 1], descending.
        labels: (N,) int64, indices into the detector's class names.
        depth: canonical text of the depth that ran.
        timing: how long each phase took.
        image_size: (height, width) of the given image in pixels.
        benefit: by how much a router expects full to find more than base in the next image; nan
            without a router.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    depth: str
    timing: FrameTiming
    image_size: tuple[int, int]
    benefit: float = float('nan')

    def __len__(self) -> int:
        return len(self.scores)
