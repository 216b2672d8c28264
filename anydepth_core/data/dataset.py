# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What training and evaluation need of a data set, and the generated scenes as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from anydepth_core.data.scenes import CLASS_NAMES, Scene, render_scene

ENDLESS = (1 << 31) - 1


class Objects(NamedTuple):
    """The objects of one image.

    Attributes:
        boxes: (M, 4) float32 corners x0 y0 x1 y1 in pixels of the image, as recorded: a box may
            reach beyond the image.
        labels: (M,) int64 indices into the class names.
        crowd: (M,) bool; such a region holds many objects. It is no target of training, and
            evaluation counts neither for nor against what is found in it.
        areas: (M,) float32 in square pixels, as recorded; COCO sorts objects into sizes by it.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    areas: NDArray[np.float32]

    def only(self, which: NDArray[np.bool_]) -> Objects:
        """Return some of the objects."""
        return Objects(self.boxes[which], self.labels[which], self.crowd[which],
                       self.areas[which])


class Sample(NamedTuple):
    """An image with its objects.

    Attributes:
        image: (H, W, 3) uint8 RGB; may be read-only.
        objects: what is in it.
        id: what to call it in a message: a file name, or 'scene 17'.
    """

    image: NDArray[np.uint8]
    objects: Objects
    id: str


class DetectionDataset(Protocol):
    """Images with objects, by index.

    Attributes:
        class_names: name of each label.
        endless: training takes image after image in order and comes to no end; otherwise it sees
            all images of an epoch in a new order.
    """

    class_names: tuple[str, ...]
    endless: bool

    def __len__(self) -> int:
        """Return how many images there are; ENDLESS if there is no end."""

    def load(self, index: int) -> Sample:
        """Return one image; DataError or ImageError names it if it cannot be read."""


class SceneImages:
    """Scene number i is `render_scene(first_seed + i)`.

    Args:
        first_seed: seed of scene 0.
        count: how many scenes; 0 for no end.
        sizes: (height, width) of the cameras, taken in turn.
    """

    class_names = CLASS_NAMES

    def __init__(self, first_seed: int, count: int, sizes: Sequence[tuple[int, int]]) -> None:
        self.first_seed, self.count, self.sizes = first_seed, count, tuple(sizes)
        self.endless = not count

    def __len__(self) -> int:
        return self.count or ENDLESS

    def load(self, index: int) -> Sample:
        """Draw one scene."""
        seed = self.first_seed + index
        scene = render_scene(seed, size=self.sizes[index % len(self.sizes)])
        return Sample(scene.image, scene_objects(scene), f'scene {seed}')


def scene_objects(scene: Scene) -> Objects:
    """Return the objects of a scene, none of which is a crowd."""
    sides = scene.boxes[:, 2:] - scene.boxes[:, :2]
    return Objects(scene.boxes, scene.labels, np.zeros(len(sides), np.bool_),
                   sides[:, 0] * sides[:, 1])
