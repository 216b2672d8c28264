# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Policies that keep a budget: `Table` for every frame, `Tracking` on average. Pure Python."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections import deque
import math
from statistics import median
from typing import NamedTuple

from anydepth_core.depth import Depth
from anydepth_core.errors import BudgetError
from anydepth_core.runtime.budget import Budget
from anydepth_core.runtime.policy import Choice, FrameCost, Policy
from anydepth_core.runtime.profile import Profile, ProfileEntry

RECENT_FRAMES = 5
TAIL_FRAMES = 39
TAIL_RANK = 2  # 2 in 39 + 1: the share of frames that exceed it is 5 %
RECENT_PERIODS = 3
REPAY_FRAMES = 2
MEMORY_FRAMES = 30


def within(profile: Profile, floor: Depth | str | None,
           ceiling: Depth | str | None) -> tuple[ProfileEntry, ...]:
    """Return the entries of a profile that run all of `floor` and nothing but `ceiling`.

    Raises:
        BudgetError: there are none.
        DepthError: a limit is not a depth of this model.
    """
    space = profile.space
    low = None if floor is None else space.resolve(floor)
    high = None if ceiling is None else space.resolve(ceiling)
    allowed = tuple(entry for entry in profile.entries
                    if (low is None or low <= entry.depth)
                    and (high is None or entry.depth <= high))
    if not allowed:
        known = ', '.join(entry.name for entry in profile.entries[:12])
        raise BudgetError(f'no depth of the profile lies between floor {low or "none"} and '
                          f'ceiling {high or "none"}; it has {known}')
    return allowed


class Budgeted(Policy):
    """What policies that keep a budget have in common: limits, dwell, and knowing the device.

    The device may be slower or hungrier now than when it was profiled. How much, is told by
    `ratio`, of measured to profiled cost over the last frames, so that one outlier means nothing
    and a lasting change is followed within a few.

    Args:
        profile: what each depth costs.
        budget: to keep.
        floor: everything that this depth runs will run; None: no floor.
        ceiling: nothing will run but what this depth runs; None: no ceiling.
        dwell_s: least number of seconds between two switches, but see `_may_switch`.

    Raises:
        BudgetError: the dwell is no time, or nothing in the profile lies within the limits.
        ProfileError: the profile does not know the cost that the budget counts.
        DepthError: a limit is not a depth of this model.
    """

    def __init__(self, profile: Profile, budget: Budget, *, floor: Depth | str | None = None,
                 ceiling: Depth | str | None = None, dwell_s: float = 0.0) -> None:
        if isinstance(dwell_s, bool) or not 0 <= dwell_s < math.inf:
            raise BudgetError(f'a dwell of {dwell_s!r} s; valid: a finite number from 0')
        self.profile, self.budget = profile, budget
        self._dwell_s = dwell_s
        self._now: float | None = None
        self._periods: deque[float] = deque(maxlen=RECENT_PERIODS)
        self._ratios = self._as_profiled()
        self._current: ProfileEntry | None = None
        self._switched = -math.inf
        self._cut = False
        self._by_depth = {entry.depth: entry for entry in profile.entries}
        self.change(budget, floor=floor, ceiling=ceiling)

    def change(self, budget: Budget, *, floor: Depth | str | None = None,
               ceiling: Depth | str | None = None) -> None:
        """Keep another budget between other limits from the next frame on.

        Raises:
            BudgetError, ProfileError, DepthError: as the constructor; nothing has changed then.
        """
        options = self._list_options(budget, within(self.profile, floor, ceiling))
        old = self.budget
        if budget.resource != old.resource:
            self._ratios = self._as_profiled()
        # Another unit is no plain cut, but what runs may well not fit it.
        self._cut = self._cut or budget.unit != old.unit or (
            budget.allowance(1.0) < old.allowance(1.0))
        self.budget, self._options = budget, options

    @property
    def ratio(self) -> float:
        """How much more than profiled frames cost now: the median of the last `RECENT_FRAMES`."""
        return median(self._ratios)

    @property
    def options(self) -> tuple[ProfileEntry, ...]:
        """The entries this policy chooses from, cheapest first."""
        return self._options

    def observe(self, cost: FrameCost) -> None:
        """Take note of a frame; one of a depth or of a cost that the profile lacks is ignored."""
        measured = self._measured(cost)
        if measured is not None:
            self._ratios.append(measured / self._profiled(self._by_depth[cost.depth]))

    def _as_profiled(self) -> deque[float]:
        """Return ratios to begin with, so that an odd first frame means nothing either."""
        return deque([1.0] * RECENT_FRAMES, maxlen=RECENT_FRAMES)

    def _profiled(self, entry: ProfileEntry) -> float:
        """Return the cost that a ratio of 1 stands for."""
        return entry.typical(self.budget.resource)

    @abstractmethod
    def _list_options(self, budget: Budget,
                      allowed: tuple[ProfileEntry, ...]) -> tuple[ProfileEntry, ...]:
        """Return the entries worth choosing, cheapest first, at least one."""

    def _measured(self, cost: FrameCost) -> float | None:
        """Return the cost of a frame that the budget counts, or None if nothing usable is told."""
        entry = self._by_depth.get(cost.depth)
        if entry is None:
            return None
        resource = self.budget.resource
        if resource == 'gflops':
            return entry.gflops
        value = cost.latency_ms if resource == 'latency_ms' else cost.energy_j
        return value if value is not None and 0 < value < math.inf else None

    def _tick(self, now: float) -> float | None:
        """Take note of the time; return seconds since the last frame, None if it did not pass."""
        elapsed = None if self._now is None or now <= self._now else now - self._now
        if elapsed is not None:
            self._periods.append(elapsed)
        self._now = now
        self._switched = min(self._switched, now)
        return elapsed

    def _allowance(self) -> float | None:
        """Return what the next frame may cost; None while that depends on an unknown rate."""
        if not self.budget.per_second:
            return self.budget.allowance(1.0)
        return self.budget.allowance(median(self._periods)) if self._periods else None

    def _may_switch(self, now: float, target: ProfileEntry, *, fits: bool) -> bool:
        """Return whether the dwell lets the depth change from the current one to `target`.

        The user's word comes before the dwell: a depth outside new limits goes at once, and so
        does one that does not fit (`fits`) a budget that was cut, for a cheaper one.
        """
        current = self._current
        if current is None or current not in self._options or (
                now - self._switched >= self._dwell_s):
            return True
        resource = self.budget.resource
        return self._cut and not fits and target.cost(resource) < current.cost(resource)

    def _settle(self, now: float, target: ProfileEntry) -> ProfileEntry:
        """Make `target` what runs."""
        if self._current is not target:
            if self._current is not None:
                self._switched = now
            self._current = target
        self._cut = False
        return target


