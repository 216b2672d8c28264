# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The newest-wins slot between the image callback and the inference thread. No ROS in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import threading
import time
from typing import Generic, TypeVar

T = TypeVar('T')


@dataclass(frozen=True)
class Letter(Generic[T]):
    """One item as it left the slot.

    Attributes:
        item: what was put.
        waited_s: seconds it lay in the slot.
    """

    item: T
    waited_s: float


class Mailbox(Generic[T]):
    """A slot for one item: putting never blocks; an item not yet taken is replaced and counted.

    Any number of threads may put; one takes. A closed slot takes nothing in and wakes its taker.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._content: tuple[T, float] | None = None
        self._closed = False
        self._replaced = 0

    @property
    def replaced(self) -> int:
        """How many items a newer one has pushed out before they were taken."""
        with self._changed:
            return self._replaced

    def put(self, item: T) -> bool:
        """Lay `item` into the slot; return whether it replaced one that nobody had taken."""
        with self._changed:
            if self._closed:
                return False
            replaced = self._content is not None
            self._replaced += replaced
            self._content = (item, self._clock())
            self._changed.notify()
            return replaced

    def take(self, timeout_s: float | None = None) -> Letter[T] | None:
        """Wait for an item and empty the slot; None when closed or when `timeout_s` has passed."""
        with self._changed:
            self._changed.wait_for(lambda: self._content is not None or self._closed, timeout_s)
            if self._closed or self._content is None:
                return None
            item, put_at = self._content
            self._content = None
            return Letter(item, self._clock() - put_at)

    def discard(self) -> None:
        """Empty the slot without counting."""
        with self._changed:
            self._content = None

    def close(self) -> None:
        """Let `take` return None from now on, also in a thread that already waits."""
        with self._changed:
            self._closed = True
            self._content = None
            self._changed.notify_all()
