# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: steps, averaged weights, evaluation, exact resume."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
import contextlib
import dataclasses
import math
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from anydepth_core.data.batches import Batch, training_batches
from anydepth_core.data.options import open_data
from anydepth_core.errors import AnyDepthError, RecipeError
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.train.checkpoint import load_checkpoint, save_checkpoint
from anydepth_core.train.distributed import World
from anydepth_core.train.ema import Averaged
from anydepth_core.train.events import BatchEvent, EvaluationEvent, Observer, StepEvent
from anydepth_core.train.inputs import Inputs, Stopwatch, drawn_seed, input_size, to_inputs
from anydepth_core.train.optimizer import make_optimizer, make_schedule, warm_momentum
from anydepth_core.train.publish import (
    WEIGHTS,
    Scoreboard,
    describe_run,
    evaluate_run,
    trained_depths,
    write_weights,
)
from anydepth_core.train.recipe import MAY_CHANGE, Recipe
from anydepth_core.train.recipe_file import parse_recipe, recipe_values
from anydepth_core.train.setup import make_folder, make_model, make_step, train_mode

__all__ = ['CHECKPOINT', 'WEIGHTS', 'Trainer']

CHECKPOINT = 'checkpoint.pt'
ENDLESS_EVALUATE_EVERY = 500
PICTURED_BATCHES = 2
LEAST_SCALE = 1e-4  # far below what an overflow takes; gradients are no numbers then
ALONE = World(0, 1, torch.device('cpu'))