class Table(Budgeted):
    """The deepest entry whose 95th percentile, as the device is now, fits the budget.

    A profile is measured with nothing else running, so beside other processes not only the typical
    frame is slower: frames differ more. No factor learnt from typical frames makes up for that, so
    `ratio` is a tail itself: the second greatest of the last 39 ratios of measured to profiled
    95th percentile. Of 40 frames in any order the last is one of the two greatest in 5 % of all
    cases, whatever the distribution is. A device that slows down is followed after two frames,
    one that recovers after 38, and one outlier in 39 means nothing.

    Args:
        hysteresis: a deeper entry must fit a budget smaller by this fraction.

    The other arguments and the errors are those of `Budgeted`.
    """

    def __init__(self, profile: Profile, budget: Budget, *, floor: Depth | str | None = None,
                 ceiling: Depth | str | None = None, dwell_s: float = 0.5,
                 hysteresis: float = 0.05) -> None:
        if isinstance(hysteresis, bool) or not 0 <= hysteresis < 1:
            raise BudgetError(f'a hysteresis of {hysteresis!r}; valid: a number from 0 to below 1')
        self._hysteresis = hysteresis
        super().__init__(profile, budget, floor=floor, ceiling=ceiling, dwell_s=dwell_s)

    def choose(self, now: float) -> Choice:  # noqa: D102
        self._tick(now)
        allowance, ratio, resource = self._allowance(), self.ratio, self.budget.resource
        if allowance is None:
            entry = self._settle(now, self._options[0])
            return Choice(entry.depth, f'table: {entry.name} until the frame rate is known')
        target = self._best(allowance, ratio)
        current = self._current
        if current in self._options and current is not target:
            deeper = self._options.index(target) > self._options.index(current)
            if deeper:
                patient = self._best(allowance * (1 - self._hysteresis), ratio)
                keeps = self._options.index(patient) <= self._options.index(current)
                target = current if keeps else patient
            if not self._may_switch(now, target, fits=deeper):
                target = current
        entry = self._settle(now, target)
        cost = entry.tail(resource) * ratio
        reason = (f'table: {entry.name} at {cost:.4g} = profiled p95 x {ratio:.3g}; budget '
                  f'{allowance:.4g}')
        least = self._options[0].tail(resource) * ratio
        return Choice(entry.depth, reason, max(0.0, least - allowance))

    @property
    def ratio(self) -> float:
        """How far above the profiled 95th percentile that of frames lies now."""
        return sorted(self._ratios)[-TAIL_RANK]

    def _as_profiled(self) -> deque[float]:
        return deque([1.0] * TAIL_FRAMES, maxlen=TAIL_FRAMES)

    def _profiled(self, entry: ProfileEntry) -> float:
        return entry.tail(self.budget.resource)

    def _best(self, allowance: float, ratio: float) -> ProfileEntry:
        resource = self.budget.resource
        fitting = [each for each in self._options if each.tail(resource) * ratio <= allowance]
        return fitting[-1] if fitting else self._options[0]

    def _list_options(self, budget: Budget,
                      allowed: tuple[ProfileEntry, ...]) -> tuple[ProfileEntry, ...]:
        return self.profile.pareto(lambda entry: entry.tail(budget.resource), allowed)


