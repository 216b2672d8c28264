# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The averaged weights, evaluated now and then, and written where they are the best so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from anydepth_core.data.batches import validation_batches
from anydepth_core.data.dataset import DetectionDataset
from anydepth_core.evaluate.batches import Evaluation, evaluate_depths
from anydepth_core.models.base import AnyDepthModel, as_ordinary
from anydepth_core.models.weights import ModelInfo, save_weights
from anydepth_core.train.recipe import Recipe

WEIGHTS = 'weights.safetensors'


@dataclass
class Scoreboard:
    """The best AP of a run so far.

    Attributes:
        best: by 'full', 'base' and 'mean', of what is trained.
        stale: evaluations since the watched one was last better.
    """

    best: dict[str, float] = field(default_factory=dict)
    stale: int = 0

    def enter(self, ap: Mapping[str, float], watch: str) -> list[str]:
        """Enter the AP by depth of one evaluation; return which of the best it improves."""
        scores = {**ap, 'mean': sum(ap.values()) / len(ap)}
        better = [name for name, score in scores.items() if score > self.best.get(name, -2.0)]
        self.best |= {name: scores[name] for name in better}
        self.stale = 0 if watch in better else self.stale + 1
        return better


def trained_depths(recipe: Recipe) -> tuple[str, ...]:
    """Return the extremes that a recipe trains."""
    return ('full', 'base') if recipe.passes == 'both' else (recipe.passes,)


def evaluate_run(model: AnyDepthModel, data: DetectionDataset, recipe: Recipe,
                 ) -> dict[str, Evaluation]:
    """Evaluate the trained depths on a data set, which is read once."""
    source = validation_batches(
        data, input_size=recipe.input_size, resize=recipe.resize,
        batch=max(1, recipe.batch // recipe.accumulate), workers=recipe.workers)
    return evaluate_depths(model, source, trained_depths(recipe))


def write_weights(folder: Path, model: AnyDepthModel, recipe: Recipe, class_names: Sequence[str],
                  ap: Mapping[str, float], better: Sequence[str]) -> None:
    """Write the latest weights of a run, and each of the best that they improve.

    Raises:
        WeightsError: a weight is not finite, or the folder cannot be written.
    """
    info = ModelInfo(
        model=recipe.model, class_names=tuple(class_names), input_size=recipe.input_size,
        resize=recipe.resize, licence=recipe.licence, description=recipe.description,
        ap=dict(ap), created_by='python training/train.py, see training/recipes/')
    if recipe.shared_norms or recipe.sliced_aggregators:
        model = as_ordinary(model)
    for name in (WEIGHTS, *(f'best_{name}.safetensors' for name in better)):
        save_weights(folder / name, model, info, dtype=torch.float16)
