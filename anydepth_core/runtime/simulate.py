# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Policies in a simulated world: same noise for each, a fake clock, and what came of it.

A budget that the device cannot spend or cannot keep is no policy's fault, so the error is taken
against the attainable budget: the budget limited to what the cheapest and the dearest entry
really cost at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
import itertools
import math
import random
from statistics import fmean
from typing import Protocol

from anydepth_core.depth import Depth
from anydepth_core.errors import ProfileError
from anydepth_core.runtime.budget import Budget, Resource
from anydepth_core.runtime.policy import Choice, FrameCost
from anydepth_core.runtime.policy_budgeted import Table, Tracking
from anydepth_core.runtime.profile import Profile, ProfileEntry
from anydepth_core.runtime.published_controller import (
    PUBLISHED_GAINS,
    Gains,
    PublishedController,
    advantages,
)
from anydepth_core.runtime.scenarios import CAMERA_PERIOD_S, DISTURBANCES, TRACES, Scenario

WINDOW = 30
TOLERANCE = 0.03
SETTLE_BAR = 10
WARM_UP_FRAMES = 2000  # many, so that the published controller's threshold band covers its signal
VIDEO_CORRELATION = 0.9


class Steerable(Protocol):
    """A policy whose budget can change."""

    def choose(self, now: float) -> Choice: ...  # noqa: D102
    def observe(self, cost: FrameCost) -> None: ...  # noqa: D102
    def change(self, budget: Budget) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Frame:
    """One simulated frame; costs in ms, GFLOPs or joules, as the budget counts."""

    time: float
    depth: Depth
    cost: float
    allowance: float
    attainable: float
    quality: float


@dataclass(frozen=True)
class Outcome:
    """What a policy made of a scenario.

    Attributes:
        error: mean absolute moving average of cost less attainable budget, over `WINDOW` frames,
            as a fraction of the mean attainable budget.
        over_average: share of frames whose moving average exceeds that of the attainable budget
            by more than `TOLERANCE`.
        over_frame: share of frames that alone exceed the attainable budget.
        switches_per_minute: changes of depth.
        quality: mean AP (GFLOPs if the profile knows no AP).
        settle_frames: worst number of frames after a step of the budget from which on every
            window keeps within `TOLERANCE`; infinite if that never happens; only
            in the undisturbed scenario of steps, else None.
    """

    error: float
    over_average: float
    over_frame: float
    switches_per_minute: float
    quality: float
    settle_frames: float | None


def extremes(profile: Profile, resource: Resource = 'latency_ms') -> Profile:
    """Return the profile of only the cheapest and the best entry.

    Raises:
        ProfileError: the profile has no two entries of which the dearer is the better.
    """
    hull = profile.hull(lambda entry: entry.cost(resource))
    if len(hull) < 2:
        raise ProfileError('the profile has no two depths of which the dearer one is better, so '
                           'there is nothing to simulate')
    return replace(profile, entries=(hull[0], hull[-1]))


def budgets(profile: Profile, scenario: Scenario, seed: int) -> list[Budget]:
    """Return the budget of each frame: the trace, laid between the extremes of the profile."""
    low, high = extremes(profile).entries
    unit = scenario.unit
    scale = 1 / camera_period(profile) if unit == 'gflops/s' else 1.0
    resource = Budget(1.0, unit).resource
    base, full = low.cost(resource) * scale, high.cost(resource) * scale
    trace = TRACES[scenario.trace](random.Random(seed), scenario.frames)
    return [Budget(base + share * (full - base), unit) for share in trace]


def camera_period(profile: Profile) -> float:
    """Return seconds between images: slow enough for the full depth and all disturbances."""
    return max(CAMERA_PERIOD_S, 0.002 * max(entry.mean_ms for entry in profile.entries))


def simulate(make: Callable[[Budget], Steerable], profile: Profile, scenario: Scenario,
             seed: int = 0) -> list[Frame]:
    """Run the policy that `make` makes of the first budget; the same noise for each policy."""
    wanted, disturbance = budgets(profile, scenario, seed), DISTURBANCES[scenario.disturbance]
    entries = {entry.depth: entry for entry in profile.entries}
    base, full = extremes(profile).entries
    noise = random.Random(seed + 1)
    policy, current = make(wanted[0]), wanted[0]
    now, frames, camera_s = 0.0, [], camera_period(profile)
    for i, budget in enumerate(wanted):
        if budget != current:
            policy.change(budget)
            current = budget
        entry = entries[policy.choose(now).depth]
        slowdown = disturbance.slowdown(i, scenario.frames)
        unusual = noise.random() < disturbance.outlier_share
        luck = _luck(entry, noise) * (disturbance.outlier if unusual else 1.0)
        latency_ms = entry.mean_ms * slowdown * luck
        energy_j = None if entry.energy_j is None else entry.energy_j * slowdown * luck
        period = camera_s * disturbance.period(i, scenario.frames)
        period = max(period, latency_ms / 1000)
        resource, allowance = budget.resource, budget.allowance(period)
        measured = {'latency_ms': latency_ms, 'gflops': entry.gflops, 'energy_j': energy_j}
        cost = measured[resource]
        assert cost is not None
        now_slower = 1.0 if resource == 'gflops' else slowdown
        attainable = min(max(allowance, base.cost(resource) * now_slower),
                         full.cost(resource) * now_slower)
        frames.append(Frame(now, entry.depth, cost, allowance, attainable, profile.quality(entry)))
        policy.observe(FrameCost(entry.depth, latency_ms, energy_j))
        now += period
    return frames


