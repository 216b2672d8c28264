# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A budget spent by predicted benefits: on average as Tracking, on the frames that gain most."""

from __future__ import annotations

import math
import random
from statistics import fmean

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from test_policy import PROFILE, limits, profiles

from anydepth_core.errors import BudgetError
from anydepth_core.runtime.budget import Budget
from anydepth_core.runtime.policy import FrameCost
from anydepth_core.runtime.policy_budgeted import Tracking
from anydepth_core.runtime.policy_routed import LOAN_FRAMES, Routed


def drive(policy, benefits, *, slower=1.0):
    """Run a frame after each predicted benefit; return the cost of each."""
    by_depth = {each.depth: each for each in policy.profile.entries}
    costs = []
    for i, benefit in enumerate(benefits):
        if isinstance(policy, Routed):
            policy.predict(benefit)
        each = by_depth[policy.choose(i * 0.05).depth]
        policy.observe(FrameCost(each.depth, each.mean_ms * slower, each.energy_j * slower))
        costs.append(each.mean_ms * slower)
    return costs


@pytest.mark.parametrize('slower', [1.0, 1.2])
@pytest.mark.parametrize('budget', [13.0, 16.0, 19.0])
def test_the_budget_is_met_and_spent_where_it_counts(budget, slower):
    rng = random.Random(0)
    benefits = [rng.gauss(0, 1) for _ in range(600)]
    costs = drive(Routed(PROFILE, Budget(budget)), benefits, slower=slower)
    assert fmean(costs[30:]) == pytest.approx(budget, rel=0.015)
    mean = fmean(costs)
    deep = [b for b, cost in zip(benefits, costs) if cost > mean]
    rest = [b for b, cost in zip(benefits, costs) if cost <= mean]
    assert fmean(deep) > fmean(rest) + 1.0


def test_predictions_that_drift_do_not_break_the_budget():
    benefits = [i / 10 for i in range(400)]  # each the greatest so far
    costs = drive(Routed(PROFILE, Budget(15.0)), benefits)
    step = 5.0  # between full@3 and full-p2
    sums = [sum(costs[30:n]) - 15.0 * (n - 30) for n in range(31, 400)]
    assert max(map(abs, sums)) < (LOAN_FRAMES + 3) * step
    assert fmean(costs[100:]) == pytest.approx(15.0, rel=0.02)


@pytest.mark.parametrize('benefits', [[0.3] * 200, [math.nan] * 200, [math.inf] * 200])
def test_predictions_that_tell_nothing_leave_it_to_tracking(benefits):
    assert drive(Routed(PROFILE, Budget(15.0)), benefits) == drive(
        Tracking(PROFILE, Budget(15.0)), benefits)


@settings(max_examples=100, deadline=None)
@given(profiles(), st.floats(0.1, 150), limits, limits, st.sampled_from([0.0, 0.3]),
       st.lists(st.floats(-3, 3) | st.sampled_from([0.0, math.nan]), max_size=60))
def test_limits_and_dwell_hold_whatever_is_predicted(table, ms, floor, ceiling, dwell, benefits):
    try:
        policy = Routed(table, Budget(ms), floor=floor, ceiling=ceiling, dwell_s=dwell)
    except BudgetError:
        return
    last, switched = None, -math.inf
    for i, benefit in enumerate(benefits):
        policy.predict(benefit)
        choice = policy.choose(i * 0.05)
        assert choice.depth in {each.depth for each in policy.options}
        if last is not None and choice.depth != last:
            assert i * 0.05 - switched >= dwell - 1e-9
            switched = i * 0.05
        last = choice.depth
        policy.observe(FrameCost(choice.depth, ms))
