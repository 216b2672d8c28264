# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""From a batch of the data set to what a step takes, and how long each part of a step is."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from anydepth_core.data.batches import Batch, network_input
from anydepth_core.losses.assign import Targets
from anydepth_core.train.recipe import Recipe

STRIDE = 32


class Inputs(NamedTuple):
    """What a step takes.

    Attributes:
        images: (B, 3, H, W) float32 in [0, 1], channels last.
        targets: the objects of each image, in pixels of `images`.
        ids: what to call each image in a message.
    """

    images: Tensor
    targets: list[Targets]
    ids: list[str]


def drawn_seed(*numbers: int) -> int:
    """Return a seed that depends on all the numbers, the same on every machine."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def input_size(recipe: Recipe, iteration: int) -> tuple[int, int]:
    """Return the (height, width) of an iteration's images: one of the recipe's scales, drawn."""
    scale = np.random.default_rng((recipe.seed, iteration)).choice(recipe.scales)
    height, width = (max(1, round(side * scale / STRIDE)) * STRIDE for side in recipe.input_size)
    return height, width


def to_inputs(batch: Batch, size: tuple[int, int], device: torch.device) -> Inputs:
    """Move a batch to the device and resize it as a whole."""
    images = network_input(batch.images, device)
    height, width = images.shape[2:]
    if (height, width) != size:
        images = interpolate(images, size, mode='bilinear', antialias=True)
    factor = torch.tensor([size[1] / width, size[0] / height] * 2, device=device)
    targets = [Targets(t.labels.to(device), t.boxes.to(device) * factor) for t in batch.targets]
    return Inputs(images, targets, batch.ids)


class Stopwatch:
    """Seconds spent in each named part since the last restart, and images seen."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.images = 0
        self.begun = time.perf_counter()

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Add the time the block takes to a part."""
        begun = time.perf_counter()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - begun

    def restart(self) -> tuple[dict[str, float], float]:
        """Start anew; return the seconds by part and the images per second until now."""
        now = time.perf_counter()
        result = self.seconds, self.images / max(1e-9, now - self.begun)
        self.seconds, self.images, self.begun = {}, 0, now
        return result
