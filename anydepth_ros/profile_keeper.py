# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The profile a configured node follows: found, measured at start, or measured between frames."""

from __future__ import annotations

from collections.abc import Callable
import threading

from anydepth_core.detections import Detections
from anydepth_core.errors import AnyDepthError, ProfileError
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.measure import profile_key
from anydepth_core.runtime.profile import Profile
from anydepth_ros.profiles import (
    BetweenFrames,
    find_profile,
    keep_profile,
    measure_in_time,
    with_accuracy,
)

Call = Callable[[Callable[[], list[Detections]]], list[Detections]]


class ProfileKeeper:
    """Knows the profile of one detector, or why there is none.

    Attributes:
        profile: what depths cost; None if nobody measured.
        where: its file, or why there is none.
    """

    def __init__(self, detector: Detector, path: str, created_by: str,
                 asked_to_end: Callable[[], bool], *, must: bool = True) -> None:
        """Look for the profile.

        Args:
            detector: as it runs.
            path: of the file to take; empty: the one of the detector's key in the cache.
            created_by: for people who read a profile that is measured here.
            asked_to_end: whether to give up measuring.
            must: a file that was named has to fit; else the cache counts where it does not.

        Raises:
            ProfileError: the file that was named is missing, damaged or of something else.
        """
        self._detector = detector
        self._created_by = created_by
        self._asked_to_end = asked_to_end
        self._lock = threading.Lock()
        self._cancelled: threading.Event | None = None
        self.profile, self.where = find_profile(profile_key(detector), detector.depths, path,
                                                must=must)

    @property
    def measuring(self) -> bool:
        """Whether a measurement runs."""
        return self._cancelled is not None

    def measure(self, call: Call | None = None) -> Profile:
        """Measure, keep the result in the cache where it can be written, and return it.

        Args:
            call: does a frame of the measurement when it is its turn; None: at once.

        Raises:
            AnyDepthError: another measurement runs, or this one was cancelled.
        """
        cancelled = threading.Event()
        with self._lock:
            if self._cancelled:
                raise AnyDepthError('a measurement is running; wait for it, or cancel it')
            self._cancelled = cancelled

        def stop() -> bool:
            return cancelled.is_set() or self._asked_to_end()
        try:
            detector = self._detector if call is None else BetweenFrames(
                self._detector, call, stop)
            profile = measure_in_time(detector, stop, self._created_by)
            self.profile = profile = with_accuracy(profile, self.profile)
            try:
                self.where = keep_profile(profile)
            except ProfileError as error:  # it is good all the same, until the node ends
                self.where = f'measured now, not kept: {error}'
            return profile
        finally:
            self._cancelled = None

    def cancel(self) -> bool:
        """Let a measurement end; return whether one was running."""
        with self._lock:
            cancelled = self._cancelled
        if cancelled:
            cancelled.set()
        return cancelled is not None

    def advice(self, node: str) -> str:
        """Return how to come by a profile, for the refusal of depth auto without."""
        return (f'{self.where}; measure one: ros2 service call {node}/measure_profile '
                'std_srvs/srv/Trigger (at another depth), or start with profile_on_start:=true')
