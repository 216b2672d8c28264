# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Train a detector: `python training/train.py RECIPE.yaml OUT [--resume] [key=value …]`.

On several GPUs or machines, torchrun starts it: `torchrun --nproc-per-node 4 training/train.py …`.
SIGTERM or Ctrl-C stops a run after the step it is in, with a checkpoint; `--resume` goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from anydepth_core.commands.arguments import guard_opencv
from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.cores import share_cores
from anydepth_core.train.memory import keep_freed_memory

if TYPE_CHECKING:
    from anydepth_core.train.distributed import World
    from anydepth_core.train.recipe import Recipe
    from anydepth_core.train.trainer import Trainer


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('recipe', type=Path, help='YAML file, see training/recipes/')
    parser.add_argument('out', type=Path, help='folder of the run')
    parser.add_argument('overrides', nargs='*', metavar='key=value',
                        help='replaces a value of the recipe, for example batch=8')
    parser.add_argument('--resume', action='store_true',
                        help='go on from the checkpoint in OUT if there is one')
    args = parser.parse_intermixed_args()
    share_cores()
    guard_opencv()
    keep_freed_memory()
    try:
        _train(args)
    except AnyDepthError as error:
        print(f'train: error: {error}', file=sys.stderr)
        return 2
    except RuntimeError as error:
        # PyTorch raises this wherever the main thread is when a worker is killed.
        if 'DataLoader worker' not in str(error):
            raise
        print('train: error: a process that reads images was killed; is there memory enough for '
              'all the workers? --resume goes on', file=sys.stderr)
        return 2
    return 0


def _train(args: argparse.Namespace) -> None:
    from anydepth_core.train.distributed import join_world
    from anydepth_core.train.recipe_file import load_recipe
    from anydepth_core.train.signals import stopped_by_signals

    recipe = load_recipe(args.recipe, args.overrides)
    with join_world(recipe.device) as world:
        trainer = _trainer(args, recipe, world)
        with stopped_by_signals(trainer):
            trainer.run()


def _trainer(args: argparse.Namespace, recipe: Recipe, world: World) -> Trainer:
    from anydepth_core.train.observers import watch
    from anydepth_core.train.trainer import CHECKPOINT, Trainer

    exists = (args.out / CHECKPOINT).exists()
    if exists and not args.resume:
        raise AnyDepthError(f'{args.out} holds a run; add --resume or choose another folder')
    trainer = Trainer.resume(args.out, _report, recipe, world) if exists else \
        Trainer(recipe, args.out, _report, world)
    first, = world.from_first([trainer.iteration])
    if any(world.any(trainer.iteration != first)):
        raise AnyDepthError(f'{args.out} does not hold the same checkpoint on every machine; '
                            'share the folder, or copy that of the first')
    watch(trainer)
    return trainer


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == '__main__':
    sys.exit(main())
