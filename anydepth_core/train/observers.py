# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that watches a run which a person started."""

from __future__ import annotations

import importlib.util

from anydepth_core.models.count import count_operations, count_parameters
from anydepth_core.train.events import Observer, Observers
from anydepth_core.train.loggers import CsvLog, ProgressBar, TensorBoardLog
from anydepth_core.train.pictures import PictureLog
from anydepth_core.train.recipe_file import recipe_values
from anydepth_core.train.summary import SummaryLog
from anydepth_core.train.trainer import Trainer


def watch(trainer: Trainer) -> None:
    """Let logs, pictures, a page and a progress bar watch a run, in its first process."""
    if not trainer.world.first:
        return
    folder, recipe = trainer.folder, trainer.recipe
    bar = ProgressBar()
    observers: list[Observer] = [bar, CsvLog(folder)]
    if importlib.util.find_spec('tensorboard'):
        observers.append(TensorBoardLog(folder))
    observers += [PictureLog(folder, trainer.data.class_names),
                  SummaryLog(folder, recipe.description or recipe.model, _facts(trainer),
                             recipe_values(recipe))]
    trainer.observer = Observers(observers, bar.say)
    trainer.report = bar.say


def _facts(trainer: Trainer) -> dict[str, str]:
    """Return what the page of a run says at its top."""
    recipe, model = trainer.recipe, trainer.step.model
    gflops = {depth: count_operations(model, depth, recipe.input_size).gflops
              for depth in ('full', 'base')}
    return {'network': recipe.model,
            'parameters': f'{count_parameters(model):,}',
            'GFLOPs': ', '.join(f'{depth} {each:.2f}' for depth, each in gflops.items()),
            'input': '×'.join(map(str, recipe.input_size)),
            'classes': str(len(trainer.data.class_names)),
            'training images': 'endless' if trainer.data.endless else f'{len(trainer.data):,}',
            'validation images': f'{len(trainer.validation):,}'}
