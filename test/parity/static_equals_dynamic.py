# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Check `model.at(depth)(x) == model(x, depth)` for registered models.

    python test/parity/static_equals_dynamic.py [PATTERN] [--dtype float32] [--sizes 640 ...]
        [--batch 1] [--mixtures 1]

Random weights; norms with statistics near those of the images, different in every path. Prints
per model and depth (full, base and random mixtures) the largest differences of logits, and of
boxes as a fraction of the longer side; both must be within 1e-4 in float32, 1e-9 in float64.

A DETR makes queries of the 300 best places. Where two places score equal but for rounding, the two
forms may order them differently or take the one instead of the other, after which all queries
differ. So the static form is given the dynamic form's choice, and its own must be the same but
for places that no more than rounding separates from the last chosen; those are counted.

In float16 and bfloat16 both forms are compared with the dynamic one in float32, by their root mean
square errors in units of the type's rounding (2^-11 and 2^-8): logits relative to their standard
deviation, boxes to the longer side. Both must be below 48 units, neither above twice the other.

Exits with 1 if something is not so. Takes many minutes; pytest does not collect this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
import contextlib
import copy
import random
import sys
from unittest import mock

from networks import random_images, randomise
import torch
from torch import Tensor, nn

from anydepth_core.depth import Depth
from anydepth_core.models import AnyDepthModel, RawPredictions, create_model, list_models
from anydepth_core.models.base import StaticModel

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4}
ROUNDING = {torch.float16: 2.0 ** -11, torch.bfloat16: 2.0 ** -8}
HALF_LIMIT = 48.0
Run = Callable[[], RawPredictions]


class Choice:
    """Which places a DETR makes queries of; nothing for a network without query selection.

    Attributes:
        logits: (B, N, C) the class scores of all places.
        places: (B, Q) which of them scored best.
    """

    def __init__(self) -> None:
        self.logits = self.places = torch.empty(0)

    def watch(self, model: nn.Module, imposed: Choice | None = None,
              ) -> contextlib.AbstractContextManager[object]:
        """Note here what a network would choose while it runs, and impose another choice on it."""
        selection = getattr(getattr(model, 'decoder', None), 'selection', None)
        if selection is None:
            return contextlib.nullcontext()
        best = selection.best

        def noted(logits: Tensor) -> Tensor:
            self.logits, self.places = logits, best(logits)
            return self.places if imposed is None else imposed.places

        return mock.patch.object(selection, 'best', noted)

    def exchanged(self, other: Choice) -> tuple[int, bool]:
        """Return how many places only the other chose, and whether rounding explains each."""
        if not self.places.numel():
            return 0, True
        rounding = (self.logits - other.logits).abs().max().item()
        count, explained = 0, True
        for logits, mine, theirs in zip(self.logits, self.places, other.places):
            scores = logits.amax(-1)
            only = sorted(set(theirs.tolist()) - set(mine.tolist()))
            count += len(only)
            explained &= all(scores[mine[-1]] - scores[place] <= 2 * rounding for place in only)
        return count, explained


def pair(model: AnyDepthModel, static: StaticModel, images: Tensor, depth: Depth,
         ) -> tuple[RawPredictions, RawPredictions, str, bool]:
    """Run both forms; also return a remark on the selection, and whether that is in order."""
    ours, theirs = Choice(), Choice()
    with ours.watch(model):
        expected = model(images, depth)
    with theirs.watch(static.model, imposed=ours):
        actual = static(images)
    count, explained = ours.exchanged(theirs)
    scores = (ours.logits - theirs.logits).abs().max().item() if ours.places.numel() else 0.0
    explained &= scores <= TOLERANCES[images.dtype]
    remark = f'  scores {scores:.1e}, {count} exchanged' if ours.places.numel() else ''
    return actual, expected, remark, explained


def check(model: AnyDepthModel, images: Tensor, depth: Depth) -> tuple[str, bool]:
    """Compare the two forms in float64 or float32."""
    actual, expected, remark, same = pair(model, model.at(depth), images, depth)
    errors = ((actual.logits - expected.logits).abs().max().item(),
              (actual.boxes - expected.boxes).abs().max().item() / max(images.shape[2:]))
    line = (f'logits {errors[0]:.1e} of std {expected.logits.std(1).mean():.2f}  '
            f'boxes {errors[1]:.1e}{remark}')
    return line, same and max(errors) <= TOLERANCES[images.dtype]


def check_half(model: AnyDepthModel, images: Tensor, depth: Depth, dtype: torch.dtype,
               ) -> tuple[str, bool]:
    """Compare both forms in half precision with the dynamic one in float32."""
    choice = Choice()
    with choice.watch(model):
        exact = model(images, depth)
    errors = []
    static, dynamic = model.at(depth).to(dtype), copy.deepcopy(model).to(dtype)
    runs: tuple[tuple[nn.Module, Run], ...] = (
        (static.model, lambda: static(images.to(dtype))),
        (dynamic, lambda: dynamic(images.to(dtype), depth)))
    for network, run in runs:
        with Choice().watch(network, imposed=choice):
            raw = run()
        errors.append([rms(raw.logits, exact.logits) / exact.logits.std(1).mean().item(),
                       rms(raw.boxes, exact.boxes) / max(images.shape[2:])])
    units = [[error / ROUNDING[dtype] for error in pair] for pair in errors]
    fine = all(max(static, dynamic) <= HALF_LIMIT
               and max(static, dynamic) <= 2 * min(static, dynamic)
               for static, dynamic in zip(*units))
    return (f'logits static {units[0][0]:.2f} dynamic {units[1][0]:.2f}  '
            f'boxes static {units[0][1]:.2f} dynamic {units[1][1]:.2f}'), fine


def rms(actual: Tensor, expected: Tensor) -> float:
    """Return the root mean square difference."""
    return (actual.float() - expected).square().mean().sqrt().item()


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the models that match the pattern."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pattern', nargs='?', default='*')
    parser.add_argument('--dtype', default='float32',
                        choices=[str(x).removeprefix('torch.') for x in (*TOLERANCES, *ROUNDING)])
    parser.add_argument('--sizes', type=int, nargs='+', default=[640])
    parser.add_argument('--batch', type=int, default=1)
    parser.add_argument('--mixtures', type=int, default=1)
    args = parser.parse_args(arguments)
    dtype = getattr(torch, args.dtype)
    good = True
    for name in list_models(args.pattern):
        torch.manual_seed(0)
        source = random.Random(0)
        model = create_model(name)
        randomise(model, random_images(1, 320, 320)).requires_grad_(False)
        if dtype == torch.float64:
            model = model.double()
        depths = [model.depths.full, model.depths.base,
                  *(model.depths.sample(source) for _ in range(args.mixtures))]
        for size in args.sizes:
            images = random_images(args.batch, size, size)
            for depth in depths:
                line, same = (check_half(model, images, depth, dtype) if dtype in ROUNDING
                              else check(model, images.to(dtype), depth))
                good &= same
                print(f'{name:30}{args.batch}x{size:<6}{depth!s:36}{line}'
                      f'{"" if same else "  DIFFERENT"}', flush=True)
    print('equal' if good else 'NOT equal')
    return int(not good)


if __name__ == '__main__':
    sys.exit(main())
