# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks call followed, back and starved: a failure must show, whatever else does."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

import numpy as np
import pytest

from anydepth_core.commands.arguments import at_least
from anydepth_core.errors import AnyDepthError
from anydepth_ros.demo_record import Frame

sys.path.insert(0, str(Path(__file__).parents[2] / 'benchmarks'))
from cameras import Row, starved
from command import end
from live_budget import breaches, in_reach, seconds_until

PERIOD_S, BUDGET_MS = 0.05, 30.0


def run(words):
    """Return frames 50 ms apart: f and b at full and base in time, F and B over the budget."""
    return [Frame(time_s=i * PERIOD_S, depth='full' if word in 'fF' else 'base',
                  total_ms=40.0 if word in 'FB' else 20.0, age_ms=50.0, detections=1, dropped=0,
                  lost=0) for i, word in enumerate(words)]


@pytest.mark.parametrize('words, lasting', [
    ('f' * 60, []),
    ('f' * 20 + 'F' + 'f' * 40, []),  # one of 20 may be late
    ('f' * 9 + 'F' + 'b' * 18 + 'F' + 'b' * 30, [0.09]),
    ('f' * 9 + 'F' + 'b' * 19 + 'F' + 'b' * 30, []),
    ('f' * 9 + 'FF' + 'b' * 40, [0.14]),
    ('f' * 9 + 'F' * 50 + 'b' * 40, [0.04 + 50 * PERIOD_S]),
    ('f' * 9 + 'F' * 50, [0.04 + 49 * PERIOD_S]),  # not before the end
    ('f' * 9 + 'FF' + 'B' * 40, [0.14]),  # nothing is cheaper than base
    ('f' * 9 + ('FBBB' * 12) + 'b' * 30, [0.04 + 41 * PERIOD_S]),  # a policy that cannot decide
    ('f' * 9 + 'FF' + 'b' * 40 + 'FFF' + 'b' * 30, [0.14, 0.19]),
    ('', []),
])
def test_a_breach_lasts_until_the_budget_is_kept_again(words, lasting):
    assert breaches(run(words), BUDGET_MS) == pytest.approx(lasting)


def test_only_what_no_other_depth_could_mend_is_out_of_reach():
    costs = np.array([20.0, 30, 30, 20, 20, 30])
    depths = ['base', 'base', 'full', 'full', 'full-neck', 'full-neck']
    assert in_reach(costs, np.full(6, 25.0), depths).tolist() == [25, 30, 25, 20, 25, 25]


def test_full_that_never_comes_back_is_not_back():
    frames = run('bbff')
    assert seconds_until(frames, 0.0, [False, False, True, True]) == pytest.approx(2 * PERIOD_S)
    assert seconds_until(frames, 0.0, [False] * 4) == np.inf


def got(fps, gap_ms, priority=1):
    """Return what a camera got whose frames take 15 ms."""
    return Row(depth='base', priority=priority, fps=fps, cost_ms=15.0, age_p50_ms=30.0,
               age_p95_ms=60.0, gap_max_ms=gap_ms, right_depth=True)


@pytest.mark.parametrize('rows, expected', [
    ([got(30.0, 80.0), got(30.0, 70.0)], False),
    ([got(60.0, 20.0), got(0.4, 2600.0)], True),  # although it waits no longer than it is used to
    ([got(28.1, 50.0, 4), got(17.2, 84.0, 2), got(8.5, 133.0), got(8.5, 133.0)], False),
    ([got(45.0, 30.0, 3), got(15.0, 250.0)], True),
])
def test_a_camera_that_gets_less_than_its_priority_says_starves(rows, expected):
    assert starved(rows) is expected


def test_a_benchmark_ends_in_one_line_where_the_user_can_mend_it(capsys, monkeypatch):
    def fail():
        raise AnyDepthError('no such weights')
    monkeypatch.setattr(sys, 'argv', ['benchmarks/soak.py'])
    for main, status in ((lambda: 0, 0), (lambda: 1, 1), (fail, 2)):
        with pytest.raises(SystemExit) as ended:
            end(main)
        assert ended.value.code == status
    assert capsys.readouterr().err == 'soak: error: no such weights\n'
    assert at_least(2)('2') == 2
    for wrong in ('1', '-3', 'x', '2.5', ''):
        with pytest.raises(argparse.ArgumentTypeError, match='from 2 on'):
            at_least(2)(wrong)
