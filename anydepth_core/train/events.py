# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a run tells those who watch it, and who may watch.

The trainer knows no logger. It makes events; observers do with them what they like, and whatever
goes wrong with one of them (a full disk, a missing library) never stops the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anydepth_core.data.batches import Batch
    from anydepth_core.evaluate.batches import Evaluation

PHASES = ('data', 'forward', 'backward', 'optimizer')


@dataclass(frozen=True)
class StepEvent:
    """An optimizer step that is to be logged.

    Attributes:
        iteration: number of steps done, so 1 for the first.
        iterations: steps of the whole run.
        terms: weighted terms of the loss, 'full/…', 'base/…', 'distill/…'.
        learning_rate: of the step.
        images_per_second: since the last event.
        seconds: spent in each of PHASES since the last event.
    """

    iteration: int
    iterations: int
    terms: Mapping[str, float]
    learning_rate: float
    images_per_second: float
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class EvaluationEvent:
    """The averaged weights were evaluated.

    Attributes:
        iteration: number of steps done.
        evaluations: by the canonical text of the depth.
        class_names: what a label means.
    """

    iteration: int
    evaluations: Mapping[str, Evaluation]
    class_names: Sequence[str]


@dataclass(frozen=True)
class BatchEvent:
    """One of the first training batches, as the network gets it.

    Attributes:
        iteration: number of steps done before it.
        batch: the batch.
    """

    iteration: int
    batch: Batch


class Observer:
    """One that watches a run; a subclass overrides what it wants to know."""

    def start(self, iteration: int) -> None:
        """Get ready: the run begins, or goes on, after `iteration` steps.

        What a killed run wrote of later steps is forgotten: they come again.
        """

    def on_step(self, event: StepEvent) -> None:
        """Take notice of a step."""

    def on_evaluation(self, event: EvaluationEvent) -> None:
        """Take notice of an evaluation."""

    def on_batch(self, event: BatchEvent) -> None:
        """Take notice of one of the first batches."""

    def on_end(self, iteration: int) -> None:
        """Finish: the run ends, or is interrupted, after `iteration` steps."""


class Observers(Observer):
    """Several observers as one that never raises.

    Args:
        observers: told in this order.
        warn: called with one line the first time that an observer fails; it is told of later
            events all the same, as a disk may have room again.
    """

    def __init__(self, observers: Sequence[Observer], warn: Callable[[str], None]) -> None:
        self.observers = tuple(observers)
        self._warn = warn
        self._failed: set[Observer] = set()

    def start(self, iteration: int) -> None:
        """Tell all."""
        self._tell(lambda each: each.start(iteration))

    def on_step(self, event: StepEvent) -> None:
        """Tell all."""
        self._tell(lambda each: each.on_step(event))

    def on_evaluation(self, event: EvaluationEvent) -> None:
        """Tell all."""
        self._tell(lambda each: each.on_evaluation(event))

    def on_batch(self, event: BatchEvent) -> None:
        """Tell all."""
        self._tell(lambda each: each.on_batch(event))

    def on_end(self, iteration: int) -> None:
        """Tell all."""
        self._tell(lambda each: each.on_end(iteration))

    def _tell(self, call: Callable[[Observer], None]) -> None:
        for each in self.observers:
            self._tell_one(each, call)

    def _tell_one(self, observer: Observer, call: Callable[[Observer], None]) -> None:
        try:
            call(observer)
        except Exception as error:
            if observer not in self._failed:
                self._failed.add(observer)
                reason = ' '.join(str(error).split()) or type(error).__name__
                self._warn(f'warning: {type(observer).__name__}: {reason}; training goes on')
