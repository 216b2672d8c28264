# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Adds to a profile what a frame of each depth draws, where a sensor tells power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
import time

import numpy as np
from numpy.typing import NDArray

from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.energy import Sensors
from anydepth_core.runtime.profile import Profile

EACH_S = 1.5
READ_EVERY_S = 0.15  # counters tell nothing of shorter times
LEAST_RISE = 1.02  # of the power at rest: less is noise
NOT_MEASURED = 'joules of a frame not measured'


def measure_energy(detector: Detector, profile: Profile, image: NDArray[np.uint8],
                   sensors: Sensors, *, each_s: float = EACH_S,
                   clock: Callable[[], float] = time.monotonic,
                   sleep: Callable[[float], None] = time.sleep,
                   stop: Callable[[], bool] = lambda: False) -> tuple[Profile, str]:
    """Return the profile with the joules of a frame, and one clause that says what was done.

    First the machine rests, then each depth runs for a while; what it draws above rest, times the
    seconds, is shared by its frames. All entries get a number, or none does: without a sensor,
    and where a difference drowns in what else the machine does, nothing is guessed.

    Args:
        detector: as it will run, and already warm.
        profile: of it.
        image: as for `measure`.
        sensors: read by nobody else meanwhile.
        each_s: how long to rest, and to run each depth.
        clock: seconds.
        sleep: waits.
        stop: whether to give up.
    """
    if sensors.power_w() is None:
        sleep(READ_EVERY_S)  # a counter tells nothing at once
        if sensors.power_w() is None:
            return profile, f'{NOT_MEASURED}: {sensors.words}'
    rest_w, _ = _mean_power(sensors, lambda: sleep(READ_EVERY_S / 3), each_s, clock)
    entries = []
    for entry in profile.entries:
        power_w, frame_s = _mean_power(
            sensors, partial(detector.detect, image, depth=entry.depth), each_s, clock)
        if stop():
            return profile, f'{NOT_MEASURED}: stopped'
        if rest_w is None or power_w is None or power_w <= LEAST_RISE * rest_w:
            return profile, (f'{NOT_MEASURED}: {entry.name} drew hardly more than the machine at '
                             'rest; let nothing else run')
        entries.append(replace(entry, energy_j=(power_w - rest_w) * frame_s))
    return replace(profile, entries=tuple(entries)), (
        f'joules of a frame measured above {rest_w:.1f} W at rest ({sensors.words})')


def _mean_power(sensors: Sensors, work: Callable[[], object], seconds: float,
                clock: Callable[[], float]) -> tuple[float | None, float]:
    """Do the work over and over; return the mean watts meanwhile and the seconds of each time.

    Watts are None if the sensors fell silent.
    """
    sensors.power_w()  # a counter begins here
    begin = read = clock()
    joules, times = 0.0, 0
    while read - begin < seconds:
        work()
        times += 1
        now = clock()
        if now - read >= READ_EVERY_S:
            power_w = sensors.power_w()
            if power_w is None:
                return None, 0.0
            joules += power_w * (now - read)
            read = now
    return joules / (read - begin), (read - begin) / times
