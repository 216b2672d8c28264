# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes as batches for training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from anydepth_core.data.scenes import render_scene
from anydepth_core.losses.assign import Targets
from anydepth_core.runtime.preprocess import fit


class Batch(NamedTuple):
    """Images ready for a network, and what is in them.

    Attributes:
        images: (B, 3, H, W) uint8 RGB.
        targets: the objects of each image, in pixels of `images`.
        ids: what to call each image in a message.
    """

    images: Tensor
    targets: list[Targets]
    ids: list[str]


class SceneDataset(Dataset[tuple[Tensor, Targets, str]]):
    """Scene number i is `render_scene(first_seed + i)`, letterboxed to the network's input.

    Args:
        first_seed: seed of scene 0.
        count: how many scenes.
        sizes: (height, width) of the cameras, taken in turn.
        input_size: (height, width) of the network input.
    """

    def __init__(self, first_seed: int, count: int, sizes: Sequence[tuple[int, int]],
                 input_size: tuple[int, int]) -> None:
        self.first_seed, self.count = first_seed, count
        self.sizes, self.input_size = tuple(sizes), input_size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Targets, str]:
        """Return the (3, H, W) uint8 image, its objects and its name."""
        seed = self.first_seed + index
        scene = render_scene(seed, size=self.sizes[index % len(self.sizes)])
        image = np.empty((*self.input_size, 3), np.uint8)
        placement = fit(scene.image, image, 'letterbox', 'rgb')
        boxes = placement.to_input(scene.boxes)
        targets = Targets(torch.from_numpy(scene.labels), torch.from_numpy(boxes))
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        return pixels, targets, f'scene {seed}'


def batches(dataset: SceneDataset, batch: int, workers: int, *, first: int = 0) -> Iterator[Batch]:
    """Yield the data set in order from image `first` on, in batches, rendered by workers."""
    loader = DataLoader(dataset, batch_size=batch, sampler=range(first, len(dataset)),
                        num_workers=workers, collate_fn=_collate,
                        prefetch_factor=4 if workers else None, worker_init_fn=_one_thread)
    yield from loader


def _collate(items: list[tuple[Tensor, Targets, str]]) -> Batch:
    images, targets, ids = zip(*items, strict=True)
    return Batch(torch.stack(images), list(targets), list(ids))


def _one_thread(_worker: int) -> None:
    import cv2
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
