# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Train a detector: `python training/train.py RECIPE.yaml OUT [--resume] [key=value …]`."""

from __future__ import annotations

import argparse
from pathlib import Path
import signal
import sys
from typing import TYPE_CHECKING

from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.cores import share_cores

if TYPE_CHECKING:
    from anydepth_core.train.trainer import Trainer


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('recipe', type=Path, help='YAML file, see training/recipes/')
    parser.add_argument('out', type=Path, help='folder of the run')
    parser.add_argument('overrides', nargs='*', metavar='key=value',
                        help='replaces a value of the recipe, for example batch=8')
    parser.add_argument('--resume', action='store_true',
                        help='go on from the checkpoint in OUT if there is one')
    args = parser.parse_args()
    share_cores()
    try:
        trainer = _trainer(args)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _n, _f: _stop(trainer))
        trainer.run()
    except AnyDepthError as error:
        print(f'train: error: {error}', file=sys.stderr)
        return 2
    return 0


def _trainer(args: argparse.Namespace) -> Trainer:
    from anydepth_core.train.recipe import load_recipe
    from anydepth_core.train.trainer import CHECKPOINT, Trainer

    recipe = load_recipe(args.recipe, args.overrides)
    exists = (args.out / CHECKPOINT).exists()
    if exists and not args.resume:
        raise AnyDepthError(f'{args.out} holds a run; add --resume or choose another folder')
    if exists:
        return Trainer.resume(args.out, _report, recipe)
    return Trainer(recipe, args.out, _report)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _stop(trainer: Trainer) -> None:
    trainer.stop_requested = True


if __name__ == '__main__':
    sys.exit(main())
