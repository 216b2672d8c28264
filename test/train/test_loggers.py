# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""CSV files that survive kills, TensorBoard if it is there, progress on a terminal or not."""

from __future__ import annotations

import csv
import io
from pathlib import Path
import sys

from fake_events import evaluated, step
import pytest

from anydepth_core.train.events import Observers
from anydepth_core.train.loggers import (
    CsvLog,
    ProgressBar,
    TensorBoardLog,
    duration,
    read_rows,
)


def iterations(path: Path) -> list[int]:
    """Return the iterations of a file's rows."""
    return [int(row['iteration']) for row in read_rows(path)]


def test_a_row_for_each_event(tmp_path: Path) -> None:
    log = CsvLog(tmp_path)
    log.start(0)
    log.on_step(step(20))
    log.on_step(step(40, loss=0.5))
    log.on_evaluation(evaluated(40))
    losses = read_rows(tmp_path / 'losses.csv')
    assert [row['full/classes'] for row in losses] == [1.5, 0.5]
    assert losses[0] == {
        'iteration': 20, 'learning_rate': 0.001, 'full/classes': 1.5, 'base/box': 0.25,
        'distill/features': 0.125, 'images_per_second': 12.5, 'seconds/data': 0.1,
        'seconds/forward': 0.2, 'seconds/backward': 0.4, 'seconds/optimizer': 0.1}
    (scores,) = read_rows(tmp_path / 'scores.csv')
    assert scores['full/ap'] > scores['base/ap'] > 0 and scores['full/large'] == -1
    assert len(scores) == 1 + 2 * 12


def test_a_resumed_run_repeats_nothing(tmp_path: Path) -> None:
    killed = CsvLog(tmp_path)
    for number in (20, 40, 60, 80):
        killed.on_step(step(number, loss=number))
        killed.on_evaluation(evaluated(number))
    with (tmp_path / 'losses.csv').open('a') as file:
        file.write('100,0.001,1.5')  # killed while writing
    resumed = CsvLog(tmp_path)
    resumed.start(50)
    assert iterations(tmp_path / 'losses.csv') == [20, 40]
    assert iterations(tmp_path / 'scores.csv') == [20, 40]
    resumed.on_step(step(60, loss=1))
    rows = read_rows(tmp_path / 'losses.csv')
    assert [(row['iteration'], row['full/classes']) for row in rows] == [
        (20, 20), (40, 40), (60, 1)]
    resumed.start(0)
    assert not (tmp_path / 'losses.csv').exists()


@pytest.mark.parametrize('damage', ['', 'iteration', 'iteration,x\n1,2', 'a,b\n1,2\n',
                                    'iteration\nfew\n-3\n'])
def test_a_damaged_file_is_no_obstacle(tmp_path: Path, damage: str) -> None:
    (tmp_path / 'losses.csv').write_text(damage)
    log = CsvLog(tmp_path)
    log.start(50)
    log.on_step(step(60))
    assert iterations(tmp_path / 'losses.csv') == [60]


def test_a_new_term_gets_a_column(tmp_path: Path) -> None:
    log = CsvLog(tmp_path)
    log.on_step(step(20))
    log.on_step(step(40, sandwich__classes=3.0))
    log.on_step(step(60))
    with (tmp_path / 'losses.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['sandwich/classes'] for row in rows] == ['', '3.0', '']
    assert [row['seconds/data'] for row in rows] == ['0.1'] * 3


def test_a_full_disk_is_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args, **_options):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)
    monkeypatch.setattr(Path, 'open', full)
    warnings: list[str] = []
    log = Observers([CsvLog(tmp_path)], warnings.append)
    log.start(0)
    for number in range(3):
        log.on_step(step(number))
    assert len(warnings) == 1 and 'No space left on device' in warnings[0]
    monkeypatch.undo()
    log.on_step(step(3))  # there is room again
    assert iterations(tmp_path / 'losses.csv') == [3]


def test_without_tensorboard_there_is_one_warning(tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', None)
    warnings: list[str] = []
    log = Observers([TensorBoardLog(tmp_path)], warnings.append)
    log.start(0)
    log.on_step(step(1))
    log.on_evaluation(evaluated(1))
    log.on_end(1)
    assert len(warnings) == 1 and 'pip install tensorboard' in warnings[0]
    assert not list(tmp_path.iterdir())


def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    killed = TensorBoardLog(tmp_path)
    killed.start(0)
    for number in (1, 2, 3):
        killed.on_step(step(number, loss=number))
    killed.on_end(3)
    resumed = TensorBoardLog(tmp_path)
    resumed.start(2)
    resumed.on_step(step(3, loss=30))
    resumed.on_evaluation(evaluated(3))
    resumed.on_end(3)
    events = accumulator.EventAccumulator(str(tmp_path / 'tensorboard'))
    events.Reload()
    assert [(each.step, each.value) for each in events.Scalars('loss/full/classes')] == [
        (1, 1), (2, 2), (3, 30)]
    assert {'ap/full', 'ap/base', 'run/learning_rate'} <= set(events.Tags()['scalars'])


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def watch(stream: io.StringIO) -> str:
    """Return what a progress bar shows of a short run."""
    bar = ProgressBar(stream)
    bar.start(0)
    bar.say('a line before')
    bar.on_step(step(50))
    bar.say('a line between')
    bar.on_evaluation(evaluated(50))
    bar.on_step(step(100))
    bar.on_end(100)
    return stream.getvalue()


def test_progress_as_lines() -> None:
    lines = watch(io.StringIO()).splitlines()
    assert [lines[0], lines[2]] == ['a line before', 'a line between']
    assert lines[1].startswith('iteration 50/100  loss 1.88  12.5 images/s  ')
    assert lines[1].endswith(' s left') and lines[4].endswith('  0 s left')
    assert lines[3].startswith('iteration 50: full AP 0.') and ', base AP 0.' in lines[3]
    assert len(lines) == 5


def test_progress_as_a_bar() -> None:
    shown = watch(Terminal())
    assert '100/100' in shown and 'loss 1.88, 12.5 images/s' in shown
    assert 'a line between\n' in shown and 'iteration 50: full AP' in shown


@pytest.mark.parametrize(('seconds', 'text'), [
    (0, '0 s'), (89.4, '89 s'), (100, '2 min'), (5300, '88 min'), (5500, '1 h 32 min'),
    (86400, '24 h 0 min')])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
