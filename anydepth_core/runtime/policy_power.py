# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""An average of watts, met by alternating between depths of known energy. Pure Python."""

from __future__ import annotations

from collections import deque
import math
from statistics import median

from anydepth_core.depth import Depth
from anydepth_core.runtime.budget import Budget
from anydepth_core.runtime.policy import Choice, FrameCost, Policy
from anydepth_core.runtime.policy_budgeted import Tracking
from anydepth_core.runtime.profile import Profile

RECENT_READINGS = 3
SHORTEST_S = 1e-3  # readings closer to each other tell no watts


class PowerCap:
    """The dearest depth of each frame with which the machine keeps its power budget on average.

    A sensor tells about once a second what the whole machine draws, the profile what frames draw
    above that (feed-forward). What is left of a reading after the frames since the one before is
    what all else draws, together with all that the profile is wrong by; the rest of the budget is
    for frames, and `Tracking` spends it. So each reading adds the difference between budget and
    power to what frames get (integral), as the median of the last three, and nothing winds up,
    because it starts from what frames did draw. This comes to rest wherever frames draw less than
    twice their profile.

    One thread calls `choose`, `observe` and `change`; any may call `feel`.

    Args:
        profile: with the joules of each depth above the machine at rest.
        power_budget_w: watts that all sensors together may tell.
        floor, ceiling: see `Tracking`.
        shares: how many caps keep the same budget, each with frames of its own.

    Raises:
        ProfileError: the profile does not know joules.
        BudgetError, DepthError: as `Tracking`.
    """

    def __init__(self, profile: Profile, power_budget_w: float, *,
                 floor: Depth | str | None = None, ceiling: Depth | str | None = None,
                 shares: int = 1) -> None:
        self._tracking = Tracking(profile, Budget(power_budget_w / shares, 'watts'), floor=floor,
                                  ceiling=ceiling)
        self._joules = {entry.depth: entry.cost('energy_j') for entry in profile.entries}
        self._budget_w, self._limits, self._shares = power_budget_w, (floor, ceiling), shares
        self._rooms: deque[float] = deque(maxlen=RECENT_READINGS)
        self._reading: tuple[float, float] | None = None
        self._since: float | None = None
        self._spent_j, self._frames = 0.0, 0
        self.shortfall_w = 0.0

    def change(self, power_budget_w: float, *, floor: Depth | str | None = None,
               ceiling: Depth | str | None = None) -> None:
        """Keep another budget between other limits from the next frame on.

        Raises:
            BudgetError, DepthError: as the constructor; nothing has changed then.
        """
        difference = (power_budget_w - self._budget_w) / self._shares
        watts = max(self._tracking.budget.value + difference, 1e-6)
        self._tracking.change(Budget(watts, 'watts'), floor=floor, ceiling=ceiling)
        self._budget_w, self._limits = power_budget_w, (floor, ceiling)

    def feel(self, now: float, power_w: float | None) -> None:
        """Take note of a reading `now`; one that is None or not finite means nothing."""
        if power_w is not None and math.isfinite(power_w):
            self._reading = now, power_w

    def choose(self, now: float) -> Choice:
        """Return the dearest depth for the frame that starts `now`, on the clock of `feel`."""
        reading, self._reading = self._reading, None
        if reading is not None:
            self._correct(*reading)
        return self._tracking.choose(now)

    def observe(self, depth: Depth) -> None:
        """Take note of which depth did run."""
        joules = self._joules.get(depth)
        if joules is not None:
            self._spent_j += joules
            self._frames += 1
            self._tracking.observe(FrameCost(depth, 1.0, joules))

    def allows(self, depth: Depth, cap: Depth) -> bool:
        """Return whether `depth` may run where `cap` is the dearest: it draws no more."""
        return depth <= cap or self._joules.get(depth, math.inf) <= self._joules[cap]

    @property
    def reason(self) -> str:
        """What is kept, in one line for people."""
        return f'{self._tracking.budget.value:.3g} W for frames, to keep {self._budget_w:g} W'

    def _correct(self, at: float, power_w: float) -> None:
        since, spent_j, frames = self._since, self._spent_j, self._frames
        self._since, self._spent_j, self._frames = at, 0.0, 0
        if since is None or at - since < SHORTEST_S or not frames:
            return
        self._rooms.append(spent_j / (at - since) - power_w / self._shares)
        options, rate = self._tracking.options, frames / (at - since)
        least, most = (each.cost('energy_j') * rate for each in (options[0], options[-1]))
        wanted = self._budget_w / self._shares + median(self._rooms)
        self.shortfall_w = max(power_w - self._budget_w, 0.0) if wanted <= least else 0.0
        floor, ceiling = self._limits
        self._tracking.change(Budget(min(max(wanted, least), most), 'watts'), floor=floor,
                              ceiling=ceiling)


class Capped(Policy):
    """A policy below a `PowerCap`: what would draw too much is replaced by what may run.

    Args:
        policy: which chooses; it learns as if nothing capped it.
        cap: of its own.
    """

    def __init__(self, policy: Policy, cap: PowerCap) -> None:
        self.policy, self.cap = policy, cap

    def choose(self, now: float) -> Choice:  # noqa: D102
        choice, cap = self.policy.choose(now), self.cap.choose(now)
        if self.cap.allows(choice.depth, cap.depth):
            return choice
        return Choice(cap.depth, f'{self.cap.reason}; {choice.reason}', choice.shortfall)

    def observe(self, cost: FrameCost) -> None:  # noqa: D102
        self.policy.observe(cost)
        self.cap.observe(cost.depth)