class _Plan(NamedTuple):
    """What `Tracking` meant a frame to do: costs as the budget counts them."""

    entry: ProfileEntry
    aim: float
    predicted: float
    repaid: float
    modulating: bool


class Tracking(Budgeted):
    """Spends the budget on average, by modulating between two neighbouring entries.

    Feed-forward: the mean cost to aim at is the budget, and the profile times `ratio` tells
    between which two entries it lies. Modulation: the one of the two is taken that keeps the sum
    of differences from the aim smallest (error feedback, as in a first-order sigma-delta
    modulator), so the average is right within one switch divided by the number of frames.
    Integral: what frames cost beyond their prediction is repaid, the `REPAY_FRAMES`-th part each
    frame, by aiming lower; a debt never exceeds what `MEMORY_FRAMES` frames can repay. All is in
    frames and in costs of the profile, so there is nothing to tune for a device.

    The arguments and the errors are those of `Budgeted`.
    """

    def __init__(self, profile: Profile, budget: Budget, *, floor: Depth | str | None = None,
                 ceiling: Depth | str | None = None, dwell_s: float = 0.0) -> None:
        self._balance = 0.0
        self._remainder = 0.0
        self._plan: _Plan | None = None
        self._expected_s: float | None = None
        self._chosen_by = 'tracking'
        super().__init__(profile, budget, floor=floor, ceiling=ceiling, dwell_s=dwell_s)

    def change(self, budget: Budget, *, floor: Depth | str | None = None,
               ceiling: Depth | str | None = None) -> None:
        """Keep another budget between other limits, as `Budgeted.change` says."""
        resource = self.budget.resource
        super().change(budget, floor=floor, ceiling=ceiling)
        if budget.resource != resource:
            self._balance = self._remainder = 0.0
            self._plan = None

    def choose(self, now: float) -> Choice:  # noqa: D102
        elapsed = self._tick(now)
        if elapsed is not None and self._expected_s is not None and self.budget.per_second:
            self._balance += self.budget.allowance(elapsed - self._expected_s)
        self._expected_s = None
        allowance = self._allowance()
        if allowance is None:
            entry = self._settle(now, self._options[0])
            return Choice(entry.depth, f'tracking: {entry.name} until the frame rate is known')
        ratio, resource = self.ratio, self.budget.resource
        costs = [entry.cost(resource) * ratio for entry in self._options]
        aim = min(max(allowance + self._correction(allowance), costs[0]), costs[-1])
        low = max(bisect_right(costs, aim) - 1, 0)
        high = min(low + 1, len(costs) - 1)
        deeper = self._goes_deeper(aim, costs[low], costs[high])
        target, current = self._options[high if deeper else low], self._current
        if current is not None and not self._may_switch(
                now, target, fits=current.cost(resource) * ratio <= costs[high]):
            target = current
        entry = self._settle(now, target)
        self._plan = _Plan(entry, aim, entry.cost(resource) * ratio, aim - allowance,
                           entry in self._options[low:high + 1])
        if self._periods:
            self._expected_s = median(self._periods)
        span = ' and '.join(f'{self._options[i].name} ({costs[i]:.4g})'
                            for i in sorted({low, high}))
        return Choice(entry.depth,
                      f'{self._chosen_by}: {span} for {aim:.4g}; budget {allowance:.4g}',
                      max(0.0, costs[0] - allowance))

    def observe(self, cost: FrameCost) -> None:
        """Take note of a frame; one of another depth than chosen last only tells the ratio."""
        measured, plan = self._measured(cost), self._plan
        if measured is not None and plan is not None and plan.entry.depth == cost.depth:
            if plan.modulating:
                self._remainder += plan.aim - plan.predicted
                self._balance -= plan.repaid
            self._balance += plan.predicted - measured
            self._plan = None
        super().observe(cost)

    def _goes_deeper(self, aim: float, low: float, high: float) -> bool:
        """Return whether the next frame gets the dearer of two entries that cost low and high."""
        return aim + self._remainder > (low + high) / 2

    def _correction(self, allowance: float) -> float:
        """Return by how much to aim beside the allowance, to repay or to spend the balance.

        The balance is limited to what `MEMORY_FRAMES` frames can make good: more is forgiven. What
        can be met and spent is judged by the whole range of the recent ratios: where single frames
        differ much, a budget near either end looks out of reach now and then although it is not,
        and what is forgiven then is an error that stays.
        """
        resource = self.budget.resource
        least = self._options[0].cost(resource) * min(self._ratios)
        most = self._options[-1].cost(resource) * max(self._ratios)
        self._balance = min(max(self._balance, MEMORY_FRAMES * min(least - allowance, 0.0)),
                            MEMORY_FRAMES * max(most - allowance, 0.0))
        return self._balance / REPAY_FRAMES

    def _list_options(self, budget: Budget,
                      allowed: tuple[ProfileEntry, ...]) -> tuple[ProfileEntry, ...]:
        return self.profile.hull(lambda entry: entry.cost(budget.resource), allowed)
