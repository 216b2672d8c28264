# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A budget kept on average, spent on the frames that gain most from it. Pure Python."""

from __future__ import annotations

from collections import deque
import math

from anydepth_core.depth import Depth
from anydepth_core.runtime.budget import Budget
from anydepth_core.runtime.policy import FrameCost
from anydepth_core.runtime.policy_budgeted import Tracking
from anydepth_core.runtime.profile import Profile

RECENT_BENEFITS = 120
LEAST_BENEFITS = 10
LOAN_FRAMES = 15


class Routed(Tracking):
    """`Tracking`, but which frames are deep is decided by their predicted benefit.

    As many frames are deep as `Tracking` would choose: those above the quantile of the last
    `RECENT_BENEFITS` predictions that leaves this share above it. Where predictions drift the
    share is corrected by the remainder that `Tracking` keeps, at a rate of 1 / `LOAN_FRAMES` of
    it each frame, and nothing is borrowed or saved beyond that many frames. With few predictions,
    or none, it is `Tracking`.

    The arguments and the errors are those of `Tracking`.
    """

    def __init__(self, profile: Profile, budget: Budget, *, floor: Depth | str | None = None,
                 ceiling: Depth | str | None = None, dwell_s: float = 0.0) -> None:
        self._benefits: deque[float] = deque(maxlen=RECENT_BENEFITS)
        self._next: float | None = None
        super().__init__(profile, budget, floor=floor, ceiling=ceiling, dwell_s=dwell_s)

    def observe(self, cost: FrameCost) -> None:  # noqa: D102
        super().observe(cost)
        self.predict(cost.benefit)

    def predict(self, benefit: float) -> None:
        """Take note of what a router predicts for the next frame; ignored if not finite."""
        self._next = benefit if math.isfinite(benefit) else None
        if self._next is not None:
            self._benefits.append(self._next)

    def _goes_deeper(self, aim: float, low: float, high: float) -> bool:
        benefit, self._next = self._next, None
        self._chosen_by = 'tracking'
        step = high - low
        if benefit is None or len(self._benefits) < LEAST_BENEFITS or not step:
            return super()._goes_deeper(aim, low, high)
        share = (aim - low) / step + self._remainder / (step * LOAN_FRAMES)
        if not 0 < share < 1:
            return share >= 1
        above = sum(other > benefit for other in self._benefits)
        alike = sum(other == benefit for other in self._benefits)
        # Equal predictions tell nothing: among them the order is Tracking's.
        if above < share * len(self._benefits) < above + alike and alike > 1:
            return super()._goes_deeper(aim, low, high)
        self._chosen_by = f'router: benefit {benefit:.3g}, {above / len(self._benefits):.0%} above'
        return above < share * len(self._benefits)
