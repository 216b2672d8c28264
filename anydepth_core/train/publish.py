# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The averaged weights, evaluated now and then, and written where they are the best so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from anydepth_core.data.batches import validation_batches
from anydepth_core.data.dataset import DetectionDataset
from anydepth_core.evaluate.batches import Evaluation, evaluate_depths
from anydepth_core.models.base import AnyDepthModel, as_ordinary
from anydepth_core.models.model_info import ModelInfo, measured
from anydepth_core.models.weights import save_weights
from anydepth_core.train.recipe import Recipe

WEIGHTS = 'weights.safetensors'


@dataclass
class Scoreboard:
    """The best AP of a run so far.

    Attributes:
        best: by 'full', 'base' and 'mean', of what is trained.
        stale: evaluations since the watched one was last better.
        iteration: of the last evaluation; 0 if there was none.
    """

    best: dict[str, float] = field(default_factory=dict)
    stale: int = 0
    iteration: int = 0

    def enter(self, iteration: int, ap: Mapping[str, float], watch: str) -> list[str]:
        """Enter the AP by depth of one evaluation; return which of the best it improves."""
        self.iteration = iteration
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


def describe_run(recipe: Recipe, class_names: Sequence[str]) -> ModelInfo:
    """Return what the weights of a run say about themselves, but for their AP.

    Raises:
        WeightsError: no weights file can hold a text, a name or the input size.
    """
    return ModelInfo(
        model=recipe.model, class_names=tuple(class_names), input_size=recipe.input_size,
        resize=recipe.resize, licence=recipe.licence, description=recipe.description,
        created_by='python training/train.py, see training/recipes/')


def write_weights(folder: Path, model: AnyDepthModel, recipe: Recipe, info: ModelInfo,
                  ap: Mapping[str, float], better: Sequence[str]) -> None:
    """Write the latest weights of a run, and each of the best that they improve.

    Raises:
        WeightsError: a weight is not finite, or the folder cannot be written.
    """
    info = replace(info, ap=measured(ap))
    if recipe.shared_norms or recipe.sliced_aggregators:
        model = as_ordinary(model)
    for name in (WEIGHTS, *(f'best_{name}.safetensors' for name in better)):
        save_weights(folder / name, model, info, dtype=torch.float16)
