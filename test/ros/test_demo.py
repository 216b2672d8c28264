# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The demo: its parts, and the whole of it with real processes."""

from __future__ import annotations

import io
import os
from pathlib import Path
import signal
import subprocess
import sys

from harness import PATIENCE_S, ROOT, wait_for
import numpy as np
import pytest

from anydepth_core.detections import Detections, FrameTiming
from anydepth_core.runtime.images import read_image
from anydepth_ros.demo_record import LATE_ALLOWED, Frame, Record, canonical
from anydepth_ros.demo_report import Snapshot, write_chart, write_pictures
from anydepth_ros.demo_screen import Screen


def frame(time_s: float, depth: str, found: int = 1, total_ms: float = 10.0) -> Frame:
    return Frame(time_s, depth, total_ms, total_ms + 5, found, int(time_s), 0)


def recorded(*phases: list[Frame]) -> Record:
    record = Record(['full', 'base'])
    for index, frames in enumerate(phases):
        record.begin(index, frames[0].time_s - 0.5)
        for each in frames:
            record.add(each)
    return record


def test_frames_are_sorted_into_phases_and_summed():
    record = recorded([frame(t, 'full', total_ms=t) for t in range(1, 11)],
                      [frame(10.7, 'full'), *(frame(t, 'base') for t in (11, 12))])
    full, base = record.summaries()
    assert (full.frames, full.fps, full.p50_ms, full.p95_ms) == (10, 1.0, 6, 10)
    assert (full.dropped, full.per_image, base.frames) == (9, 1.0, 2)
    assert record.phases[1].late == 1 and record.phases[1].switch_ms == pytest.approx(800)
    assert record.faults() == []


@pytest.mark.parametrize(('second', 'words'), [
    ([frame(9, 'full')], 'the switch to depth base did not take effect'),
    ([frame(9, 'base', 0), frame(10, 'base', 0)],
     'nothing was detected at depth base in 2 images'),
    ([*[frame(9, 'full')] * (LATE_ALLOWED + 1), frame(10, 'base')], 'ran at another depth'),
])
def test_what_went_wrong_is_named(second, words):
    fault, = recorded([frame(1, 'full')], second).faults()
    assert words in fault


def test_depths_are_taken_in_any_form():
    assert canonical(['FULL', 'base+p5+p4', 'base@4']) == ['full', 'base+p4+p5', 'base']


def test_the_screen_redraws_in_place_only_on_a_terminal():
    record = recorded([frame(1, 'full'), frame(2, 'full')])

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True
    for output, escapes in ((io.StringIO(), False), (Terminal(), True)):
        screen = Screen(output)
        screen.wait('starting')
        for _ in range(3):
            screen.show(record.phases, record.summaries(), 0)
        screen.say('done')
        assert ('\x1b' in output.getvalue()) == escapes
        assert output.getvalue().endswith('done\n')
    table = Screen(io.StringIO()).table(record.phases, record.summaries())
    assert len({len(line) for line in table}) == 1 and len(table) == 3


def test_pictures_and_chart_are_left(tmp_path):
    found = Detections(np.array([[2, 3, 30, 40]], np.float32), np.array([0.9], np.float32),
                       np.array([0]), 'base', FrameTiming(1, 2, 3), (48, 64))
    snapshot = Snapshot(np.zeros((48, 64, 3), np.uint8), found)
    path, = write_pictures(tmp_path, {'base': snapshot}, ['ball'])
    assert read_image(path).shape == (48, 64, 3) and read_image(path).any()
    record = recorded([frame(1, 'full')])
    write_chart(tmp_path / 'latency.png', record.phases, record.summaries(), 'title')
    assert read_image(tmp_path / 'latency.png').std() > 5


def demo(tmp_path: Path, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, '-m', 'anydepth_ros.demo', '--output', str(tmp_path / 'out'),
         *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(ROOT), **environment})


def test_with_trained_weights_every_depth_runs_and_finds(tmp_path):
    process = demo(tmp_path, '--seconds', 3, '--rate', 15)
    output, errors = process.communicate(timeout=110)
    assert process.returncode == 0, output + errors
    assert 'each switch of depth was seen' in output
    names = {path.name for path in (tmp_path / 'out').iterdir()}
    assert names >= {'full.png', 'base.png', 'full-neck.png', 'latency.png'}
    assert 'Traceback' not in errors


def test_with_untrained_weights_it_fails_and_says_at_which_depths(tmp_path, weights):
    process = demo(tmp_path, '--weights', weights, '--depths', 'base', 'full', '--seconds', 1)
    output, errors = process.communicate(timeout=110)
    assert process.returncode == 1, output + errors
    for depth in ('base', 'full'):
        assert f'demo: failed: nothing was detected at depth {depth}' in errors


def test_a_source_that_cannot_be_read_is_told_in_one_line(tmp_path):
    process = demo(tmp_path, SOURCE='/nowhere')
    _, errors = process.communicate(timeout=110)
    assert process.returncode == 2
    assert errors.startswith('demo: error: camera: demo_camera: error: image source')
    assert errors.count('\n') == 1


def test_ctrl_c_ends_all_processes(tmp_path, weights):
    process = demo(tmp_path, '--weights', weights)
    log = tmp_path / 'out' / 'camera.log'
    wait_for(lambda: log.exists() and ' Hz' in log.read_text(), 'camera')
    children = _children(process.pid)
    assert len(children) == 2
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130 and errors == 'demo: interrupted\n'
    assert not any(Path(f'/proc/{child}').exists() for child in children)


def _children(parent: int) -> list[int]:
    return [int(path.name) for path in Path('/proc').glob('[0-9]*') if _parent(path) == parent]


def _parent(process: Path) -> int:
    try:
        return int((process / 'stat').read_text().rpartition(')')[2].split()[1])
    except (OSError, IndexError):
        return -1
