# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What benchmarks/live_budget.py calls followed: a slow reaction must show, whatever else does."""

from __future__ import annotations

from pathlib import Path
import sys

import numpy as np
import pytest

from anydepth_ros.demo_record import Frame

sys.path.insert(0, str(Path(__file__).parents[2] / 'benchmarks'))
from live_budget import breaches, in_reach

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
