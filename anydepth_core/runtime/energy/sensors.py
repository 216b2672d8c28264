# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One reader of power and temperature, whatever the platform is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
import time
from typing import Any

from anydepth_core.runtime.energy.nvml import find_nvml
from anydepth_core.runtime.energy.source import Found, Source
from anydepth_core.runtime.energy.sysfs import find_sysfs


class Sensors:
    """Power and temperature of this machine; reading takes well under a millisecond.

    Not thread-safe: counters tell the mean since the reading before, so one thread reads.

    Attributes:
        words: what is read, or why nothing is, in one line for people.
    """

    def __init__(self, found: Found) -> None:
        # A board's own monitor counts its processors already.
        self._power: Sequence[Source] = found.board_w or found.part_w
        self._heat: Sequence[Source] = found.celsius
        self._hottest: Source | None = None
        power, heat = (', '.join(dict.fromkeys(source.name for source in sources))
                       for sources in (self._power, self._heat))
        self.words = '; '.join([f'power: {power or "no sensor found"}',
                                f'temperature: {heat or "no sensor found"}', *found.notes])

    def power_w(self) -> float | None:
        """Return watts of everything that is measured; None where that is not known now.

        Of energy counters it is the mean since the call before, so their first tells nothing. One
        sensor of several that fails makes the sum unknown, which is better than too small.
        """
        values = [_value(source) for source in self._power]
        known = [value for value in values if value is not None]
        return sum(known) if known and len(known) == len(values) else None

    def temperature_c(self) -> float | None:
        """Return the hottest processor's temperature in degrees Celsius; None if not known.

        Nor is it while the sensor that was the hottest at the last reading is silent: the others
        would tell of a coolness that is not there.
        """
        values = [(_value(source), source) for source in self._heat]
        known = [(value, source) for value, source in values if value is not None]
        if not known or (self._hottest is not None
                         and all(source is not self._hottest for _, source in known)):
            return None
        heat, self._hottest = max(known, key=lambda each: each[0])
        return heat


def open_sensors(root: str | Path = '/sys', *, nvml: Any = None,
                 clock: Callable[[], float] = time.monotonic) -> Sensors:
    """Return what can be read on this machine; finding nothing is fine, and said in `words`.

    NVIDIA GPUs through NVML (with the optional package nvidia-ml-py); processors of Intel and AMD
    through RAPL; boards through their monitors (Jetson's INA3221 and others on hwmon).

    Args:
        root: where sysfs is.
        nvml: stands in for the module pynvml.
        clock: seconds.
    """
    found = find_sysfs(Path(root), clock)
    found.add(find_nvml(Path(root), nvml))
    return Sensors(found)


def _value(source: Source) -> float | None:
    try:
        return source.read()
    except (OSError, ValueError):
        return None
