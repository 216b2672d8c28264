# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is: a newest-wins slot per camera before one inference thread. No ROS here.

Of the cameras that have an image, the one is served that had the fewest turns for its priority; of
equals, the one that waited longest. Every turn adds to a camera's account, so none starves; with
more images than time, cameras are served in proportion to their priorities. Who was silent for a
while gains nothing by that (start-time fair queueing: Goyal, Vin and Cheng, 1996).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
import math
import threading
import time
from typing import Any, Generic, NamedTuple, TypeVar

LONGEST_WAIT_S = 3600.0
T = TypeVar('T')
R = TypeVar('R')


class Rank(NamedTuple):
    """What a camera is entitled to.

    Attributes:
        priority: its share of the turns, relative to other cameras.
        rate_limit_hz: at most so many turns a second; 0: as many as there are.
    """

    priority: int = 1
    rate_limit_hz: float = 0.0


@dataclass(frozen=True)
class Letter(Generic[T]):
    """One item as it left its slot.

    Attributes:
        camera: whose slot it was.
        item: what was put.
        waited_s: seconds it lay in the slot.
    """

    camera: str
    item: T
    waited_s: float


@dataclass(frozen=True)
class Job:
    """Something to do between two items, and who waits for its result."""

    work: Callable[[], Any]
    future: Future[Any]

    def run(self) -> None:
        """Do it; what it raises goes to the one who waits."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.work())
        except Exception as error:
            self.future.set_exception(error)


class Slot(Generic[T]):
    """Room for one item of one camera: a newer one replaces it. Made by `Scheduler.slot`."""

    def __init__(self, camera: str, rank: Callable[[], Rank], changed: threading.Condition,
                 clock: Callable[[], float]) -> None:
        self.camera = camera
        self.replaced = 0
        self.content: tuple[T, float] | None = None
        self.closed = False
        self._rank = rank
        self._changed = changed
        self._clock = clock
        self.served = -math.inf
        self.account = 0.0  # turns had, each counted as one over the priority
        self._account_before = 0.0
        self._turn = -math.inf  # when its last turn was due, which keeps the rate even
        self._turn_before = -math.inf

    def put(self, item: T) -> bool:
        """Lay `item` in, never blocking; return whether it replaced one that nobody had taken."""
        with self._changed:
            if self.closed:
                return False
            replaced = self.content is not None
            self.replaced += replaced
            self.content = (item, self._clock())
            self._changed.notify()
            return replaced

    def discard(self) -> None:
        """Empty the slot without counting."""
        with self._changed:
            self.content = None

    def due(self) -> float:
        """Return from when on it may have its next turn."""
        return self._turn + self._period_s()

    def empty(self, now: float, least: float) -> Letter[T]:
        """Take the item, which is there.

        Args:
            now: seconds of the clock.
            least: what the account counts at least, whatever was not used of it.
        """
        assert self.content is not None
        item, put_at = self.content
        self.content = None
        self._account_before = self.account
        self.account = max(self.account, least) + 1 / self._rank().priority
        due, self.served = self.due(), now
        self._turn_before = self._turn
        self._turn = due if now - due < self._period_s() else now
        return Letter(self.camera, item, now - put_at)

    def give_back(self) -> None:
        """Let the turn just had not count, because its item was of no use."""
        with self._changed:
            self._turn = self._turn_before
            self.account = self._account_before

    def _period_s(self) -> float:
        rate = self._rank().rate_limit_hz
        return 1 / rate if rate > 0 else 0.0


class Scheduler(Generic[T]):
    """The slots of all cameras, the jobs between, and one taker who waits for either."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._slots: list[Slot[T]] = []
        self._jobs: deque[Job] = deque()
        self._job_next = True
        self._least = 0.0  # the account of the camera served last, before its turn
        self._closed = False

    def slot(self, camera: str, rank: Callable[[], Rank] = Rank) -> Slot[T]:
        """Return a new slot.

        Args:
            camera: what its letters say.
            rank: asked at each turn.
        """
        with self._changed:
            slot: Slot[T] = Slot(camera, rank, self._changed, self._clock)
            self._slots.append(slot)
            return slot

    def take(self, timeout_s: float | None = None) -> Letter[T] | Job | None:
        """Wait for a turn: an item or a job, in turns. None when closed or after `timeout_s`."""
        with self._changed:
            deadline = math.inf if timeout_s is None else self._clock() + timeout_s
            while not self._closed:
                now = self._clock()
                filled = [slot for slot in self._slots if slot.content is not None]
                ready = self._in_order(filled, now)
                if self._jobs and (self._job_next or not ready):
                    self._job_next = False
                    return self._jobs.popleft()
                if ready:
                    self._job_next = True
                    self._least = max(self._least, ready[0].account)
                    return ready[0].empty(now, self._least)
                until = min([deadline, *(slot.due() for slot in filled)])
                if now >= deadline:
                    return None
                # A tiny rate is due after longer than a lock can wait: look again meanwhile.
                self._changed.wait(min(until - now, LONGEST_WAIT_S))
            return None

    def more(self, matches: Callable[[str, T], bool], most: int) -> list[Letter[T]]:
        """Return items that could be served now as well, without waiting for any.

        Args:
            matches: told a camera and its item, says whether it is wanted.
            most: how many, those of the most deserving cameras.
        """
        with self._changed:
            now = self._clock()
            filled = [slot for slot in self._slots if slot.content is not None
                      and matches(slot.camera, slot.content[0])]
            return [slot.empty(now, self._least) for slot in self._in_order(filled, now)[:most]]

    def _in_order(self, filled: list[Slot[T]], now: float) -> list[Slot[T]]:
        """Return those that are due, the most deserving first."""
        return sorted((slot for slot in filled if slot.due() <= now),
                      key=lambda slot: (max(slot.account, self._least), slot.served))

    def call(self, work: Callable[[], R]) -> R:
        """Let the taker do `work` between two items; return its result or raise its error.

        Raises:
            concurrent.futures.CancelledError: closed before it was done.
        """
        return self.submit(work).result()

    def submit(self, work: Callable[[], R]) -> Future[R]:
        """Let the taker do `work` between two items, after what was submitted before."""
        future: Future[R] = Future()
        with self._changed:
            if self._closed:
                future.cancel()
            self._jobs.append(Job(work, future))
            self._changed.notify()
        return future

    def wake(self) -> None:
        """Let the taker look again, because ranks have changed."""
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """Let `take` return None from now on, also in a thread that already waits."""
        with self._changed:
            self._closed = True
            for slot in self._slots:
                slot.closed, slot.content = True, None
            for job in self._jobs:
                job.future.cancel()
            self._changed.notify_all()