class Trainer:
    """One run in one folder: `checkpoint.pt`, `weights.safetensors`, `best_*.safetensors`.

    Args:
        recipe: what to do.
        folder: where to write; made if missing.
        report: called with one line of text now and then.
        world: this process among those of the run.

    Attributes:
        observer: told of every step and evaluation; may be set before `run`.

    Raises:
        AnyDepthError: a recipe that cannot be followed, or data that cannot be read.
    """

    def __init__(self, recipe: Recipe, folder: Path, report: Callable[[str], None],
                 world: World = ALONE) -> None:
        self.recipe, self.folder, self.world = recipe, folder, world
        self.report = report if world.first else lambda _line: None
        self.observer = Observer()
        if (recipe.batch // recipe.accumulate) % world.size:
            raise RecipeError(f'batch: {recipe.batch // recipe.accumulate} images per pass do not '
                              f'divide among {world.size} processes')
        if recipe.sync_norms and world.size > 1 and world.device.type != 'cuda':
            raise RecipeError('sync_norms: needs CUDA devices; sync_norms=false trains without')
        make_folder(folder)
        torch.set_num_threads(recipe.threads)
        self.data, self.validation = open_data(recipe.data)
        self.info = describe_run(recipe, self.data.class_names)
        model = make_model(recipe, self.data.class_names).to(world.device)
        self.average = Averaged(model, recipe.ema_decay, recipe.ema_ramp)
        self.step = make_step(recipe, model)
        if recipe.sync_norms:
            self.step = cast(Any, nn.SyncBatchNorm.convert_sync_batchnorm(self.step))
        train_mode(self.step, recipe)
        self.wrapped = world.wrap(self.step, all_used=recipe.passes == 'both')
        self.parameters = list(self.step.parameters())
        self.optimizer = make_optimizer(model, recipe.optimizer)
        self.iterations = recipe.iterations or math.ceil(
            (recipe.epochs or 0) * len(self.data) / recipe.batch)
        self.schedule = make_schedule(self.optimizer, recipe.optimizer, self.iterations)
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=recipe.precision == 'fp16')
        self.iteration = 0
        self.scores = Scoreboard()
        self.stop_requested = False

    @classmethod
    def resume(cls, folder: Path, report: Callable[[str], None], recipe: Recipe | None = None,
               world: World = ALONE) -> Trainer:
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
        trainer = cls(recipe or parse_recipe(state['recipe']), folder, report, world)
        for name in ('average', 'optimizer', 'schedule', 'scaler'):
            getattr(trainer, name).load_state_dict(state[name])
        trainer.step.model.load_state_dict(state['model'])
        trainer.iteration = int(state['iteration'])
        if (before := state.get('processes', world.size)) != world.size:
            trainer.report(f'note: begun with {before} processes and going on with {world.size}, '
                           'which share the images out otherwise: the result will be another')
        # Checkpoints of before tell no iteration; they were written after the evaluation.
        trainer.scores = Scoreboard(**{'iteration': trainer.iteration, **state['scores']})
        return trainer

    def run(self) -> None:
        """Train to the last iteration, or until `stop_requested`; always leaves a checkpoint.

        Raises:
            AnyDepthError: a term of the loss is not finite; the last good checkpoint stays.
        """
        recipe, watch = self.recipe, Stopwatch()
        self.observer.start(self.iteration)
        if self.evaluation_due:  # it failed, or was interrupted, after the checkpoint
            self.publish()
            self.save()
        with contextlib.closing(self._source()) as source:
            stop = False
            while not (stop or self.finished):
                terms = self._update(source, watch)
                self.iteration += 1
                last = self.iteration == self.iterations
                if last or self.iteration % recipe.log_every == 0:
                    self._tell(terms, watch)
                if evaluated := self.evaluation_due:
                    self.save()  # what was trained stays, whatever happens to the evaluation
                    self.publish()
                    watch.restart()
                stop, = self.world.any(self.stop_requested)
                if (stop or evaluated or self.finished
                        or self.iteration % recipe.checkpoint_every == 0):
                    self.save()
        self.observer.on_end(self.iteration)
        if not self.finished:
            self.report(f'stopped at iteration {self.iteration}; --resume goes on from there')
        elif self.iteration < self.iterations:
            self.report(f'no better {recipe.watch} AP in {self.scores.stale} evaluations: '
                        f'finished at iteration {self.iteration}')

    @property
    def finished(self) -> bool:
        """Whether the last iteration is done, or more of them are not worth while."""
        patience = self.recipe.patience
        return self.iteration >= self.iterations or (
            patience > 0 and self.scores.stale >= patience)

    def request_stop(self) -> None:
        """Stop after the step that is running, with a checkpoint; may be called by a signal."""
        self.stop_requested = True

    @property
    def evaluate_every(self) -> int:
        """How many iterations lie between two evaluations."""
        epoch = ENDLESS_EVALUATE_EVERY if self.data.endless else \
            max(1, len(self.data) // self.recipe.batch)
        return self.recipe.evaluate_every or epoch

    @property
    def evaluation_due(self) -> bool:
        """Whether the weights of this iteration are to be evaluated and have not been yet."""
        return self.iteration > self.scores.iteration and (
            self.iteration == self.iterations or self.iteration % self.evaluate_every == 0)

    def save(self) -> None:
        """Write the checkpoint."""
        if self.world.first:
            parts = {name: getattr(self, name).state_dict()
                     for name in ('average', 'optimizer', 'schedule', 'scaler')}
            save_checkpoint(self.folder / CHECKPOINT, {
                'recipe': recipe_values(self.recipe), 'iteration': self.iteration,
                'processes': self.world.size, 'scores': dataclasses.asdict(self.scores),
                'model': self.step.model.state_dict(), **parts})

    def publish(self) -> dict[str, float]:
        """Evaluate the averaged weights at the trained depths and write them.

        Returns:
            AP by depth, the same in every process.
        """
        ap = dict.fromkeys(trained_depths(self.recipe), 0.0)
        model = cast(AnyDepthModel, self.average.module)
        found = evaluate_run(model, self.validation, self.recipe) if self.world.first else {}
        ap |= {depth: round(each.scores.ap, 4) for depth, each in found.items()}
        ap = dict(zip(ap, self.world.from_first(list(ap.values()))))
        better = self.scores.enter(self.iteration, ap, self.recipe.watch)
        if self.world.first:
            write_weights(self.folder, model, self.recipe, self.info, ap, better)
            self.observer.on_evaluation(
                EvaluationEvent(self.iteration, found, self.data.class_names))
        return ap

    def _source(self) -> Generator[Batch, None, None]:
        recipe = self.recipe
        plain = recipe.augmentation.close_mosaic
        return training_batches(
            self.data, recipe.augmentation, input_size=recipe.input_size, resize=recipe.resize,
            batch=recipe.batch // recipe.accumulate, workers=recipe.workers, seed=recipe.seed,
            first=self.iteration * recipe.batch, last=self.iterations * recipe.batch,
            rank=self.world.rank, world=self.world.size,
            plain_from=self.iterations * recipe.batch - plain * len(self.data) if plain else None)

    def _update(self, source: Iterator[Batch], watch: Stopwatch) -> dict[str, Tensor]:
        """Take one optimizer step; return the terms of its loss."""
        recipe = self.recipe
        size = input_size(recipe, self.iteration)
        warm_momentum(self.optimizer, recipe.optimizer, self.iteration)
        total: dict[str, Tensor] = {}
        for part in range(recipe.accumulate):
            with watch('data'):
                batch = next(source)
                inputs = to_inputs(batch, size, self.world.device)
            if self.iteration < PICTURED_BATCHES and part == 0:
                self.observer.on_batch(BatchEvent(self.iteration, batch))
            terms = self._accumulate(inputs, part, watch)
            total = {name: total.get(name, 0) + term.detach() for name, term in terms.items()}
        watch.images += recipe.batch
        with watch('optimizer'):
            self._descend(batch.ids)
        return {name: term / recipe.accumulate for name, term in total.items()}

    def _accumulate(self, inputs: Inputs, part: int, watch: Stopwatch) -> dict[str, Tensor]:
        """Add the gradients of one forward pass."""
        recipe = self.recipe
        # What a step draws depends on its number alone, so that a resumed run draws the same.
        torch.manual_seed(drawn_seed(recipe.seed, self.iteration, part, self.world.rank))
        kind = self.world.device.type
        with watch('forward'), torch.autocast(
                kind, torch.float16 if recipe.precision == 'fp16' else torch.bfloat16,
                enabled=recipe.precision != 'fp32'):
            terms: dict[str, Tensor] = self.wrapped(inputs.images, inputs.targets)
        finite = torch.stack(list(terms.values())).detach().isfinite().tolist()
        bad = next((name for name, good in zip(terms, finite) if not good), None)
        if any(self.world.any(bad is not None)):
            raise AnyDepthError(self._not_finite(
                f'loss term {bad} is {float(terms[bad].detach())} on {", ".join(inputs.ids)}'
                if bad else 'a loss term is not finite in another process'))
        with watch('backward'):
            factor = recipe.optimizer.gradient_factor / recipe.accumulate
            self.scaler.scale(torch.stack(list(terms.values())).sum() * factor).backward()
        return terms

    def _descend(self, ids: Sequence[str]) -> None:
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.recipe.optimizer.clip_norm)
        # A scaler leaves out the steps whose gradients overflow and halves its scale.
        overflow = self.scaler.is_enabled() and self.scaler.get_scale() > LEAST_SCALE
        if not overflow and not torch.isfinite(norm):
            raise AnyDepthError(self._not_finite(f'the gradient is {float(norm)} on '
                                                 f'{", ".join(ids)}'))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.schedule.step()
        self.average.update_parameters()

    def _not_finite(self, what: str) -> str:
        return (f'iteration {self.iteration}: {what}; the last checkpoint is good, try a smaller '
                'optimizer.learning_rate')

    def _tell(self, terms: dict[str, Tensor], watch: Stopwatch) -> None:
        seconds, rate = watch.restart()
        event = StepEvent(self.iteration, self.iterations,
                          {name: float(term) for name, term in terms.items()},
                          float(self.schedule.get_last_lr()[-1]), rate, seconds)
        self.observer.on_step(event)
