# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: steps, averaged weights, evaluation, exact resume."""

from __future__ import annotations

from collections.abc import Callable
import csv
import math
from pathlib import Path
import time
from typing import Any, cast

import torch
from torch import Tensor, nn

from anydepth_core.data.batches import Batch, SceneDataset, batches
from anydepth_core.data.scenes import CLASS_NAMES
from anydepth_core.errors import AnyDepthError, RecipeError
from anydepth_core.evaluate.batches import evaluate
from anydepth_core.models import create_model
from anydepth_core.models.weights import ModelInfo, load_weights, save_weights
from anydepth_core.models.yolo import AnyDepthYolo
from anydepth_core.train.checkpoint import load_checkpoint, save_checkpoint
from anydepth_core.train.ema import averaged
from anydepth_core.train.recipe import OptimizerRecipe, Recipe, parse_recipe, recipe_values
from anydepth_core.train.step import YoloStep

CHECKPOINT = 'checkpoint.pt'
WEIGHTS = 'weights.safetensors'
MAY_CHANGE = {'workers', 'threads', 'evaluate_every', 'checkpoint_every', 'log_every'}


class Trainer:
    """One run in one folder: `checkpoint.pt`, `weights.safetensors`, `losses.csv`, `scores.csv`.

    Args:
        recipe: what to do.
        folder: where to write; made if missing.
        report: called with one line of text now and then.

    Raises:
        RecipeError: an unknown model, or a family that cannot be trained.
    """

    def __init__(self, recipe: Recipe, folder: Path, report: Callable[[str], None]) -> None:
        self.recipe, self.folder, self.report = recipe, folder, report
        torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        model = create_model(recipe.model, num_classes=len(CLASS_NAMES))
        if not isinstance(model, AnyDepthYolo):
            raise RecipeError(f'model: {recipe.model} is of the {model.family} family; only the '
                              'yolo family has its losses here')
        if recipe.initial_weights:
            start_from(model, recipe)
        model.to(memory_format=torch.channels_last)
        self.step = YoloStep(model, recipe.loss, recipe.distillation)
        self.average = averaged(model, recipe.ema_decay, recipe.ema_ramp)
        self.optimizer = make_optimizer(model, recipe.optimizer)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, learning_rate_curve(recipe.optimizer, recipe.iterations))
        self.iteration = 0
        self.stop_requested = False
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def resume(cls, folder: Path, report: Callable[[str], None], recipe: Recipe | None = None,
               ) -> Trainer:
        """Go on from the folder's checkpoint, with its recipe.

        A `recipe` may be given too; it must agree but for what leaves the result as it is.

        Raises:
            RecipeError: no usable checkpoint, or a recipe that would change the run.
        """
        state = load_checkpoint(folder / CHECKPOINT)
        if recipe is not None:
            old, new = state['recipe'], recipe_values(recipe)
            for key in sorted(k for k in new if k not in MAY_CHANGE and new[k] != old.get(k)):
                raise RecipeError(f'{key}: the run in {folder} was started with {old.get(key)!r}; '
                                  'use another folder to start anew')
        trainer = cls(recipe or parse_recipe(state['recipe']), folder, report)
        trainer.step.model.load_state_dict(state['model'])
        trainer.average.load_state_dict(state['average'])
        trainer.optimizer.load_state_dict(state['optimizer'])
        trainer.schedule.load_state_dict(state['schedule'])
        torch.set_rng_state(state['rng'])
        trainer.iteration = int(state['iteration'])
        return trainer

    def run(self) -> None:
        """Train to the last iteration, or until `stop_requested`; always leaves a checkpoint.

        Raises:
            AnyDepthError: a term of the loss is not finite; the last good checkpoint stays.
        """
        recipe = self.recipe
        data = SceneDataset(recipe.data.seed, recipe.iterations * recipe.batch, recipe.data.sizes,
                            recipe.input_size)
        source = batches(data, recipe.batch, recipe.workers, first=self.iteration * recipe.batch)
        started, begun = time.monotonic(), self.iteration
        for batch in source:
            terms = self._update(batch)
            self.iteration += 1
            if self.iteration % recipe.log_every == 0:
                rate = (self.iteration - begun) * recipe.batch / (time.monotonic() - started)
                self._log(terms, rate)
            last = self.iteration == recipe.iterations
            if last or self.iteration % recipe.evaluate_every == 0:
                self.publish()
            if last or self.stop_requested or self.iteration % recipe.checkpoint_every == 0:
                self.save()
            if self.stop_requested:
                self.report(f'stopped at iteration {self.iteration}; resume goes on from there')
                return

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(self.folder / CHECKPOINT, {
            'recipe': recipe_values(self.recipe), 'iteration': self.iteration,
            'model': self.step.model.state_dict(), 'average': self.average.state_dict(),
            'optimizer': self.optimizer.state_dict(), 'schedule': self.schedule.state_dict(),
            'rng': torch.get_rng_state()})

    def publish(self) -> dict[str, float]:
        """Evaluate the averaged weights at full and base and write them; return AP by depth."""
        recipe = self.recipe
        data = SceneDataset(recipe.data.validation_seed, recipe.data.validation_count,
                            recipe.data.sizes, recipe.input_size)
        model = cast(AnyDepthYolo, self.average.module)
        scores = {depth: evaluate(model, batches(data, recipe.batch, recipe.workers), depth)
                  for depth in ('full', 'base')}
        ap = {depth: round(score.ap, 4) for depth, score in scores.items()}
        self.report(f'iteration {self.iteration}: ' + ', '.join(
            f'{depth} AP {score.ap:.3f} AP50 {score.ap50:.3f}' for depth, score in scores.items()))
        self._append('scores.csv', {'iteration': self.iteration} | {
            f'{depth}/{name}': round(getattr(score, name), 4) for depth, score in scores.items()
            for name in ('ap', 'ap50', 'ap75', 'small', 'medium', 'large')})
        save_weights(self.folder / WEIGHTS, model, ModelInfo(
            model=recipe.model, class_names=CLASS_NAMES, input_size=recipe.input_size,
            resize='letterbox', licence=recipe.licence, description=recipe.description, ap=ap,
            created_by='python training/train.py, see training/recipes/'),
            dtype=torch.float16)
        return ap

    def _update(self, batch: Batch) -> dict[str, Tensor]:
        """Take one optimizer step; return the terms of its loss."""
        self.step.train()
        images = batch.images.to(torch.float32, memory_format=torch.channels_last) / 255
        terms = self.step(images, batch.targets)
        for name, term in terms.items():
            if not torch.isfinite(term):
                raise AnyDepthError(
                    f'iteration {self.iteration}: loss term {name} is {float(term.detach())} on '
                    f'{", ".join(batch.ids)}; the last checkpoint is good, try a smaller '
                    'optimizer.learning_rate')
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        nn.utils.clip_grad_norm_(self.step.parameters(), self.recipe.optimizer.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.step.model)
        return terms

    def _log(self, terms: dict[str, Tensor], rate: float) -> None:
        values = {name: round(float(term.detach()), 4) for name, term in terms.items()}
        left = (self.recipe.iterations - self.iteration) * self.recipe.batch / rate
        self.report(f'iteration {self.iteration}/{self.recipe.iterations}  '
                    f'loss {sum(values.values()):.2f}  {rate:.1f} images/s  '
                    f'{left / 60:.0f} min left')
        self._append('losses.csv', {'iteration': self.iteration,
                                    'learning_rate': self.schedule.get_last_lr()[0]} | values)

    def _append(self, name: str, row: dict[str, Any]) -> None:
        path = self.folder / name
        new = not path.exists()
        with path.open('a', newline='') as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)


