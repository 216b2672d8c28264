# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Is it predictable which frames gain from full? `python training/train_router.py WEIGHTS OUT`.

Fits a router (anydepth_core/runtime/router.py) to the detector WEIGHTS on generated video, writes
it to OUT (.safetensors), and judges it on other video with scene changes: how well it predicts
the benefit of full for the next frame, and the AP it gains at equal cost over mixing base and full
without looking. The detector must find the classes of the generated scenes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import shlex
import sys

from anydepth_core.evaluate import command

TRAIN_SEED, TEST_SEED = 100, 900  # of videos; no two share a scene
TRAIN_SCENE, TRAIN_FPS = 4, 4.0  # many short scenes teach more than long ones
TEST_SCENE, TEST_FPS = 20, 10.0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument('weights', help='packaged name or file of the detector')
    made.add_argument('out', type=Path, help='file of the router')
    made.add_argument('--train-frames', type=int, default=1280, metavar='N')
    made.add_argument('--test-frames', type=int, default=600, metavar='N')
    made.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda' or 'cuda:N'")
    made.add_argument('--json', type=Path, metavar='FILE.json', help='write the numbers')
    return made


def run(args: argparse.Namespace) -> None:
    """Fit, write, judge and print."""
    from tqdm import tqdm

    from anydepth_core.data.scenes import CLASS_NAMES
    from anydepth_core.errors import DataError
    from anydepth_core.evaluate.files import write_json
    from anydepth_core.models.weights import file_hash, load_weights, resolve_weights
    from anydepth_core.runtime.devices import resolve_device
    from anydepth_core.runtime.router import RouterInfo, save_router
    from anydepth_core.train.router import LEAST_FRAMES, film, fit
    from anydepth_core.train.router_report import headline, measure_cost, report, two_levels

    if not args.out.parent.is_dir():  # rather now than when the work is done
        raise DataError(f'{args.out}: there is no such folder')
    if min(args.train_frames, args.test_frames) < LEAST_FRAMES:
        raise DataError(f'at least {LEAST_FRAMES} frames to train and to test')
    model, info = load_weights(args.weights)
    command.require_classes(args.weights, info.class_names, CLASS_NAMES)
    model = model.to(resolve_device(args.device))
    with tqdm(total=args.train_frames + args.test_frames, unit='frame', disable=None) as bar:
        train, test = (film(model, info, *each, bar.update) for each in (
            (TRAIN_SEED, args.train_frames, TRAIN_SCENE, TRAIN_FPS),
            (TEST_SEED, args.test_frames, TEST_SCENE, TEST_FPS)))
    router, expected = fit(train)
    words = ['python', 'training/train_router.py', *sys.argv[1:]]
    save_router(args.out, router, RouterInfo(
        model=info.model, weights_hash=file_hash(resolve_weights(args.weights)),
        correlation=expected, created_by=shlex.join(words)[:1000]))
    numbers, table = report(test, router, two_levels(model, info))
    cost = measure_cost(model, info, router)
    print(f'{headline(numbers)}, expected {expected:.3f}')
    print(f'cost of the router: {cost.operations:.2%} of the operations of base, '
          f'{cost.time:.1%} of its time\n\n{table}')
    if args.json:
        write_json(args.json, {**numbers, 'cost': vars(cost), 'expected_correlation': expected,
                               'model': info.model, 'train_frames': len(train)})
    print(f'train_router: wrote {args.out}', file=sys.stderr)


if __name__ == '__main__':
    sys.exit(command.main('train_router', parser(), run))
