# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The profile of the detector that a node runs: found by its key, or measured in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
import time
from typing import Any

from anydepth_core.data.scenes import render_scene
from anydepth_core.depth import Depth, DepthSpace
from anydepth_core.detections import Detections
from anydepth_core.errors import AnyDepthError, ProfileError
from anydepth_core.models.count import count_gflops
from anydepth_core.models.registry import create_model
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.energy import open_sensors
from anydepth_core.runtime.measure import (
    FEWEST_FRAMES,
    measure,
    usual_depths,
    worth_choosing,
)
from anydepth_core.runtime.measure_energy import EACH_S, measure_energy
from anydepth_core.runtime.network import cache_folder
from anydepth_core.runtime.profile import Profile, ProfileEntry, ProfileKey, read_profile

MOST_FRAMES = 50
# How long a measurement may take.
LIMIT_S = 10.0
MAX_TEXT = 2000
STOPPED = 'the measurement was cancelled'


def find_profile(key: ProfileKey, depths: DepthSpace, path: str = '', *,
                 must: bool = True) -> tuple[Profile | None, str]:
    """Return the profile of a detector, and where it is or why there is none.

    Args:
        key: of the detector, as it runs.
        depths: that it has.
        path: of the file to take; empty: the one of the key in the cache.
        must: a file that was named has to fit; else the cache counts where it does not.

    Raises:
        ProfileError: the file that was named is missing, damaged or of something else.
    """
    if path:
        try:
            return _named(path, key, depths), path
        except ProfileError as error:
            if must:
                raise
            found, where = find_profile(key, depths)
            return found, where if found else f'{error}; {where}'
    try:
        kept = cache_folder() / key.file_name
        if not kept.is_file():
            return None, f'no {kept}'
    except (OSError, RuntimeError) as error:  # no home, or a folder that may not be entered
        return None, f'the cache cannot be read: {error}'
    try:
        profile = read_profile(kept)
        profile.require(key, depths)
    except ProfileError as error:
        return None, str(error)
    return profile, str(kept)


def _named(path: str, key: ProfileKey, depths: DepthSpace) -> Profile:
    profile = read_profile(path)
    try:
        profile.require(key, depths)
    except ProfileError as error:
        raise ProfileError(f'{path}: {error}') from error
    return profile


def keep_profile(profile: Profile) -> str:
    """Write the profile into the cache and return its path.

    Raises:
        ProfileError: it cannot be written.
    """
    try:
        path = cache_folder() / profile.key.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        raise ProfileError(f'cannot make the cache folder: {error}') from error
    profile.write(path)
    return str(path)


def with_accuracy(profile: Profile, earlier: Profile | None) -> Profile:
    """Return the profile with the AP and joules that an earlier one of the same key knows."""
    known = {entry.depth: entry for entry in (earlier.entries if earlier else ())}

    def completed(entry: ProfileEntry) -> ProfileEntry:
        old = known.get(entry.depth, entry)
        return replace(entry, ap=old.ap if entry.ap is None else entry.ap,
                       energy_j=old.energy_j if entry.energy_j is None else entry.energy_j)
    return replace(profile, entries=tuple(completed(entry) for entry in profile.entries))


def measure_in_time(detector: Detector, stop: Callable[[], bool], created_by: str,
                    limit_s: float = LIMIT_S) -> Profile:
    """Return a profile measured in about `limit_s` seconds: fewer frames, then fewer depths.

    Where a sensor tells power, what frames draw takes up to as long again.

    Args:
        detector: as it runs.
        stop: asked between rounds whether to give up.
        created_by: for people.
        limit_s: how long it should take.

    Raises:
        AnyDepthError: told to stop.
    """
    image = render_scene(0).image
    detector.detect(image)  # the first is slower
    began = time.monotonic()
    detector.detect(image)
    detected = time.monotonic()
    count_gflops(create_model(detector.model_name, len(detector.class_names)),
                 detector.depths.base, detector.input_size)
    counted = time.monotonic()
    depths, frames = affordable(usual_depths(detector.depths), detected - began,
                                counted - detected, limit_s)

    def progress(*_: int) -> None:
        if stop():
            raise AnyDepthError(STOPPED)
    profile = measure(detector, depths, image, frames=frames, progress=progress,
                      created_by=created_by)
    progress()
    found = worth_choosing(profile)
    if isinstance(detector, BetweenFrames):  # what else runs could not be told from a frame
        return found
    found, said = measure_energy(detector, found, image, open_sensors(), stop=stop,
                                 each_s=min(EACH_S, limit_s / (1 + len(found.entries))))
    progress()
    return replace(found, created_by=f'{created_by}; {said}'[:MAX_TEXT])


def affordable(depths: Sequence[Depth], frame_s: float, count_s: float,
               limit_s: float) -> tuple[list[Depth], int]:
    """Return which depths to measure, and on how many frames each, to be done in time.

    The extremes always are, on the fewest frames that a profile needs. The others are spread
    evenly over the list.

    Args:
        depths: worth measuring.
        frame_s: what a frame takes.
        count_s: what counting the operations of a depth takes.
        limit_s: what all may take.
    """
    space = depths[0].space
    each_s = count_s + FEWEST_FRAMES * frame_s
    count = min(len(depths), max(2, int(limit_s / each_s)))
    others = [depth for depth in depths if depth not in (space.full, space.base)]
    step = len(others) / max(1, count - 2)
    chosen = [space.base, *(others[int(index * step)] for index in range(count - 2)), space.full]
    left_s = limit_s / len(chosen) - count_s
    frames = int(left_s / max(frame_s, 1e-6))
    return chosen, min(MOST_FRAMES, max(FEWEST_FRAMES, frames))


class BetweenFrames(Detector):
    """The same detector for one who must not disturb: each call waits for its turn."""

    def __init__(self, detector: Detector,
                 call: Callable[[Callable[[], list[Detections]]], list[Detections]],
                 stop: Callable[[], bool]) -> None:
        self.__dict__.update(vars(detector))
        self._call = call
        self._stop = stop

    def detect_batch(self, *args: Any, **options: Any) -> list[Detections]:
        """Find the objects in several images, as `Detector.detect_batch`, when it is its turn.

        Raises:
            AnyDepthError: told to stop.
        """
        if self._stop():
            raise AnyDepthError(STOPPED)
        detect = super().detect_batch
        return self._call(lambda: detect(*args, **options))


def as_table(profile: Profile) -> str:
    """Return the entries as text, cheapest first."""
    rows = [f'{"depth":24}{"GFLOPs":>9}{"p50 ms":>9}{"p95 ms":>9}']
    rows += [f'{entry.name:24}{entry.gflops:9.2f}{entry.p50_ms:9.1f}{entry.p95_ms:9.1f}'
             for entry in sorted(profile.entries, key=lambda each: each.mean_ms)]
    return '\n'.join(rows)
