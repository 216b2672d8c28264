# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Budget: what a frame may cost. Pure Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from anydepth_core.errors import BudgetError, nearest

Resource = Literal['latency_ms', 'gflops', 'energy_j']

UNITS: Mapping[str, tuple[Resource, str]] = {
    'ms': ('latency_ms', 'milliseconds a frame may take'),
    'fps': ('latency_ms', 'frames per second the detector must keep up with'),
    'gflops': ('gflops', 'GFLOPs a frame may need'),
    'gflops/s': ('gflops', 'GFLOPs a second of frames may need'),
    'joules': ('energy_j', 'joules a frame may draw'),
    'watts': ('energy_j', 'watts the frames together may draw'),
}
PER_SECOND = frozenset({'gflops/s', 'watts'})
MAX_VALUE = 1e12


@dataclass(frozen=True)
class Budget:
    """An amount and its unit, one of `UNITS`; the unit decides which cost of a frame counts.

    Raises:
        BudgetError: the value is not a finite number above 0 and below `MAX_VALUE`, or the unit is
            unknown.
    """

    value: float
    unit: str = 'ms'

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise BudgetError(f'unknown unit {self.unit!r} of a budget'
                              f'{nearest(str(self.unit), UNITS)}; valid: {", ".join(UNITS)}')
        if (isinstance(self.value, bool) or not isinstance(self.value, int | float)
                or not 0 < self.value < MAX_VALUE):
            raise BudgetError(f'a budget of {self.value!r} {self.unit}; valid: a number above 0 '
                              f'and below {MAX_VALUE:g} of {UNITS[self.unit][1]}')

    @property
    def resource(self) -> Resource:
        """Which cost of a frame this budget counts."""
        return UNITS[self.unit][0]

    @property
    def per_second(self) -> bool:
        """Whether what a frame may cost depends on how many frames there are in a second."""
        return self.unit in PER_SECOND

    def allowance(self, period_s: float) -> float:
        """Return what one frame may cost, in ms, GFLOPs or joules.

        Args:
            period_s: seconds from one frame to the next; only budgets per second depend on it.
        """
        if self.per_second:
            return self.value * period_s
        return 1000 / self.value if self.unit == 'fps' else self.value

    def __str__(self) -> str:
        return f'{self.value:g} {self.unit}'
