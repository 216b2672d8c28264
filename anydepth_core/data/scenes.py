# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A built-in source of pictures: drawn scenes with exact boxes, from nothing but a seed.

The box of an object is the tight box, in whole pixels, of its own silhouette inside the frame:
every pixel the object covers by half or more, whether or not another object is in front of it
(shadows are not part of it; lens blur is applied after). An object of which less than
`MIN_VISIBLE` can be seen, or whose box has a side under `MIN_SIDE` pixels, has no box; still
scenes do not show such objects at all, videos do while something passes in front of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.data.scene_brush import Image
from anydepth_core.data.scene_effects import apply_lens
from anydepth_core.data.scene_place import View
from anydepth_core.data.scene_world import (
    LABELLED,
    MIN_SIDE,
    MIN_VISIBLE,
    Painted,
    World,
    build_world,
    paint_world,
)
from anydepth_core.errors import DataError
from anydepth_core.files import whole_file

CLASS_NAMES: tuple[str, ...] = tuple(kind.name for kind in LABELLED)
SIZE_LIMITS = (96, 1280)
_SEEDS_PER_SET = 1_000_000


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        boxes: (N, 4) float32, x0 y0 x1 y1 in pixels of the image, far objects first.
        labels: (N,) int64, index into `CLASS_NAMES`.
    """

    image: Image
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


def render_scene(seed: int, *, size: tuple[int, int] = (480, 640)) -> Scene:
    """Draw the scene of `seed` (0 or more) at `size` (height, width); always the same picture.

    Raises:
        DataError: a negative seed, or a side outside `SIZE_LIMITS`.
    """
    _check(seed, size)
    world = build_world(np.random.default_rng(seed), size)
    frame, painted, _ = paint_world(world, world.view, 0.0, strict=True)
    return _scene(apply_lens(frame, world.lens, seed), painted)


class SceneVideo:
    """An endless film from a robot's camera; every frame can be had by its number.

    Args:
        seed: 0 or more.
        size: (height, width) in pixels.
        frames_per_scene: the place changes after so many frames.
        fps: frames per second of the film; sets how far things move from frame to frame.

    Raises:
        DataError: a negative seed, or a side outside `SIZE_LIMITS`.
    """

    def __init__(
        self,
        seed: int,
        size: tuple[int, int] = (480, 640),
        *,
        frames_per_scene: int = 150,
        fps: float = 30.0,
    ) -> None:
        _check(seed, size)
        self._seed, self._size = seed, size
        self._length, self._fps = frames_per_scene, fps
        self._world = lru_cache(maxsize=4)(self._build)

    def frame(self, index: int) -> Scene:
        """Return frame `index` (0 or more), the same whichever were asked for before."""
        _check(index, self._size, 'frame')
        chapter, step = divmod(index, self._length)
        world = self._world(chapter)
        seconds = step / self._fps
        view = self._camera(world, chapter, seconds)
        image, painted, _ = paint_world(world, view, seconds, strict=False)
        return _scene(apply_lens(image, world.lens, self._seed + index), painted)

    def _build(self, chapter: int) -> World:
        world = build_world(np.random.default_rng([self._seed, chapter, 1]), self._size, wide=1.7)
        return replace(world, lens=replace(world.lens, motion=0.0))

    def _camera(self, world: World, chapter: int, seconds: float) -> View:
        """The view after `seconds`: a slow pan, a little zoom and sway, and driving forward."""
        rng = np.random.default_rng([self._seed, chapter, 2])
        start, sway = rng.uniform(0, 2 * np.pi, 2)
        turn, side = rng.uniform(0.05, 0.16) * rng.choice([-1, 1]), rng.uniform(0.05, 0.15)
        nearest = min([actor.z for actor in world.actors], default=3.0)
        speed = min(0.35, 0.3 * nearest / (self._length / self._fps))
        view = world.view
        return replace(
            view,
            pan=float(turn * np.sin(0.5 * seconds + start)),
            x=float(side * np.sin(0.8 * seconds + sway)),
            z=speed * seconds,
            focal=view.focal * float(1 + 0.04 * np.sin(0.6 * seconds + sway)),
            horizon=view.horizon + view.height * 0.006 * float(np.sin(2.2 * seconds)),
        )


def write_coco(
    folder: str | Path,
    count: int,
    *,
    seed: int = 0,
    size: tuple[int, int] = (480, 640),
    quality: int = 95,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write `count` scenes as a COCO data set: `images/000000.jpg`..., `annotations.json`.

    Sets of different `seed` share no scene. The annotations are written last and in one step: a
    folder that has them is complete.

    Args:
        folder: made if it is not there; must be empty.
        count: number of scenes.
        seed: which set, 0 or more.
        size: (height, width) in pixels.
        quality: of the JPEG files, 1 to 100.
        progress: called after each scene with the number done.

    Returns:
        The path of the annotations.

    Raises:
        DataError: a folder that is not empty or cannot be written, or numbers out of range.
    """
    folder = Path(folder)
    _check(seed, size)
    if not 1 <= count <= _SEEDS_PER_SET:
        raise DataError(f'cannot write {count} scenes: choose 1 to {_SEEDS_PER_SET}')
    if not 1 <= quality <= 100:
        raise DataError(f'JPEG quality {quality} is out of range: choose 1 to 100')
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f'{folder} is not an empty folder: choose a new one or empty it')
        (folder / 'images').mkdir(parents=True)
        return _write_all(folder, count, seed, size, quality, progress)
    except OSError as error:
        raise DataError(f'cannot write scenes to {folder}: {error}') from error


