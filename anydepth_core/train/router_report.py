# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a router is worth: AP at equal cost against mixing base and full without looking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math
import random
from statistics import median
import time
from typing import Any

import torch

from anydepth_core.evaluate.coco import coco_scores
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.count import count_gflops
from anydepth_core.models.model_info import ModelInfo
from anydepth_core.runtime.budget import Budget
from anydepth_core.runtime.policy import FrameCost
from anydepth_core.runtime.policy_budgeted import Tracking
from anydepth_core.runtime.policy_routed import Routed
from anydepth_core.runtime.profile import Profile, ProfileEntry, ProfileKey
from anydepth_core.runtime.router import Router, count_operations, pool
from anydepth_core.train.router import LEVELS, Footage, correlation

SHARES = (0.25, 0.5, 0.75)
TIMED_FRAMES = 20
Predict = Callable[[int, int], float]


@dataclass(frozen=True)
class Spent:
    """What came of one way to spend a budget.

    Attributes:
        ap: average precision of what was found.
        full: share of the frames that ran full.
    """

    ap: float
    full: float


@dataclass(frozen=True)
class Cost:
    """What a router costs beside base, each a fraction of base.

    Attributes:
        operations: counted.
        time: measured, a median.
    """

    operations: float
    time: float


def spend(footage: Footage, profile: Profile, share: float, predict: Predict | None) -> Spent:
    """Play the footage under a budget in GFLOPs for this share of full frames.

    Args:
        footage: what would be found.
        profile: what base and full cost.
        share: between 0 and 1.
        predict: returns the benefit for the frame after one, by the number of that one (-1: none
            yet) and the level that it ran at; None leaves the choice of frames to `Tracking`.
    """
    base, full = profile.entries
    budget = Budget(base.gflops + share * (full.gflops - base.gflops), 'gflops')
    policy = Tracking(profile, budget) if predict is None else Routed(profile, budget)
    found, level, deep = [], 0, 0
    for number in range(len(footage)):
        if isinstance(policy, Routed) and predict is not None:
            policy.predict(predict(number - 1, level))
        choice = policy.choose(float(number))
        level = int(choice.depth == full.depth)
        deep += level
        found.append(footage.found[level][number])
        policy.observe(FrameCost(choice.depth, 1.0))
    return Spent(coco_scores(footage.truth, found, footage.num_classes).ap, deep / len(footage))


def compare(footage: Footage, profile: Profile, router: Router,
            share: float) -> dict[str, Spent]:
    """Return what comes of a budget, by the way in which the frames that run full are chosen.

    In turn; by chance; by the router; and by the truth about the frame to come, which nobody has.
    """
    predicted, rng = router(footage.pooled), random.Random(0)

    def by_router(number: int, level: int) -> float:
        return float(predicted[number, level]) if number >= 0 else math.nan

    ways: dict[str, Predict | None] = {
        'in turn': None, 'by chance': lambda number, level: rng.random(), 'router': by_router,
        'foreknown': lambda number, level: float(footage.benefit[number + 1])}
    return {name: spend(footage, profile, share, predict) for name, predict in ways.items()}


def report(footage: Footage, router: Router, profile: Profile) -> tuple[dict[str, Any], str]:
    """Return numbers for a file, and a Markdown table, of footage the router was not fitted to."""
    extremes = [coco_scores(footage.truth, found, footage.num_classes).ap
                for found in footage.found]
    spent = {share: compare(footage, profile, router, share) for share in SHARES}
    ways = list(spent[SHARES[0]])
    lines = [f'| budget | {" | ".join(ways)} |', '|---' * (1 + len(ways)) + '|']
    lines += [f'| full in {share:.0%} | ' + ' | '.join(
        f'{each.ap:.4f} ({each.full:.1%})' for each in row.values()) + ' |'
        for share, row in spent.items()]
    rows = [{'share': share, **{name: vars(each) for name, each in row.items()}}
            for share, row in spent.items()]
    truth = footage.benefit[1:]
    numbers: dict[str, Any] = {
        'frames': len(footage), 'ap': dict(zip(LEVELS, extremes)), 'budgets': rows,
        'benefit_mean': float(footage.benefit.mean()), 'benefit_std': float(footage.benefit.std()),
        'correlation': {name: correlation(router(footage.pooled[:-1, level]), truth)
                        for level, name in enumerate(LEVELS)},
        'correlation_of_successive_frames': correlation(footage.benefit[:-1], truth)}
    return numbers, '\n'.join(lines)


def headline(numbers: dict[str, Any]) -> str:
    """Return in words what `report` found about the benefit itself."""
    ap = ', '.join(f'{name} {value:.4f}' for name, value in numbers['ap'].items())
    after = ', '.join(f'after {name} {value:.3f}'
                      for name, value in numbers['correlation'].items())
    return (f'{numbers["frames"]} frames; AP: {ap}\n'
            f'benefit of full: {numbers["benefit_mean"]:.3f} objects a frame, standard deviation '
            f'{numbers["benefit_std"]:.3f}, correlation with that of the frame before '
            f'{numbers["correlation_of_successive_frames"]:.3f}\n'
            f'correlation with the prediction: {after}')


def two_levels(model: AnyDepthModel, info: ModelInfo) -> Profile:
    """Return a profile of base and full that knows what they compute, and no times."""
    key = ProfileKey(device='none', backend='none', precision='fp32', input_size=info.input_size,
                     weights_hash='0' * 64)
    entries = tuple(ProfileEntry(
        depth=model.depths.parse(name), gflops=count_gflops(model, name, info.input_size),
        mean_ms=1.0, p50_ms=1.0, p95_ms=1.0, p99_ms=1.0) for name in LEVELS)
    return Profile(key=key, model=info.model, entries=entries, frames=1)


@torch.no_grad()
def measure_cost(model: AnyDepthModel, info: ModelInfo, router: Router) -> Cost:
    """Return what a router costs beside base on one image, on the device of the model."""
    fused, depth = model.fused().to(memory_format=torch.channels_last), model.depths.base
    device = next(fused.parameters()).device
    images = torch.zeros(1, 3, *info.input_size, device=device)
    judge = router.to(device)

    def seconds(run: Callable[[], object]) -> float:
        times = []
        for _ in range(TIMED_FRAMES):
            begin = time.perf_counter()
            run()
            if device.type == 'cuda':
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - begin)
        return median(times)

    features = fused.features(images, depth)
    raw = fused.predict(features, depth, info.input_size)
    operations = count_operations(features, raw, len(router.mean))
    base = count_gflops(model, depth, info.input_size) * 1e9
    return Cost(operations / base, seconds(lambda: judge(pool(features, raw, depth)))
                / seconds(lambda: fused(images, depth)))
