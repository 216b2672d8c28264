# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that takes images from the slot and runs the detector on them. No ROS here."""

from __future__ import annotations

from collections.abc import Callable
import threading
from typing import Generic, TypeVar

from anydepth_ros.mailbox import Letter, Mailbox

T = TypeVar('T')


class Worker(Generic[T]):
    """One thread that calls `process` for each letter; after a failure it takes the next."""

    def __init__(self, mailbox: Mailbox[T], process: Callable[[Letter[T]], None],
                 report: Callable[[Exception], None]) -> None:
        self._mailbox = mailbox
        self._process = process
        self._report = report
        self._thread = threading.Thread(target=self._run, name='anydepth-inference')
        self._thread.start()

    def close(self) -> None:
        """Close the slot, let a frame in progress end, and return when the thread is gone."""
        self._mailbox.close()
        self._thread.join()

    def _run(self) -> None:
        while (letter := self._mailbox.take()) is not None:
            try:
                self._process(letter)
            except Exception as error:  # noqa: PERF203 (one bad frame must not end the node)
                self._report(error)
