# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Power and temperature from Linux's sysfs: RAPL counters, hwmon chips and thermal zones.

Units are the kernel's (Documentation/ABI/testing/sysfs-class-hwmon, -powercap, -thermal): micro-
watts and microjoules, millivolts and milliamperes, thousandths of a degree Celsius.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import re
import time

from anydepth_core.runtime.energy.source import Found, Source, celsius, watts

MAX_TEXT = 128
MIN_PERIOD_S = 0.1  # shorter, and the steps of a counter show
# What everything else hangs on: rails of Jetson boards, and a server's own meter.
WHOLE = {'INA3221 VDD_IN', 'INA3221 POM_5V_IN', 'power_meter'}
INNER_RAILS = {'VDDQ_VDD2_1V8AO'}  # hangs on the rail VIN_SYS_5V0
MONITORS = re.compile(r'ina2\d\d|power_meter')
PROCESSOR_CHIPS = {'coretemp', 'k10temp', 'zenpower', 'cpu_thermal', 'amdgpu', 'xe', 'nouveau'}
PROCESSOR_ZONES = re.compile(r'cpu|gpu|soc|pkg|^tj|core|npu|cluster|big|little', re.IGNORECASE)


def find_sysfs(root: Path, clock: Callable[[], float] = time.monotonic) -> Found:
    """Return everything below `root` (/sys) that tells power or temperature.

    Each sensor is read once to see that it works; a counter tells power from its next reading on.
    """
    found = Found()
    _find_rapl(root / 'class/powercap', clock, found)
    for chip in sorted((root / 'class/hwmon').glob('hwmon*')):
        _find_chip(chip, found)
    found.board_w = [source for source in found.board_w if source.name in WHOLE] or found.board_w
    _find_zones(root / 'class/thermal', found)
    return found


class Counter:
    """An energy counter that begins anew after `range_uj` microjoules; `read` gives watts.

    Args:
        path: file that counts microjoules.
        range_uj: greatest value before it begins at 0; None if unknown.
        clock: seconds.

    Raises:
        OSError, ValueError: the file cannot be read.
    """

    def __init__(self, path: Path, range_uj: int | None, clock: Callable[[], float]) -> None:
        self._path, self._range, self._clock = path, range_uj, clock
        self._energy, self._time = number(path), clock()
        self._watts: float | None = None

    def read(self) -> float:
        """Return the mean power since the reading before; ValueError where there is none yet."""
        now = self._clock()
        elapsed = now - self._time
        if elapsed >= MIN_PERIOD_S:
            energy, before = number(self._path), self._energy
            self._energy, self._time, self._watts = energy, now, None
            if energy < before and self._range is not None:
                energy += self._range
            self._watts = watts((energy - before) / 1e6 / elapsed)
        if self._watts is None:
            raise ValueError('no two readings yet')
        return self._watts


def _find_rapl(folder: Path, clock: Callable[[], float], found: Found) -> None:
    """Packages only: cores are part of them, `psys` holds them, and -mmio counts them again."""
    for zone in sorted(folder.glob('intel-rapl:*')):
        if zone.name.count(':') > 1:
            continue
        name = word(zone / 'name')
        if not name.startswith('package'):
            continue
        file = zone / 'energy_uj'
        try:
            counter = Counter(file, _known(zone / 'max_energy_range_uj'), clock)
        except PermissionError:
            found.notes.append(f'RAPL {name} may be read by root only; to allow it: '
                               f'sudo chmod a+r {file}')
        except (OSError, ValueError):
            found.notes.append(f'RAPL {name} cannot be read')
        else:
            found.part_w.append(Source(f'RAPL {name}', counter.read))


def _find_chip(chip: Path, found: Found) -> None:
    name = word(chip / 'name')
    if name == 'ina3221':
        found.board_w += _rails(chip)
    elif MONITORS.fullmatch(name):
        found.board_w += _power(chip, name)
    elif name == 'amdgpu' and (chip / 'power1_cap').exists():
        # Without a limit of its own it sits in the processor, whose package counts it already.
        found.part_w += _power(chip, name)
    if name in PROCESSOR_CHIPS:
        found.celsius += _working(Source(name, _scaled(chip / 'temp1_input', 1e3, celsius)))


def _power(chip: Path, name: str) -> list[Source]:
    for file in ('power1_average', 'power1_input'):
        source = _working(Source(name, _scaled(chip / file, 1e6, watts)))
        if source:
            return source
    return []


def _rails(chip: Path) -> list[Source]:
    """Return the rails of a monitor of three channels."""
    rails = []
    for channel in (1, 2, 3):
        label = word(chip / f'in{channel}_label')
        volts = _scaled(chip / f'in{channel}_input', 1e3, float)
        amperes = _scaled(chip / f'curr{channel}_input', 1e3, float)

        def read(volts: Callable[[], float] = volts,
                 amperes: Callable[[], float] = amperes) -> float:
            return watts(volts() * max(amperes(), 0.0))  # a rail at rest reads a little below 0

        if label not in INNER_RAILS | {'', 'NC'}:
            rails += _working(Source(f'INA3221 {label}', read))
    return rails


def _find_zones(folder: Path, found: Found) -> None:
    """Zones of processors; any others only where nothing else tells a temperature."""
    sources: list[tuple[bool, Source]] = []
    for zone in sorted(folder.glob('thermal_zone*')):
        kind = word(zone / 'type')
        if kind.upper().startswith('PMIC'):  # a fixed 100 degrees on Jetson boards
            continue
        sources += [(bool(PROCESSOR_ZONES.search(kind)), source) for source in _working(
            Source(kind or zone.name, _scaled(zone / 'temp', 1e3, celsius)))]
    found.celsius += [source for processor, source in sources if processor]
    if not found.celsius:
        found.celsius += [source for _, source in sources]


def _working(source: Source) -> list[Source]:
    """Return the source if it can be read now, else nothing."""
    try:
        source.read()
    except (OSError, ValueError):
        return []
    return [source]


def _scaled(path: Path, divisor: float, check: Callable[[float], float]) -> Callable[[], float]:
    return lambda: check(number(path) / divisor)


def number(path: Path) -> int:
    """Return the whole number in a small file; OSError or ValueError if there is none."""
    with path.open('rb', buffering=0) as file:
        return int(file.read(MAX_TEXT) or b'')


def word(path: Path) -> str:
    """Return the one line of a small file as printable text; empty if it cannot be read."""
    try:
        with path.open('rb', buffering=0) as file:
            text = (file.read(MAX_TEXT) or b'').decode(errors='replace').strip()
    except OSError:
        return ''
    return text if text.isprintable() else ''


def _known(path: Path) -> int | None:
    try:
        return number(path)
    except (OSError, ValueError):
        return None
