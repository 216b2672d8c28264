# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets of filled rectangles on black: what a box must enclose can be seen in the pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anydepth_core.data.dataset import Objects, Sample
from anydepth_core.runtime.images import write_image

CLASS_NAMES = ('red', 'green', 'blue')


class DrawnImages:
    """Image i shows one rectangle of class i % 3, in that class's colour, as large as it likes."""

    class_names = CLASS_NAMES
    endless = False

    def __init__(self, seed: int, count: int, *, sides: tuple[int, int] = (40, 160)) -> None:
        self.samples = [_drawn(np.random.default_rng((seed, i)), i, sides) for i in range(count)]

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, index: int) -> Sample:
        return self.samples[index]


def _drawn(rng: np.random.Generator, index: int, sides: tuple[int, int]) -> Sample:
    height, width = rng.integers(*sides, 2)
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0 = int(rng.integers(0, width - 12)), int(rng.integers(0, height - 12))
    x1, y1 = int(rng.integers(x0 + 12, width + 1)), int(rng.integers(y0 + 12, height + 1))
    label = index % len(CLASS_NAMES)
    image[y0:y1, x0:x1, label] = 255
    image.flags.writeable = False
    objects = Objects(np.array([[x0, y0, x1, y1]], np.float32), np.array([label]),
                      np.array([False]), np.array([(x1 - x0) * (y1 - y0)], np.float32))
    return Sample(image, objects, f'{index:03}.png')


def shown(image: NDArray[np.uint8], label: int, *, least: float = 0.5) -> NDArray[np.bool_]:
    """Return (H, W): which pixels are at least so much of the colour of a class.

    The rest of a pixel may be black or grey padding: both have as much of one colour as of
    another.
    """
    others = np.delete(image, label, axis=2).max(axis=2)
    return image[..., label].astype(int) - others >= int(255 * least)


def write_images(folder: Path, images: DrawnImages) -> None:
    folder.mkdir(parents=True)
    for sample in images.samples:
        write_image(folder / sample.id, sample.image)


def coco_values(images: DrawnImages) -> dict[str, Any]:
    """Return a set as COCO has it: ids have gaps and are in no order."""
    annotations: list[dict[str, Any]] = []
    for index, (_, objects, _) in enumerate(images.samples):
        for (x0, y0, x1, y1), label in zip(objects.boxes.tolist(), objects.labels.tolist()):
            annotations.append({
                'id': 1000 - len(annotations), 'image_id': 7 + 5 * index,
                'category_id': 9 * label + 2, 'bbox': [x0, y0, x1 - x0, y1 - y0],
                'area': (x1 - x0) * (y1 - y0), 'iscrowd': 0})
    return {
        'images': [{'id': 7 + 5 * index, 'file_name': each.id, 'height': each.image.shape[0],
                    'width': each.image.shape[1]} for index, each in enumerate(images.samples)],
        'annotations': annotations[::-1],
        'categories': [{'id': 9 * label + 2, 'name': name}
                       for label, name in reversed(list(enumerate(CLASS_NAMES)))]}


def write_coco_split(folder: Path, split: str, images: DrawnImages,
                     values: dict[str, Any] | None = None) -> Path:
    """Write `split.json` and the folder `split` of images; return the JSON file."""
    write_images(folder / split, images)
    path = folder / f'{split}.json'
    path.write_text(json.dumps(coco_values(images) if values is None else values))
    return path


def write_yolo_set(folder: Path, train: DrawnImages, val: DrawnImages) -> Path:
    """Write a YOLO-txt set; return its YAML file."""
    for split, images in (('train', train), ('val', val)):
        write_images(folder / 'images' / split, images)
        (folder / 'labels' / split).mkdir(parents=True)
        for image, objects, name in images.samples:
            height, width = image.shape[:2]
            lines = [f'{label} {(x0 + x1) / 2 / width:.6f} {(y0 + y1) / 2 / height:.6f} '
                     f'{(x1 - x0) / width:.6f} {(y1 - y0) / height:.6f}\n'
                     for (x0, y0, x1, y1), label in zip(objects.boxes, objects.labels)]
            (folder / 'labels' / split / f'{name[:-4]}.txt').write_text(''.join(lines))
    path = folder / 'data.yaml'
    path.write_text('train: images/train\nval: images/val\nnames: [red, green, blue]\n')
    return path
