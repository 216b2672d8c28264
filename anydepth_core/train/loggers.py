# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Observers that write numbers: CSV files, TensorBoard, and a line or a bar on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
import csv
import io
from pathlib import Path
import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

from anydepth_core.evaluate.files import write_csv
from anydepth_core.train.events import EvaluationEvent, Observer, StepEvent

LOSSES, SCORES = 'losses.csv', 'scores.csv'


class CsvLog(Observer):
    """`losses.csv`, a row a logged step, and `scores.csv`, a row an evaluation.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, iteration: int) -> None:
        """Drop the rows of later steps, and a last row that a kill has cut."""
        for name in (LOSSES, SCORES):
            path = self.folder / name
            if path.exists():
                kept = [row for row in _read(path) if _whole(row, iteration)]
                write_csv(path, kept) if kept else path.unlink()

    def on_step(self, event: StepEvent) -> None:
        """Add a row to `losses.csv`."""
        _append(self.folder / LOSSES, {
            'iteration': event.iteration, 'learning_rate': event.learning_rate,
            **{name: round(value, 6) for name, value in event.terms.items()},
            'images_per_second': round(event.images_per_second, 2),
            **{f'seconds/{name}': round(value, 3) for name, value in event.seconds.items()}})

    def on_evaluation(self, event: EvaluationEvent) -> None:
        """Add a row to `scores.csv`."""
        _append(self.folder / SCORES, {'iteration': event.iteration} | {
            f'{depth}/{name}': round(value, 4) for depth, evaluation in event.evaluations.items()
            for name, value in evaluation.scores.numbers().items()})


def read_rows(path: Path) -> list[dict[str, float]]:
    """Return the rows of a CSV file of numbers, none if it is missing; what is empty is left out.

    Raises:
        ValueError: something in it is no number.
    """
    rows = _read(path) if path.exists() else []
    return [{name: float(text) for name, text in row.items() if text} for row in rows]


def _append(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row; if it brings new columns, the file is written anew with them."""
    if path.exists():
        with path.open(newline='', encoding='utf-8') as file:
            columns = next(csv.reader(file), [])
        if set(row) <= set(columns):
            with path.open('a', newline='', encoding='utf-8') as file:
                csv.DictWriter(file, columns, lineterminator='\n').writerow(row)
            return
    write_csv(path, [*(_read(path) if path.exists() else ()), row])


def _read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV file, without a last line that has no end."""
    text = path.read_text(encoding='utf-8')
    return list(csv.DictReader(io.StringIO(text[:text.rfind('\n') + 1])))


def _whole(row: Mapping[str, Any], iteration: int) -> bool:
    """Tell whether a row has all its columns and is of `iteration` or before."""
    number = row.get('iteration')
    return (None not in row and None not in row.values() and isinstance(number, str)
            and number.isascii() and number.isdigit() and int(number) <= iteration)


class TensorBoardLog(Observer):
    """Event files for TensorBoard in `tensorboard/`.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / 'tensorboard'
        self._writer: Any = None

    def start(self, iteration: int) -> None:
        """Open the writer; ImportError if tensorboard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ImportError('no event files, as tensorboard is not installed; '
                              'pip install tensorboard') from None
        self._writer = SummaryWriter(str(self.folder), purge_step=iteration + 1)

    def on_step(self, event: StepEvent) -> None:
        """Write every term, the learning rate and the speed."""
        self._write(event.iteration, {f'loss/{name}': value for name, value in event.terms.items()}
                    | {'loss/sum': sum(event.terms.values()),
                       'run/learning_rate': event.learning_rate,
                       'run/images_per_second': event.images_per_second}
                    | {f'seconds/{name}': value for name, value in event.seconds.items()})

    def on_evaluation(self, event: EvaluationEvent) -> None:
        """Write the scores of every depth."""
        for depth, evaluation in event.evaluations.items():
            self._write(event.iteration, {f'{name}/{depth}': value for name, value
                                          in evaluation.scores.numbers().items()})
        if self._writer is not None:
            self._writer.flush()

    def on_end(self, iteration: int) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, iteration: int, values: Mapping[str, float]) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, iteration)


class ProgressBar(Observer):
    """A bar on a terminal, otherwise a line for each event; both tell the time left.

    Args:
        stream: where to; standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._bar: Any = None
        self._begun = (0, 0.0)

    def start(self, iteration: int) -> None:
        """Start the clock."""
        self._begun = (iteration, time.monotonic())

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        if self._bar is None:
            print(line, file=self._stream, flush=True)
        else:
            self._bar.write(line, file=self._stream)

    def on_step(self, event: StepEvent) -> None:
        """Show iteration, loss, speed and time left."""
        loss = sum(event.terms.values())
        if self._stream.isatty():
            if self._bar is None:
                self._bar = tqdm(total=event.iterations, initial=self._begun[0], unit='step',
                                 file=self._stream, dynamic_ncols=True, smoothing=0.05)
            self._bar.set_postfix_str(f'loss {loss:.2f}, {event.images_per_second:.1f} images/s',
                                      refresh=False)
            self._bar.update(event.iteration - self._bar.n)
            return
        first, clock = self._begun
        each = (time.monotonic() - clock) / max(1, event.iteration - first)
        left = duration(each * (event.iterations - event.iteration))
        self.say(f'iteration {event.iteration}/{event.iterations}  loss {loss:.2f}  '
                 f'{event.images_per_second:.1f} images/s  {left} left')

    def on_evaluation(self, event: EvaluationEvent) -> None:
        """Print AP and AP50 of every depth."""
        self.say(f'iteration {event.iteration}: ' + ', '.join(
            f'{depth} AP {each.scores.ap:.3f} AP50 {each.scores.ap50:.3f}'
            for depth, each in event.evaluations.items()))

    def on_end(self, iteration: int) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def duration(seconds: float) -> str:
    """Return a time span for people, such as '45 s', '12 min' or '3 h 20 min'."""
    if seconds < 90:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes} min' if minutes < 90 else f'{minutes // 60} h {minutes % 60} min'

