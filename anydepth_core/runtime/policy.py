# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Policies: what picks the depth of the next frame. Pure Python; the clock is the caller's.

Before a frame `choose(now)` names its depth and why; after it `observe(cost)` tells what it cost.
Not thread-safe: one thread, or one lock, calls all methods. The policies that keep a budget are
in `policy_budgeted`. `docs/policy.md` says what each policy promises.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
import math

from anydepth_core.depth import Depth
from anydepth_core.errors import BudgetError


@dataclass(frozen=True)
class Choice:
    """The depth of the next frame.

    Attributes:
        depth: which.
        reason: why, in one line for people.
        shortfall: by how much the budget of a frame (ms, GFLOPs or joules) is too small even for
            the shallowest depth allowed; 0 if it is not.
    """

    depth: Depth
    reason: str
    shortfall: float = 0.0


@dataclass(frozen=True)
class FrameCost:
    """What one frame did cost.

    Attributes:
        depth: that ran.
        latency_ms: milliseconds from image to detections, as the profile counts them.
        energy_j: joules, as the profile counts them; None if nobody measured.
        benefit: of full in the next frame, as a router predicts it from this one; nan without.
    """

    depth: Depth
    latency_ms: float
    energy_j: float | None = None
    benefit: float = math.nan


class Policy(ABC):
    """Picks the depth of the next frame."""

    @abstractmethod
    def choose(self, now: float) -> Choice:
        """Return the depth of the frame that starts `now`, in seconds of a monotonic clock."""

    def observe(self, cost: FrameCost) -> None:  # noqa: B027  # most policies need not know
        """Take note of what a frame did cost."""


class Fixed(Policy):
    """One depth for every frame."""

    def __init__(self, depth: Depth) -> None:
        self._choice = Choice(depth, f'fixed: {depth}')

    def choose(self, now: float) -> Choice:  # noqa: D102
        return self._choice


class Scheduled(Policy):
    """A deep frame now and then, shallow ones between.

    Args:
        deep: depth of every `every`-th frame, and of frames that `request` asks for.
        shallow: depth of all others.
        every: 1 or more; None: deep on request only.

    Raises:
        BudgetError: `every` is not a whole number above 0.
    """

    def __init__(self, deep: Depth, shallow: Depth, every: int | None) -> None:
        if every is not None and (type(every) is not int or every < 1):
            raise BudgetError(f'a deep frame every {every!r} frames; valid: a whole number from '
                              '1, or none for deep frames on request only')
        self._deep, self._shallow, self._every = deep, shallow, every
        self._since_deep: int | None = None
        self._requested = 0

    def request(self, frames: int = 1) -> None:
        """Make the next `frames` frames deep.

        Raises:
            BudgetError: `frames` is not a whole number above 0.
        """
        if type(frames) is not int or frames < 1:
            raise BudgetError(f'{frames!r} deep frames requested; valid: a whole number from 1')
        self._requested = max(self._requested, frames)

    def choose(self, now: float) -> Choice:
        """Return deep or shallow; each call counts as one frame."""
        if self._requested:
            self._requested -= 1
            self._since_deep = 0
            return Choice(self._deep, 'scheduled: deep on request')
        if self._every is None:
            return Choice(self._shallow, 'scheduled: shallow until a deep frame is requested')
        if self._since_deep is None or self._since_deep + 1 >= self._every:
            self._since_deep = 0
            return Choice(self._deep, f'scheduled: deep every {self._every} frames')
        self._since_deep += 1
        return Choice(self._shallow, 'scheduled: shallow, deep in '
                                     f'{self._every - self._since_deep} frames')