def start_from(model: nn.Module, recipe: Recipe) -> None:
    """Give `model` the recipe's initial weights; RecipeError if they are of another network."""
    known, info = load_weights(recipe.initial_weights)
    if info.model != recipe.model or info.class_names != CLASS_NAMES:
        raise RecipeError(f'initial_weights: {recipe.initial_weights} is {info.model} with '
                          f'{len(info.class_names)} classes, not {recipe.model} with the '
                          f'{len(CLASS_NAMES)} of the scenes')
    model.load_state_dict(known.state_dict())


def make_optimizer(model: nn.Module, recipe: OptimizerRecipe) -> torch.optim.Optimizer:
    """Return the optimizer; vectors (norms, biases, scales) are not decayed."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {'params': [p for p in trained if p.dim() >= 2], 'weight_decay': recipe.weight_decay},
        {'params': [p for p in trained if p.dim() < 2], 'weight_decay': 0.0}]
    if recipe.name == 'sgd':
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum,
                               nesterov=recipe.momentum > 0)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(recipe.momentum, 0.999))


def learning_rate_curve(recipe: OptimizerRecipe, iterations: int) -> Callable[[int], float]:
    """Return the share of the peak learning rate by iteration: linear up, then a half cosine."""
    def curve(iteration: int) -> float:
        if iteration < recipe.warm_up:
            return (iteration + 1) / recipe.warm_up
        done = (iteration - recipe.warm_up) / max(1, iterations - recipe.warm_up)
        wave = (1 + math.cos(math.pi * min(done, 1.0))) / 2
        return recipe.final_fraction + (1 - recipe.final_fraction) * wave

    return curve
