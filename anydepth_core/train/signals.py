# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""SIGTERM and Ctrl-C as the wish to stop a run after the step that it is in."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import signal

from anydepth_core.train.trainer import Trainer


@contextlib.contextmanager
def stopped_by_signals(trainer: Trainer) -> Iterator[None]:
    """Let signals stop the run while the block lasts; main thread only.

    A handler left in place would keep the trainer, and with it the threads of a distributed run,
    until the interpreter is torn down, which those do not survive.
    """
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: trainer.request_stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)