def _write_all(
    folder: Path,
    count: int,
    seed: int,
    size: tuple[int, int],
    quality: int,
    progress: Callable[[int], None] | None,
) -> Path:
    height, width = size
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(count):
        scene = render_scene(seed * _SEEDS_PER_SET + index, size=size)
        name = f'{index:06d}.jpg'
        bgr = np.ascontiguousarray(scene.image[..., ::-1])
        done, code = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise DataError(f'could not encode {name}')
        (folder / 'images' / name).write_bytes(code.tobytes())
        images.append({'id': index + 1, 'file_name': name, 'height': height, 'width': width})
        for (x0, y0, x1, y1), label in zip(
            scene.boxes.tolist(), scene.labels.tolist(), strict=True
        ):
            annotations.append({
                'id': len(annotations) + 1, 'image_id': index + 1, 'category_id': label + 1,
                'bbox': [x0, y0, x1 - x0, y1 - y0], 'area': (x1 - x0) * (y1 - y0), 'iscrowd': 0,
            })
        if progress is not None:
            progress(index + 1)
    categories = [{'id': i + 1, 'name': n, 'supercategory': ''} for i, n in enumerate(CLASS_NAMES)]
    info = {'description': f'AnyDepth built-in scenes, seed {seed}, {count} images',
            'version': '1', 'year': 2026}
    target = folder / 'annotations.json'
    with whole_file(target, DataError) as file:
        file.write(json.dumps({'info': info, 'licenses': [], 'images': images,
                               'annotations': annotations, 'categories': categories}).encode())
    return target


def _check(number: int, size: tuple[int, int], what: str = 'seed') -> None:
    low, high = SIZE_LIMITS
    if number < 0:
        raise DataError(f'{what} {number} is negative: choose 0 or more')
    if not all(low <= side <= high for side in size):
        raise DataError(f'scene size {size[0]}x{size[1]}: choose sides of {low} to {high} pixels')


def _scene(image: Image, painted: list[Painted]) -> Scene:
    kept = [
        p
        for p in painted
        if p.label >= 0
        and p.visible >= MIN_VISIBLE
        and min(p.box[2] - p.box[0], p.box[3] - p.box[1]) >= MIN_SIDE
    ]
    boxes = np.array([p.box for p in kept], np.float32).reshape(-1, 4)
    return Scene(image, boxes, np.array([p.label for p in kept], np.int64))
