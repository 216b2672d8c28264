# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Sheets that show full and base at work on the same pictures (the paper's Figures 4 and 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from anydepth_core.data.batches import Batch, network_input, validation_batches
from anydepth_core.data.dataset import DetectionDataset, Sample
from anydepth_core.errors import DataError, DepthError, nearest
from anydepth_core.evaluate.batches import evaluate_depths
from anydepth_core.evaluate.pictures import draw_full_over_base, draw_heat, heat_map, sheet
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.weights import ModelInfo
from anydepth_core.runtime.draw import Picture

PER_ROW = 4


class ChosenImages:
    """Some images of a data set."""

    endless = False

    def __init__(self, dataset: DetectionDataset, indices: Sequence[int]) -> None:
        self._dataset, self._indices = dataset, tuple(indices)
        self.class_names = dataset.class_names

    def __len__(self) -> int:
        return len(self._indices)

    def load(self, index: int) -> Sample:
        """Return one of them."""
        return self._dataset.load(self._indices[index])


def choose(dataset: DetectionDataset, pick: str, count: int) -> list[int]:
    """Return which images to show.

    Args:
        dataset: where from.
        pick: 'crowded', those with the most objects; 'spread', evenly over the set; or numbers,
            separated by commas.
        count: how many, unless they are numbered.

    Raises:
        DataError: not one of these, or a number that the data set does not have.
    """
    total = len(dataset)
    count = min(count, total)
    if pick == 'spread':
        return [index * total // count for index in range(count)]
    if pick == 'crowded':
        sizes = [int((~dataset.load(index).objects.crowd).sum()) for index in range(total)]
        return sorted(sorted(range(total), key=lambda index: -sizes[index])[:count])
    words = [word.strip() for word in pick.split(',')]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise DataError(f"--pick {pick!r} is not 'crowded', 'spread' or numbers such as 3,14")
    for word in words:
        if int(word) >= total:
            raise DataError(f'--pick {pick}: there are {total} images, numbered from 0')
    return [int(word) for word in words]


def box_sheet(model: AnyDepthModel, info: ModelInfo, dataset: DetectionDataset,
              chosen: Sequence[int], *, score_threshold: float, cell: int) -> Picture:
    """Return a sheet of images with full's boxes drawn over base's."""
    images = ChosenImages(dataset, chosen)
    found = evaluate_depths(model, _batches(images, info), ('full', 'base'), keep=0)
    pictures = [draw_full_over_base(images.load(number).image, found['full'].found[number],
                                    found['base'].found[number],
                                    caption='' if number else 'blue: full, orange: base',
                                    score_threshold=score_threshold)
                for number in range(len(images))]
    return sheet([pictures[first:first + PER_ROW]
                  for first in range(0, len(pictures), PER_ROW)], cell=cell)


@torch.inference_mode()
def heat_sheet(model: AnyDepthModel, info: ModelInfo, dataset: DetectionDataset,
               chosen: Sequence[int], stages: Sequence[str], *, cell: int) -> Picture:
    """Return a sheet with a row for each image: itself, and each stage in full and in base.

    Raises:
        DepthError: the model has no such stage.
    """
    space = model.depths
    for stage in stages:
        if stage not in space.stages:
            raise DepthError(f'unknown stage {stage!r}{nearest(stage, space.stages)}; stages are '
                             f'{" ".join(space.stages)}')
    images = ChosenImages(dataset, chosen)
    fused = model.fused().to(memory_format=torch.channels_last)
    device = next(fused.parameters()).device
    rows: list[list[Picture]] = []
    for batch in _batches(images, info):
        pixels = network_input(batch.images, device)
        passes = {str(depth): fused.features(pixels, depth)
                  for depth in (space.full, space.base)}
        for position, placement in enumerate(batch.placements):
            image = images.load(len(rows)).image
            rows.append([image] + [
                draw_heat(image, heat_map(features[stage][position], placement, info.input_size),
                          caption=f'{stage.upper()} {depth}')
                for stage in stages for depth, features in passes.items()])
    return sheet(rows, cell=cell)


def _batches(images: DetectionDataset, info: ModelInfo) -> Iterator[Batch]:
    return iter(validation_batches(images, input_size=info.input_size, resize=info.resize,
                                   batch=PER_ROW, workers=0))
