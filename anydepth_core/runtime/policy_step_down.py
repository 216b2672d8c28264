# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Shallower while the machine draws too much or is too hot, whatever the policy. Pure Python."""

from __future__ import annotations

from collections import deque
import math
from statistics import median

from anydepth_core.depth import Depth
from anydepth_core.errors import BudgetError
from anydepth_core.runtime.budget import Resource
from anydepth_core.runtime.policy import Choice, FrameCost, Policy
from anydepth_core.runtime.policy_budgeted import within
from anydepth_core.runtime.profile import Profile, ProfileEntry

RECENT_READINGS = 3
POWER_MARGIN = 0.1  # of the budget
HEAT_MARGIN_C = 5.0
MAX_PATIENCE = 16  # dwells


class Limit:
    """One limit and the last readings of what it limits.

    Args:
        value: the limit; None: none.
        margin: how far below it readings must be before a deeper step is tried.
        inert: what it limits goes on rising, or still falls, long after a step.
    """

    def __init__(self, value: float | None, margin: float, *, inert: bool) -> None:
        self.value, self._margin, self._inert = value, margin, inert
        self._readings: deque[float] = deque(maxlen=RECENT_READINGS)
        self._before: float | None = None
        self.seen = False

    def add(self, reading: float | None) -> None:
        """Take note of a reading; one that is none or not finite means nothing."""
        if reading is not None and math.isfinite(reading):
            self._readings.append(reading)
            self.seen = True

    def begin(self) -> None:
        """Forget the readings: another step begins."""
        if self._readings:
            self._before = median(self._readings)
        self._readings.clear()

    @property
    def known(self) -> bool:
        """Whether there are enough readings since the step began."""
        return len(self._readings) == RECENT_READINGS

    @property
    def excess(self) -> float:
        """By how much the readings exceed the limit; 0 if they do not, or nobody knows."""
        if self.value is None or not self.known:
            return 0.0
        return max(median(self._readings) - self.value, 0.0)

    @property
    def acts(self) -> bool:
        """Whether what exceeds the limit is on its way down already."""
        return self._inert and self._before is not None and self.known and (
            median(self._readings) < self._before)

    @property
    def easy(self) -> bool:
        """Whether there is room for a deeper step."""
        if self.value is None or not self.seen:
            return True
        return self.known and median(self._readings) < self.value - self._margin


