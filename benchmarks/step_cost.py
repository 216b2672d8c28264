# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What self-distillation costs: `python benchmarks/step_cost.py [MODEL …]`.

Times whole training steps (forward, backward, optimizer) of the same network in one run,
alternating: both passes with every term of the distillation, and the full pass alone, as a plain
single-depth detector is trained. Prints the ratio beside what the operations alone would give,
(full + base) / full.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import json
import statistics
import time
from typing import TYPE_CHECKING

from command import end

from anydepth_core.commands.arguments import at_least
from anydepth_core.runtime.cores import share_cores
from anydepth_core.train.memory import keep_freed_memory

if TYPE_CHECKING:
    from anydepth_core.train.inputs import Inputs
    from anydepth_core.train.recipe import Recipe

MODELS = ('anydepth-yolo-pico', 'anydepth-yolo-n', 'anydepth-detr-tiny', 'anydepth-detr-r18')
ALLOWED = 0.1


def main() -> int:
    """Time the models named on the command line; return 1 if one costs more than allowed."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='*', default=MODELS, metavar='MODEL')
    parser.add_argument('--size', type=int, nargs=2, default=(320, 320))
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--steps', type=at_least(1), default=10)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args()
    share_cores()
    keep_freed_memory()  # as training does
    import torch  # reads how its threads shall wait

    torch.set_num_threads(args.threads)
    results = [measure(name, tuple(args.size), args.batch, args.steps) for name in args.models]
    if args.json:
        print(json.dumps(results, indent=1))
    else:
        print(f'{"model":24}{"both ms":>9}{"full ms":>9}{"ratio":>7}{"operations":>12}'
              f'{"allowed":>9}')
        for row in results:
            print(f'{row["model"]:24}{row["both_ms"]:9.0f}{row["full_ms"]:9.0f}'
                  f'{row["ratio"]:7.2f}{row["operations"]:12.2f}{row["allowed"]:9.2f}')
    return int(any(row['ratio'] > row['allowed'] for row in results))


def measure(name: str, size: tuple[int, int], batch: int, steps: int) -> dict[str, float | str]:
    """Return median step times of one model in milliseconds, and their ratio."""
    from anydepth_core.models.count import count_operations
    from anydepth_core.train.recipe_file import parse_recipe
    from anydepth_core.train.setup import make_model

    recipes = {passes: parse_recipe({'model': name, 'iterations': 1, 'input_size': size,
                                     'batch': batch, 'passes': passes})
               for passes in ('both', 'full')}
    inputs = _inputs(recipes['both'])
    runs = {passes: _stepper(recipe, inputs) for passes, recipe in recipes.items()}
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {passes: [] for passes in runs}
    for _ in range(steps):
        for passes, run in runs.items():
            begun = time.perf_counter()
            run()
            seconds[passes].append(time.perf_counter() - begun)
    both, full = (statistics.median(seconds[passes]) for passes in ('both', 'full'))
    ratio = statistics.median(b / f for b, f in zip(seconds['both'], seconds['full']))
    model = make_model(recipes['both'], ['x'] * 8)
    depth = str(model.depths.full)
    base = str(model.depths.base)
    if model.family == 'rtdetr':  # training runs every decoder layer at both extremes
        base = f'base@{model.depths.full.decoder_layers}'
    gflops = [count_operations(model, each, size).gflops for each in (depth, base)]
    operations = sum(gflops) / gflops[0]
    return {'model': name, 'both_ms': both * 1e3, 'full_ms': full * 1e3, 'ratio': ratio,
            'operations': operations, 'allowed': operations + ALLOWED}


def _inputs(recipe: Recipe) -> Inputs:
    import torch

    from anydepth_core.data.batches import training_batches
    from anydepth_core.data.options import Augmentation, open_data
    from anydepth_core.train.inputs import to_inputs

    data, _ = open_data(recipe.data)
    batch = next(iter(training_batches(
        data, Augmentation(), input_size=recipe.input_size, resize=recipe.resize,
        batch=recipe.batch, workers=0, seed=0, first=0, last=recipe.batch)))
    return to_inputs(batch, recipe.input_size, torch.device('cpu'))


def _stepper(recipe: Recipe, inputs: Inputs) -> Callable[[], None]:
    import torch

    from anydepth_core.train.optimizer import make_optimizer
    from anydepth_core.train.setup import make_model, make_step, train_mode

    model = make_model(recipe, ['x'] * 8)
    step = make_step(recipe, model)
    optimizer = make_optimizer(model, recipe.optimizer)
    train_mode(step, recipe)

    def run() -> None:
        terms = step(inputs.images, inputs.targets)
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


if __name__ == '__main__':
    end(main)