def _luck(entry: ProfileEntry, noise: random.Random) -> float:
    """Return a random factor with the mean and the 95th percentile of the entry."""
    spread = max(entry.p95_ms / entry.mean_ms - 1, 0.0) / 1.645
    return max(1 + spread * noise.gauss(0, 1), 0.1)


def moving_average(values: Sequence[float], window: int = WINDOW) -> list[float]:
    """Return the mean of each `window` successive values."""
    sums = list(itertools.accumulate(values, initial=0.0))
    return [(after - before) / window for before, after in zip(sums, sums[window:])]


def judge(frames: Sequence[Frame], scenario: Scenario) -> Outcome:
    """Return what came of the frames."""
    differences = moving_average([frame.cost - frame.attainable for frame in frames])
    targets = moving_average([frame.attainable for frame in frames])
    switches = sum(a.depth != b.depth for a, b in itertools.pairwise(frames))
    minutes = (frames[-1].time - frames[0].time) / 60
    over = sum(difference > TOLERANCE * target for difference, target in zip(differences, targets))
    return Outcome(
        error=fmean(map(abs, differences)) / fmean(targets),
        over_average=over / len(differences),
        over_frame=fmean(frame.cost > frame.attainable for frame in frames),
        switches_per_minute=switches / minutes,
        quality=fmean(frame.quality for frame in frames),
        settle_frames=settling(frames) if scenario.name == 'step/none' else None)


def settling(frames: Sequence[Frame]) -> float:
    """Return the worst settling time in frames over all steps of the allowance.

    Windows begin after the step: what was spent before it is no error after it.
    """
    starts = [0, *(i for i in range(1, len(frames))
                   if not math.isclose(frames[i].allowance, frames[i - 1].allowance))]
    worst = 0.0
    for start, end in zip(starts, [*starts[1:], len(frames)]):
        part = frames[start:end]
        if len(part) < 2 * WINDOW:
            continue
        errors = [abs(difference) > TOLERANCE * target for difference, target in zip(
            moving_average([frame.cost - frame.attainable for frame in part]),
            moving_average([frame.attainable for frame in part]))]
        late = [i + 1 for i, wrong in enumerate(errors) if wrong]
        worst = max(worst, math.inf if errors[-1] else float(late[-1] if late else 0))
    return worst


@dataclass(frozen=True)
class Comparison:
    """One scenario: the published controller beside ours; `frames` are by the same names.

    The published controller runs with each set of gains its authors published; the one that
    keeps the budget best in this very scenario counts.
    """

    scenario: Scenario
    outcomes: dict[str, Outcome]
    frames: dict[str, list[Frame]]


PUBLISHED, TWO_LEVELS, ALL_LEVELS, TABLE = 'published PI', 'tracking 2', 'tracking', 'table'


def compare(profile: Profile, scenario: Scenario, seed: int = 0,
            correlation: float = VIDEO_CORRELATION) -> Comparison:
    """Run every controller through a scenario.

    Args:
        profile: the device; the published controller and 'tracking 2' see its two extremes only.
        scenario: what happens.
        seed: of budgets, noise and advantages.
        correlation: of the advantages from frame to frame, see `advantages`.
    """
    two = extremes(profile)
    base, full = two.entries

    def published(gains: Gains) -> Callable[[Budget], PublishedController]:
        warm_up = list(itertools.islice(
            advantages(random.Random(seed + 3), correlation), WARM_UP_FRAMES))
        signal = advantages(random.Random(seed + 2), correlation)
        return lambda budget: PublishedController(base, full, budget, gains, warm_up, signal)

    frames = {PUBLISHED: min((simulate(published(gains), profile, scenario, seed)
                              for gains in PUBLISHED_GAINS),
                             key=lambda run: judge(run, scenario).error),
              TWO_LEVELS: simulate(lambda budget: Tracking(two, budget), profile, scenario, seed),
              ALL_LEVELS: simulate(lambda budget: Tracking(profile, budget), profile, scenario,
                                   seed),
              TABLE: simulate(lambda budget: Table(profile, budget), profile, scenario, seed)}
    return Comparison(scenario, {name: judge(run, scenario) for name, run in frames.items()},
                      frames)


def bars(comparisons: Sequence[Comparison]) -> dict[str, tuple[int, int]]:
    """Return for each claim about `Tracking` in how many of how many scenarios it holds."""
    def held(claim: Callable[[dict[str, Outcome]], bool]) -> tuple[int, int]:
        kept = [claim(each.outcomes) for each in comparisons]
        return sum(kept), len(kept)

    steps = [each.outcomes[ALL_LEVELS].settle_frames for each in comparisons]
    settled = [frames < SETTLE_BAR for frames in steps if frames is not None]
    return {
        f'error of {TWO_LEVELS} below {PUBLISHED}': held(
            lambda of: of[TWO_LEVELS].error < of[PUBLISHED].error),
        f'over average of {TWO_LEVELS} not above {PUBLISHED}': held(
            lambda of: of[TWO_LEVELS].over_average <= of[PUBLISHED].over_average),
        f'quality of {ALL_LEVELS} not below {TWO_LEVELS}': held(
            lambda of: of[ALL_LEVELS].quality >= of[TWO_LEVELS].quality),
        f'{ALL_LEVELS} settles within {SETTLE_BAR} frames of a step': (sum(settled), len(settled)),
    }