class StepDown:
    """Which is the dearest entry of the profile that may run, as power and temperature go.

    While a limit is exceeded it goes down one Pareto entry each dwell, to the cheapest at last; a
    temperature that is falling already is given time. When readings have been below the limit by
    a margin for long enough it goes up one entry. How long is enough is one dwell, and doubles up
    to `MAX_PATIENCE` dwells whenever going up proved wrong, until an entry has held.

    One thread, or one lock, calls `feel` and `change`; any may read `highest` and ask `allows`.

    Args:
        profile: what each depth costs.
        power_budget_w: watts that all sensors together may tell; None: any.
        max_temperature_c: degrees Celsius of the hottest; None: any.
        floor: everything that this depth runs will run; None: no floor.
        ceiling: nothing will run but what this depth runs; None: no ceiling.
        dwell_s: least number of seconds between two steps.

    Attributes:
        highest: the dearest entry that may run; None: any may.

    Raises:
        BudgetError: a limit or the dwell is no such number, or nothing in the profile lies within
            floor and ceiling.
        DepthError: floor or ceiling is not a depth of this model.
    """

    def __init__(self, profile: Profile, *, power_budget_w: float | None = None,
                 max_temperature_c: float | None = None, floor: Depth | str | None = None,
                 ceiling: Depth | str | None = None, dwell_s: float = 5.0) -> None:
        _require(dwell_s, 'a dwell', 's')
        self.profile, self._dwell_s = profile, dwell_s
        known = all(entry.energy_j is not None for entry in profile.entries)
        resource: Resource = 'energy_j' if known else 'latency_ms'
        self._costs = {entry.depth: entry.cost(resource) for entry in profile.entries}
        self._power, self._heat = _limits(power_budget_w, max_temperature_c)
        self._steps = self._list_steps(floor, ceiling)
        self._go(len(self._steps) - 1)
        self._stepped = -math.inf
        self._went_up = False
        self._patience_s = dwell_s

    def change(self, *, power_budget_w: float | None = None,
               max_temperature_c: float | None = None, floor: Depth | str | None = None,
               ceiling: Depth | str | None = None) -> None:
        """Keep other limits from now on; what runs stays about as expensive as it is.

        Raises:
            BudgetError, DepthError: as the constructor; nothing has changed then.
        """
        new, steps = _limits(power_budget_w, max_temperature_c), self._list_steps(floor, ceiling)
        highest, top = self.highest, len(steps) - 1
        self._power, self._heat = (
            old if old.value == limit.value else limit
            for old, limit in zip((self._power, self._heat), new))
        if highest is not None and (power_budget_w, max_temperature_c) != (None, None):
            most = self._costs[highest.depth]
            cheaper = [i for i, entry in enumerate(steps) if self._costs[entry.depth] <= most]
            top = max(cheaper, default=0)
        self._steps = steps
        self._go(top)
        self._went_up, self._patience_s = False, self._dwell_s

    def feel(self, now: float, power_w: float | None, temperature_c: float | None) -> None:
        """Take note of readings `now`, in seconds of a monotonic clock, and step if need be.

        Call it about once a second. A reading that is None or not finite means nothing.
        """
        self._power.add(power_w)
        self._heat.add(temperature_c)
        held = now - self._stepped
        if held < 0:  # the clock was set back
            self._stepped, held = now, 0.0
        limits = (self._power, self._heat)
        if held >= self._dwell_s and any(limit.excess for limit in limits):
            if all(limit.acts for limit in limits if limit.excess):
                self._begin(now, self._level)
            elif self._level:
                if self._went_up:
                    self._patience_s = min(2 * self._patience_s, MAX_PATIENCE * self._dwell_s)
                self._went_up = False
                self._begin(now, self._level - 1)
        elif held >= self._patience_s and all(limit.easy for limit in limits):
            if self._went_up:
                self._patience_s = self._dwell_s
            self._went_up = self._level < len(self._steps) - 1
            if self._went_up:
                self._begin(now, self._level + 1)

    @property
    def reason(self) -> str:
        """Why nothing dearer runs, in one line for people; empty if anything may."""
        highest = self.highest
        if highest is None:
            return ''
        limits = ((self._power.value, 'W'), (self._heat.value, 'degrees Celsius'))
        kept = ' and '.join(f'{value:g} {unit}' for value, unit in limits if value is not None)
        return f'no deeper than {highest.name}, to keep {kept}'

    @property
    def shortfall(self) -> str:
        """By how much even the cheapest is over, in words; empty if it is not."""
        if self._level:
            return ''
        over = [f'{limit.excess:.3g} {unit}' for limit, unit in (
            (self._power, 'W'), (self._heat, 'degrees Celsius')) if limit.excess]
        return ' and '.join(over)

    def allows(self, depth: Depth) -> bool:
        """Return whether `depth` may run: it is no dearer than, or part of, the highest."""
        highest = self.highest
        if highest is None or depth <= highest.depth:
            return True
        return self._costs.get(depth, math.inf) <= self._costs[highest.depth]

    def _go(self, level: int) -> None:
        self._level = level
        self.highest = self._steps[level] if level < len(self._steps) - 1 else None

    def _begin(self, now: float, level: int) -> None:
        self._stepped = now
        self._go(level)
        self._power.begin()
        self._heat.begin()

    def _list_steps(self, floor: Depth | str | None,
                    ceiling: Depth | str | None) -> tuple[ProfileEntry, ...]:
        return self.profile.pareto(lambda entry: self._costs[entry.depth],
                                   within(self.profile, floor, ceiling))


class Limited(Policy):
    """A policy that `StepDown` limits: what may not run now is replaced by the highest that may.

    Args:
        policy: which chooses; it learns as if nothing limited it.
        step_down: several policies can share it.
    """

    def __init__(self, policy: Policy, step_down: StepDown) -> None:
        self.policy, self.step_down = policy, step_down

    def choose(self, now: float) -> Choice:  # noqa: D102
        choice, highest = self.policy.choose(now), self.step_down.highest
        if highest is None or self.step_down.allows(choice.depth):
            return choice
        return Choice(highest.depth, f'{self.step_down.reason}; {choice.reason}', choice.shortfall)

    def observe(self, cost: FrameCost) -> None:  # noqa: D102
        self.policy.observe(cost)


def _limits(power_budget_w: float | None, max_temperature_c: float | None) -> tuple[Limit, Limit]:
    for value, what, unit in ((power_budget_w, 'a power budget', 'W'),
                              (max_temperature_c, 'a greatest temperature', 'degrees Celsius')):
        if value is not None:
            _require(value, what, unit)
    return (Limit(power_budget_w, POWER_MARGIN * (power_budget_w or 0.0), inert=False),
            Limit(max_temperature_c, HEAT_MARGIN_C, inert=True))


def _require(value: object, what: str, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise BudgetError(f'{what} of {value!r} {unit}; valid: a finite number above 0')
