# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the node counts: images received, processed, dropped, refused, lost and failed; times.

No ROS here. Every method may be called from any thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
import re
import threading
from typing import Any

WINDOW = 300


@dataclass(frozen=True)
class Counts:
    """Totals since the node was configured.

    Attributes:
        arrived: images handed to the callback while the node was active and enabled.
        replaced: images that a newer one pushed out of the slot.
        missing: numbers left out in the publishers' sequences: lost, or overtaken in the queue.
        processed: images whose detections were published.
        refused: images that were older than allowed when their turn came.
        failed: images that could not be read or processed.
        lost_in_transport: images that the middleware says were sent to this node and never came.
    """

    arrived: int = 0
    replaced: int = 0
    missing: int = 0
    processed: int = 0
    refused: int = 0
    failed: int = 0
    lost_in_transport: int = 0

    @property
    def received(self) -> int:
        """Images that reached this process: the callback's, and those a newer one overtook."""
        return self.arrived + self._overtaken

    @property
    def dropped(self) -> int:
        """Images given up because a newer one came before their turn."""
        return self.replaced + self._overtaken

    @property
    def _overtaken(self) -> int:
        return max(0, self.missing - self.lost_in_transport)


class FrameStatistics:
    """The counts, the latest processing times, and which errors were already told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()
        self._times_ms: deque[float] = deque(maxlen=WINDOW)
        self._failures_in_a_row = 0
        self._told: set[str] = set()

    @property
    def counts(self) -> Counts:
        """The totals now."""
        with self._lock:
            return self._counts

    @property
    def failures_in_a_row(self) -> int:
        """How many images failed since the last that was processed."""
        with self._lock:
            return self._failures_in_a_row

    def add(self, *, arrived: int = 0, replaced: int = 0, missing: int = 0, lost: int = 0,
            refused: int = 0) -> None:
        """Count images that came, were pushed out, were left out, were lost, or were too old."""
        with self._lock:
            old = self._counts
            self._counts = replace(old, arrived=old.arrived + arrived,
                                   replaced=old.replaced + replaced,
                                   missing=old.missing + missing,
                                   refused=old.refused + refused,
                                   lost_in_transport=old.lost_in_transport + lost)

    def add_processed(self, total_ms: float) -> Counts:
        """Count one processed image and return the totals with it."""
        with self._lock:
            self._counts = replace(self._counts, processed=self._counts.processed + 1)
            self._times_ms.append(total_ms)
            self._failures_in_a_row = 0
            return self._counts

    def add_failed(self, reason: str) -> bool:
        """Count one failed image; return whether this kind of failure is new.

        Reasons that differ in their numbers alone are one kind.
        """
        with self._lock:
            self._counts = replace(self._counts, failed=self._counts.failed + 1)
            self._failures_in_a_row += 1
        return self.is_new(reason)

    def is_new(self, reason: str) -> bool:
        """Return whether nothing of this kind was told before, and remember that it is now."""
        kind = re.sub(r'\d+', '#', reason)
        with self._lock:
            new = kind not in self._told and len(self._told) < WINDOW
            if new:
                self._told.add(kind)
            return new

    def quantiles_ms(self, *shares: float) -> list[float]:
        """Return the processing times below which these shares of the latest images lie."""
        with self._lock:
            times = sorted(self._times_ms)
        return quantiles(times, shares)


def quantiles(ordered: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Return nearest-rank quantiles of a sorted sequence; nan where it is empty."""
    if not ordered:
        return [float('nan')] * len(shares)
    return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in shares]


class SequenceGaps:
    """Finds the messages missing between two that came, from the publishers' sequence numbers."""

    def __init__(self) -> None:
        self._last: dict[bytes, int] = {}

    def missing_in(self, info: Mapping[str, Any]) -> int | None:
        """Return how many messages are missing before the one that this information came with.

        None for the first of its publisher, and where the middleware or rclpy does not tell which
        publisher or number it is: Jazzy's rclpy tells no publisher.
        """
        publisher, number = info.get('publisher_gid'), info.get('publication_sequence_number')
        if publisher is None or number is None:
            return None
        return self.missing_before(bytes(publisher['data']), number)

    def missing_before(self, publisher: bytes, number: int) -> int | None:
        """Return how many numbers were left out just before `number`; None for the first."""
        last = self._last.get(publisher)
        self._last[publisher] = number
        return None if last is None else max(0, number - last - 1)
