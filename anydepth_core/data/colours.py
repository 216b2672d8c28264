# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Changes of colour; boxes stay."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
import torch
from torchvision.transforms import v2

from anydepth_core.data.geometry import Picture


def change_hsv(picture: Picture, gains: NDArray[np.float64]) -> Picture:
    """Multiply hue (around the circle), saturation and value by 1 + gains."""
    levels = np.arange(256)
    hue, saturation, value = levels * (1 + gains[:, None])
    table = np.stack([hue % 180, saturation.clip(0, 255), value.clip(0, 255)], axis=1)
    changed = cv2.LUT(cv2.cvtColor(picture.image, cv2.COLOR_RGB2HSV),
                      table.astype(np.uint8)[None])
    image = cv2.cvtColor(changed, cv2.COLOR_HSV2RGB)
    return picture._replace(image=np.asarray(image, np.uint8))


def distort_colours(picture: Picture, probability: float, rng: Generator) -> Picture:
    """Apply torchvision's RandomPhotometricDistort with its usual ranges (SSD, arXiv 1512.02325).

    Brightness, contrast, saturation, hue and the order of the channels change, each with the
    probability given.
    """
    image = torch.from_numpy(picture.image).permute(2, 0, 1)
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: that is slow, as it seeds every device there might be.
        torch.default_generator.manual_seed(int(rng.integers(1 << 63)))
        changed = v2.RandomPhotometricDistort(p=probability)(image)
    return picture._replace(image=np.ascontiguousarray(changed.permute(1, 2, 0).numpy()))
