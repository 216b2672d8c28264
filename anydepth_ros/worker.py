# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The one thread that takes images in turn and runs the detector on them. No ROS here."""

from __future__ import annotations

from collections.abc import Callable
import threading
from typing import Generic, TypeVar

from anydepth_ros.scheduler import Job, Letter, Scheduler

T = TypeVar('T')


class Worker(Generic[T]):
    """One thread that calls `process` for each letter; after a failure it takes the next."""

    def __init__(self, scheduler: Scheduler[T], process: Callable[[Letter[T]], None],
                 report: Callable[[Letter[T], Exception], None]) -> None:
        self._scheduler = scheduler
        self._process = process
        self._report = report
        self._thread = threading.Thread(target=self._run, name='anydepth-inference')
        self._thread.start()

    def close(self) -> None:
        """Close the slots, let a frame in progress end, and return when the thread is gone."""
        self._scheduler.close()
        self._thread.join()

    def _run(self) -> None:
        while (turn := self._scheduler.take()) is not None:
            if isinstance(turn, Job):
                turn.run()
                continue
            try:
                self._process(turn)
            except Exception as error:
                self._report(turn, error)
