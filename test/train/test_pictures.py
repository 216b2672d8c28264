# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and the page of a run, from events."""

from __future__ import annotations

from pathlib import Path
import re
import subprocess
import sys

from fake_events import INPUT, NAMES, batch, evaluated, step
import numpy as np

from anydepth_core.runtime.images import read_image
from anydepth_core.train.events import Observers
from anydepth_core.train.loggers import CsvLog
from anydepth_core.train.pictures import PictureLog
from anydepth_core.train.summary import SummaryLog

ROOT = Path(__file__).resolve().parents[2]
DRAWN = {'batch_0.jpg', 'classes.png', 'confusion.png', 'losses.png', 'precision_recall.png',
         'predictions.jpg', 'scores.png'}


def run(folder: Path, warnings: list[str]) -> None:
    """Tell a short run to everything that draws."""
    log = Observers([
        CsvLog(folder), PictureLog(folder, NAMES),
        SummaryLog(folder, 'A <run>', {'network': 'anydepth-yolo-tiny'},
                   {'model': 'anydepth-yolo-tiny', 'data': {'format': 'scenes'}})],
        warnings.append)
    log.start(0)
    log.on_batch(batch())
    for number in (20, 40):
        log.on_step(step(number))
    log.on_evaluation(evaluated(40))
    log.on_step(step(60))
    log.on_end(60)


def test_every_picture_is_there_and_is_one(tmp_path: Path) -> None:
    warnings: list[str] = []
    run(tmp_path, warnings)
    assert not warnings
    folder = tmp_path / 'pictures'
    assert {path.name for path in folder.iterdir()} == DRAWN
    for path in folder.iterdir():
        picture = read_image(path)
        assert min(picture.shape[:2]) > 200, path.name
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20, path.name
    height, width = read_image(folder / 'predictions.jpg').shape[:2]
    rows = 3 * round(320 * INPUT[0] / INPUT[1])
    assert 3 * 320 <= width < 3 * 320 + 30 and rows <= height < rows + 30


def test_the_page_tells_scores_time_and_recipe(tmp_path: Path) -> None:
    run(tmp_path, [])
    page = (tmp_path / 'summary.md').read_text()
    assert page.startswith('# A <run>\n')
    assert re.search(r'\| iteration +\| 60 of 100 +\|', page)
    assert '| 12.5 images/s (median)' in page
    assert 'data 12%, forward 25%, backward 50%, optimizer 12%' in page
    assert '## Scores at iteration 40' in page
    assert re.search(r'\| full +\| +\d+\.\d \|', page) and re.search(r'\| goal post +\|', page)
    assert 'format: scenes' in page
    linked = re.findall(r'!\[[^\]]+\]\(([^)]+)\)', page)
    assert {Path(each).name for each in linked} == DRAWN
    assert all((tmp_path / each).exists() for each in linked)


def test_no_place_to_draw_is_a_warning_each(tmp_path: Path) -> None:
    (tmp_path / 'pictures').write_text('in the way')
    (tmp_path / 'summary.md').mkdir()
    warnings: list[str] = []
    run(tmp_path, warnings)
    assert [line.split(':')[1].strip() for line in warnings] == ['PictureLog', 'SummaryLog']
    assert (tmp_path / 'losses.csv').read_text().count('\n') == 4


def test_many_classes_and_nothing_found(tmp_path: Path) -> None:
    names = tuple(f'class number {number}' for number in range(80))
    log = PictureLog(tmp_path, names)
    event = evaluated(10, names)
    log.on_evaluation(event)
    assert read_image(tmp_path / 'pictures' / 'classes.png').shape[0] > 1500
    empty = event.evaluations['full']
    assert empty.scores.per_class.count(-1) > 60  # most classes are not there at all


def test_matplotlib_is_imported_by_the_first_figure_only() -> None:
    code = ('import sys, anydepth_core.train.pictures, anydepth_core.train.summary; '
            'sys.exit("matplotlib" in sys.modules)')
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=False).returncode == 0


def test_without_matplotlib_there_is_one_warning(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    warnings: list[str] = []
    run(tmp_path, warnings)
    assert len(warnings) == 1 and 'pip install matplotlib' in warnings[0]
    assert (tmp_path / 'summary.md').exists()
    assert (tmp_path / 'pictures' / 'batch_0.jpg').exists()
