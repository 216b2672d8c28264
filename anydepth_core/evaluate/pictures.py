# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of what is there and what was found: side by side, one over the other, heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from anydepth_core.data.batches import Batch
from anydepth_core.data.dataset import Objects
from anydepth_core.evaluate.batches import Evaluation
from anydepth_core.evaluate.coco import Found
from anydepth_core.runtime.draw import Picture, class_color, draw_boxes
from anydepth_core.runtime.preprocess import Placement

PAPER = 255  # what lies around the pictures of a sheet
GAP = 6
SHOW_SCORE = 0.3
FULL_COLOR, BASE_COLOR, CROWD_COLOR = (0, 150, 230), (255, 165, 0), (150, 150, 150)


def sheet(rows: Sequence[Sequence[Picture]], *, cell: int) -> Picture:
    """Return (H, W, 3) uint8 RGB pictures in rows, their longer sides scaled to `cell` pixels.

    All columns are as wide as the widest picture, each row as high as its highest one.
    """
    scaled = [[_scaled(picture, cell)[0] for picture in row] for row in rows]
    width = max(picture.shape[1] for row in scaled for picture in row) + GAP
    columns = max(map(len, scaled))
    lines = []
    for row in scaled:
        height = max(picture.shape[0] for picture in row) + GAP
        line = np.full((height, columns * width, 3), PAPER, np.uint8)
        for column, picture in enumerate(row):
            left = column * width
            line[:picture.shape[0], left:left + picture.shape[1]] = picture
        lines.append(line)
    return np.concatenate(lines)[:-GAP, :-GAP]


def _scaled(picture: Picture, cell: int) -> tuple[Picture, float]:
    """Return the picture with `cell` pixels at its longer side, and by how much it grew."""
    height, width = picture.shape[:2]
    scale = cell / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    resized = cv2.resize(picture, size,
                         interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8), scale


def draw_objects(image: Picture, objects: Objects, class_names: Sequence[str], *,
                 caption: str = '') -> Picture:
    """Return a copy of the image with the objects that are there; a crowd is grey."""
    crowd = objects.crowd.tolist()
    labels = objects.labels.tolist()
    return draw_boxes(image, objects.boxes,
                      [f'{class_names[label]} (crowd)' if several else class_names[label]
                       for label, several in zip(labels, crowd)],
                      [CROWD_COLOR if several else class_color(label)
                       for label, several in zip(labels, crowd)], caption=caption)


def draw_found(image: Picture, found: Found, class_names: Sequence[str], *, caption: str = '',
               score_threshold: float = SHOW_SCORE) -> Picture:
    """Return a copy of the image with the detections that score enough, best on top."""
    kept = _best(found, score_threshold)
    return draw_boxes(image, kept.boxes[::-1],
                      [f'{class_names[label]} {score:.0%}' for label, score
                       in zip(kept.labels.tolist(), kept.scores.tolist())][::-1],
                      [class_color(label) for label in kept.labels.tolist()][::-1],
                      caption=caption)


def draw_full_over_base(image: Picture, full: Found, base: Found, *, caption: str = '',
                        score_threshold: float = SHOW_SCORE) -> Picture:
    """Return a copy of the image with base's boxes (orange) and full's (blue) over them.

    The paper's Figure 4, in colours that everyone can tell apart.
    """
    below, above = (_best(each, score_threshold).boxes for each in (base, full))
    return draw_boxes(image, np.concatenate((below, above)), [''] * (len(below) + len(above)),
                      [BASE_COLOR] * len(below) + [FULL_COLOR] * len(above), caption=caption)


def batch_picture(batch: Batch, class_names: Sequence[str], *, limit: int = 16, columns: int = 4,
                  cell: int = 320) -> Picture:
    """Return a sheet of a training batch as the network sees it, with its boxes."""
    pictures = []
    for pixels, targets, name in zip(batch.images[:limit], batch.targets, batch.ids):
        labels = targets.labels.tolist()
        # Scaled first and drawn then, or small inputs would get unreadable words.
        image, scale = _scaled(pixels.permute(1, 2, 0).cpu().numpy(), cell)
        pictures.append(draw_boxes(
            image, np.float32(scale) * targets.boxes.cpu().numpy(),
            [class_names[label] for label in labels],
            [class_color(label) for label in labels], caption=name))
    return sheet(_in_rows(pictures, columns), cell=cell)


def evaluation_picture(evaluations: Mapping[str, Evaluation], class_names: Sequence[str], *,
                       cell: int = 320) -> Picture:
    """Return a sheet with one row for each image kept: what is there, and found at each depth."""
    rows = []
    first = next(iter(evaluations.values()))
    for index, (pixels, placement) in enumerate(first.shown):
        image, scale = _scaled(pixels, cell)
        there = first.truth[index]
        there = there._replace(boxes=scale * placement.to_input(there.boxes))
        row = [draw_objects(image, there, class_names, caption=f'there: {first.ids[index]}')]
        for depth, evaluation in evaluations.items():
            found = evaluation.found[index]
            found = found._replace(boxes=scale * placement.to_input(found.boxes))
            row.append(draw_found(image, found, class_names, caption=depth))
        rows.append(row)
    return sheet(rows, cell=cell)


def heat_map(features: Tensor, placement: Placement, input_size: tuple[int, int],
             ) -> NDArray[np.float32]:
    """Return how active each place of an image is, in [0, 1], from (C, h, w) features of it.

    The norm over the channels, from the least to the greatest inside the image, at the resolution
    of the network input; what the image does not cover is cut off.
    """
    strength = features.detach().float().norm(dim=0).cpu().numpy()
    large = cv2.resize(strength, input_size[::-1], interpolation=cv2.INTER_LINEAR)
    (rows, columns), top, left = placement.resized, placement.top, placement.left
    inside = large[top:top + rows, left:left + columns]
    low, high = inside.min(), inside.max()
    return np.asarray((inside - low) / max(high - low, 1e-12), np.float32)


def draw_heat(image: Picture, heat: NDArray[np.float32], *, caption: str = '',
              strength: float = 0.6) -> Picture:
    """Return the image under a heat map of any resolution in [0, 1]: dark blue to yellow."""
    height, width = image.shape[:2]
    large = cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colors = cv2.applyColorMap((255 * large).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    mixed = (strength * colors + (1 - strength) * gray).astype(np.uint8)
    nothing: NDArray[np.float32] = np.zeros((0, 4), np.float32)
    return draw_boxes(mixed, nothing, [], [], caption=caption)


def _best(found: Found, score_threshold: float) -> Found:
    kept = found.scores >= score_threshold
    return Found(found.boxes[kept], found.scores[kept], found.labels[kept])


def _in_rows(pictures: Sequence[Picture], columns: int) -> list[Sequence[Picture]]:
    return [pictures[first:first + columns] for first in range(0, len(pictures), columns)]
