# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The AnyDepth authors' budget controller, written anew from its description, to compare with.

"Dynamic Depth Routing for Budget-Adaptive Object Detection in ADAS" (IEEE Access): a small network
predicts from the frame before by how much the full network would do better; full runs iff that
advantage exceeds a threshold, and a PI controller moves the threshold to keep a budget. This is
the newest variant of their program: exponential average of the cost, feed-forward from the
distribution of advantages, back-calculation against windup, flush of the integral on a tightened
target. Where their variants differ, the one that keeps the budget better is taken: feed-forward by
quantile also for budgets in milliseconds, and no cost is charged for the predicting network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import math
import random

from anydepth_core.runtime.budget import Budget
from anydepth_core.runtime.policy import Choice, FrameCost, Policy
from anydepth_core.runtime.profile import ProfileEntry

BAND_MARGIN = 0.03
FLUSH_JUMP = {'latency_ms': 1.0, 'gflops': 1.0, 'energy_j': 0.001}


@dataclass(frozen=True)
class Gains:
    """Gains as published, relative to threshold band over cost band.

    Attributes:
        kp, ki: of the smoothed error and of its sum.
        beta: weight of the past in the smoothed cost.
    """

    kp: float
    ki: float
    beta: float


PUBLISHED_GAINS = (Gains(1.0, 0.10, 0.85),  # RTX 3090, 720x1280
                   Gains(1.1, 0.18, 0.95),  # Jetson Orin Nano, 576x1024
                   Gains(2.0, 0.33, 0.85))  # Jetson Orin Nano, 720x1280


def advantages(rng: random.Random, correlation: float) -> Iterator[float]:
    """Yield synthetic predicted advantages of full over base, one a frame, without end.

    They lie around 0.15 with a standard deviation of 0.1, in the middle of the published
    threshold bands.

    Args:
        rng: source of randomness.
        correlation: of one frame's value with the next; 0 is white noise, video is near 1.
    """
    value = rng.gauss(0, 1)
    while True:
        yield 0.15 + 0.1 * value
        value = correlation * value + math.sqrt(1 - correlation ** 2) * rng.gauss(0, 1)


class PublishedController(Policy):
    """Two levels, chosen by a threshold under PI control.

    Args:
        base, full: the two entries; their mean costs are the controller's anchors.
        budget: to keep.
        gains: one of `PUBLISHED_GAINS`.
        warm_up: advantages of earlier frames: band and feed-forward come from them.
        signal: the advantage predicted after each frame.
    """

    def __init__(self, base: ProfileEntry, full: ProfileEntry, budget: Budget, gains: Gains,
                 warm_up: Sequence[float], signal: Iterator[float]) -> None:
        self._base, self._full, self._gains, self._signal = base, full, gains, signal
        self._sorted = sorted(warm_up)
        self._low = self._sorted[0] - BAND_MARGIN
        self._high = self._sorted[-1] + BAND_MARGIN
        self._advantage: float | None = None
        self._smooth: float | None = None
        self._target: float | None = None
        self._integral = 0.0
        self._now: float | None = None
        self._period: float | None = None
        self.budget = budget

    def change(self, budget: Budget) -> None:
        """Keep another budget of the same unit from the next frame on."""
        self.budget = budget

    def choose(self, now: float) -> Choice:
        """Return base or full; base for the very first frame."""
        if self._now is not None and now > self._now:
            self._period = now - self._now
        self._now = now
        if self._period is None and self.budget.per_second:
            return Choice(self._base.depth, 'base until the frame rate is known')
        threshold = self._threshold(self.budget.allowance(self._period or 0.0))
        if self._advantage is not None and self._advantage > threshold:
            return Choice(self._full.depth, f'advantage above {threshold:.3g}')
        return Choice(self._base.depth, f'advantage not above {threshold:.3g}')

    def observe(self, cost: FrameCost) -> None:
        """Smooth the cost and predict the advantage of full for the next frame."""
        resource = self.budget.resource
        entry = self._full if cost.depth == self._full.depth else self._base
        measured = {'latency_ms': cost.latency_ms, 'gflops': entry.gflops,
                    'energy_j': cost.energy_j}[resource]
        assert measured is not None
        if self._smooth is not None:
            beta = self._gains.beta
            self._smooth = beta * self._smooth + (1 - beta) * measured
        self._advantage = next(self._signal)

    def _threshold(self, target: float) -> float:
        resource = self.budget.resource
        base, full = self._base.cost(resource), self._full.cost(resource)
        if self._smooth is None:
            self._smooth = target
        if self._target is not None and self._target - target > FLUSH_JUMP[resource]:
            self._integral = 0.0
        self._target = target
        scale = (self._high - self._low) / (full - base)
        kp, ki = self._gains.kp * scale, self._gains.ki * scale
        error = target - self._smooth
        self._integral += error
        share = min(max((target - base) / (full - base), 0.0), 1.0)
        wanted = self._quantile(1 - share) - kp * error - ki * self._integral
        threshold = min(max(wanted, self._low), self._high)
        self._integral += (wanted - threshold) / ki
        return threshold

    def _quantile(self, share: float) -> float:
        """Return the advantage that `share` of the warm-up frames stay below (linear)."""
        place = share * (len(self._sorted) - 1)
        low = math.floor(place)
        high = min(low + 1, len(self._sorted) - 1)
        return self._sorted[low] + (place - low) * (self._sorted[high] - self._sorted[low])
