# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One thing that can be read: watts or degrees, now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MAX_WATTS = 100_000.0
CELSIUS = (-55.0, 200.0)


@dataclass(frozen=True)
class Source:
    """One sensor.

    Attributes:
        name: for people, such as 'RAPL package-0'.
        read: returns watts or degrees Celsius; OSError or ValueError where it cannot now.
    """

    name: str
    read: Callable[[], float]


@dataclass
class Found:
    """What one platform interface has.

    Attributes:
        board_w: each the power of the whole board or machine.
        part_w: each the power of one processor, of which the sum is what counts.
        celsius: temperatures of processors.
        notes: why something that is there cannot be used, and what to do, each one clause.
    """

    board_w: list[Source] = field(default_factory=list)
    part_w: list[Source] = field(default_factory=list)
    celsius: list[Source] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Take over everything that `other` has."""
        self.board_w += other.board_w
        self.part_w += other.part_w
        self.celsius += other.celsius
        self.notes += other.notes


def watts(value: float) -> float:
    """Return `value` if it can be a power; ValueError else (a counter that began anew)."""
    if not 0 <= value <= MAX_WATTS:
        raise ValueError(f'{value} W')
    return value


def celsius(value: float) -> float:
    """Return `value` if it can be a temperature; ValueError else (a sensor that is off)."""
    if not CELSIUS[0] < value < CELSIUS[1]:
        raise ValueError(f'{value} degrees Celsius')
    return value
