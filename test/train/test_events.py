# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Observers are told everything, and nothing they do stops a run."""

from __future__ import annotations

from fake_events import batch, evaluated, step
import pytest

from anydepth_core.train.events import Observer, Observers


class Notes(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self, iteration):
        self.told.append(f'start {iteration}')

    def on_step(self, event):
        self.told.append(f'step {event.iteration}')

    def on_evaluation(self, event):
        self.told.append(f'evaluation {event.iteration}')

    def on_batch(self, event):
        self.told.append(f'batch {event.iteration}')

    def on_end(self, iteration):
        self.told.append(f'end {iteration}')


class Broken(Notes):
    """Fails at every step, after taking a note."""

    def on_step(self, event):
        super().on_step(event)
        raise OSError(28, 'No space left\non device')


def tell(observer: Observer) -> None:
    """Tell a short run."""
    observer.start(4)
    observer.on_batch(batch(4))
    observer.on_step(step(5))
    observer.on_step(step(6))
    observer.on_evaluation(evaluated(6))
    observer.on_end(6)


def test_all_are_told_and_failures_are_one_line() -> None:
    first, broken, last = Notes(), Broken(), Notes()
    warnings: list[str] = []
    tell(Observers([first, broken, last], warnings.append))
    assert first.told == last.told == broken.told == [
        'start 4', 'batch 4', 'step 5', 'step 6', 'evaluation 6', 'end 6']
    assert warnings == ['warning: Broken: [Errno 28] No space left on device; training goes on']


def test_an_observer_may_ignore_everything() -> None:
    tell(Observer())


def test_an_interrupt_is_no_failure() -> None:
    class Interrupted(Observer):
        def on_step(self, event):
            raise KeyboardInterrupt

    warnings: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        tell(Observers([Interrupted()], warnings.append))
    assert not warnings
