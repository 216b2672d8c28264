# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the machine draws and how hot it is, read once a second. No ROS here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import time
from typing import Any

from anydepth_core.runtime.energy import Sensors

LIMITS = {'power_budget_w': 'power', 'max_temperature_c': 'temperature'}


@dataclass(frozen=True)
class Reading:
    """One look at the sensors.

    Attributes:
        at: seconds of a monotonic clock.
        power_w: watts; None where nobody tells.
        temperature_c: degrees Celsius of the hottest; None where nobody tells.
    """

    at: float = 0.0
    power_w: float | None = None
    temperature_c: float | None = None


class EnergyWatch:
    """Reads the sensors and remembers the last reading; one thread reads, any may ask."""

    def __init__(self, sensors: Sensors) -> None:
        self._sensors = sensors
        self.last = self.read()

    @property
    def words(self) -> str:
        """What is read, or why nothing is."""
        return self._sensors.words

    def read(self) -> Reading:
        """Read the sensors now."""
        self.last = Reading(time.monotonic(), self._sensors.power_w(),
                            self._sensors.temperature_c())
        return self.last

    def without_sensor(self, limits: Mapping[str, Any]) -> str:
        """Return one sentence if a limit is set that nothing is measured for; else nothing.

        Args:
            limits: values of parameters; others than the two limits do not count.
        """
        known = {'power_budget_w': self.last.power_w, 'max_temperature_c': self.last.temperature_c}
        missing = [name for name in LIMITS if limits.get(name) and known[name] is None]
        if not missing:
            return ''
        return (f'{missing[0]}: no sensor tells the {LIMITS[missing[0]]} of this machine '
                f'({self.words}); set it to 0')
