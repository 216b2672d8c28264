# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Stepping down under limits of power and temperature, on made-up machines with a fake clock."""

from __future__ import annotations

import itertools
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from test_policy import DEPTHS, PROFILE, profiles
from test_profile import SPACE

from anydepth_core.errors import BudgetError
from anydepth_core.runtime.budget import Budget
from anydepth_core.runtime.policy import Fixed, FrameCost
from anydepth_core.runtime.policy_budgeted import Tracking
from anydepth_core.runtime.policy_step_down import MAX_PATIENCE, Limited, StepDown

NAMES = [entry.name for entry in PROFILE.entries]


def name(step_down):
    """Return the depth that runs when everything wants full."""
    return step_down.highest.name if step_down.highest else 'full'


def machine(step_down, seconds, *, start=0.0, idle=5.0, warm=0.0, delay_s=0.0, ambient=30.0):
    """Run a machine for so many seconds; return the names of what ran.

    It draws `idle` W and one for each ms of the entry; each W makes it `warm` degrees hotter than
    `ambient` at last, with a time constant of `delay_s`.
    """
    chosen, heat = [], ambient
    for second in range(seconds):
        chosen.append(name(step_down))
        watts = idle + next(e.mean_ms for e in PROFILE.entries if e.name == chosen[-1])
        goal = ambient + warm * watts
        heat = goal if not delay_s else heat + (goal - heat) / delay_s
        step_down.feel(start + second, watts, heat)
    return chosen


def test_power_goes_down_step_by_step_to_what_fits_and_no_further():
    step_down = StepDown(PROFILE, power_budget_w=18.0)
    chosen = machine(step_down, 40)
    assert [key for key, _ in itertools.groupby(chosen)][:3] == ['full', 'full-p2', 'full@3']
    assert chosen[0] == 'full' and name(step_down) == 'full@3'
    assert step_down.reason == 'no deeper than full@3, to keep 18 W'


def test_it_recovers_step_by_step_when_there_is_room_again():
    step_down = StepDown(PROFILE, power_budget_w=18.0)
    machine(step_down, 40)
    chosen = machine(step_down, 60, start=40.0, idle=-6.0)
    assert [key for key, _ in itertools.groupby(chosen)] == ['full@3', 'full-p2', 'full']
    assert step_down.highest is None and step_down.reason == ''


def test_a_step_that_proves_wrong_again_and_again_is_tried_less_often():
    step_down = StepDown(PROFILE, power_budget_w=19.5)  # full@3 17 W is easy, full-p2 22 W is over
    chosen = machine(step_down, 600)
    lengths = [len(list(run)) for key, run in itertools.groupby(chosen) if key == 'full@3'][:-1]
    assert lengths == sorted(lengths) and lengths[-1] > 60
    assert chosen.count('full-p2') < 60


def test_heat_is_waited_for_and_settles_below_the_limit():
    step_down = StepDown(PROFILE, max_temperature_c=72.0)  # full 80, full-p2 74, full@3 64 degrees
    chosen = machine(step_down, 900, warm=2.0, delay_s=40.0)
    assert 'base' not in chosen
    assert chosen[-200:].count('full@3') > 100
    heat = StepDown(PROFILE, max_temperature_c=72.0)
    assert machine(heat, 60) == ['full'] * 60


def test_what_cannot_be_kept_is_told():
    step_down = StepDown(PROFILE, power_budget_w=6.0, max_temperature_c=40.0)
    machine(step_down, 60, warm=1.0)
    assert name(step_down) == 'base' and step_down.shortfall == '9 W and 5 degrees Celsius'
    assert StepDown(PROFILE, power_budget_w=6.0).shortfall == ''


def test_no_sensor_means_no_step_and_a_lost_one_means_none_either():
    step_down = StepDown(PROFILE, power_budget_w=1.0, max_temperature_c=1.0)
    for second in range(50):
        step_down.feel(float(second), None, math.nan)
    assert step_down.highest is None
    machine(step_down, 8, start=50.0)
    held = name(step_down)
    for second in range(60, 200):
        step_down.feel(float(second), None, None)
    assert name(step_down) == held != 'full'


def test_one_odd_reading_means_nothing():
    step_down = StepDown(PROFILE, power_budget_w=30.0)
    for second in range(60):
        step_down.feel(float(second), 500.0 if second % 10 == 5 else 20.0, None)
        assert step_down.highest is None


def test_floor_and_ceiling_hold_and_can_change_meanwhile():
    step_down = StepDown(PROFILE, power_budget_w=1.0, floor='full@3')
    machine(step_down, 60)
    assert name(step_down) == 'full@3'
    step_down.change(power_budget_w=1.0)
    machine(step_down, 10, start=60.0)
    assert name(step_down) == 'base'
    step_down.change(power_budget_w=1.0, ceiling='full-p2')
    assert name(step_down) == 'base'
    step_down.change(ceiling='full-p2')
    assert step_down.highest is None


def test_a_policy_is_limited_without_being_disturbed():
    step_down = StepDown(PROFILE, power_budget_w=18.0)
    fixed = Limited(Fixed(SPACE.full), step_down)
    tracking = Limited(Tracking(PROFILE, Budget(15.0)), step_down)
    assert fixed.choose(0.0).depth == SPACE.full
    machine(step_down, 40)
    assert str(fixed.choose(41.0).depth) == 'full@3'
    assert fixed.choose(41.0).reason == 'no deeper than full@3, to keep 18 W; fixed: full'
    seen = set()
    for i in range(100):
        depth = tracking.choose(41.0 + i / 20).depth
        cost = next(e.mean_ms for e in PROFILE.entries if e.depth == depth)
        tracking.observe(FrameCost(depth, cost))
        seen.add(str(depth))
    assert seen == {'full@3'}
    assert Limited(Fixed(SPACE.parse('base')), step_down).choose(0.0).depth == SPACE.base


@pytest.mark.parametrize('bad', [0.0, -1.0, math.nan, math.inf, True, '5'])
def test_bad_limits_are_refused_and_change_nothing(bad):
    for keyword in ('power_budget_w', 'max_temperature_c', 'dwell_s'):
        with pytest.raises(BudgetError, match='valid: a finite number above 0'):
            StepDown(PROFILE, **{keyword: bad})
    step_down = StepDown(PROFILE, power_budget_w=18.0)
    machine(step_down, 40)
    with pytest.raises(BudgetError):
        step_down.change(power_budget_w=bad)
    with pytest.raises(BudgetError, match='no depth of the profile lies between'):
        step_down.change(floor='full', ceiling='base')
    assert name(step_down) == 'full@3' and machine(step_down, 5, start=40.0)[-1] == 'full@3'


reading = st.none() | st.floats(0, 120) | st.sampled_from([math.nan, math.inf, -math.inf])
limit = st.none() | st.floats(1, 100)
depths = st.none() | st.sampled_from(DEPTHS)
events = st.lists(st.one_of(
    st.tuples(st.just('feel'), st.floats(-1, 8), reading, reading),
    st.tuples(st.just('change'), limit, limit, depths, depths)), max_size=80)


@settings(max_examples=150, deadline=None)
@given(profiles(), limit, limit, st.sampled_from([0.5, 3.0]), events)
def test_promises_hold_whatever_happens(table, watts, heat, dwell, trace):
    step_down = StepDown(table, power_budget_w=watts, max_temperature_c=heat, dwell_s=dwell)
    fixed = Limited(Fixed(SPACE.full), step_down)
    ladder = table.pareto(lambda entry: entry.energy_j)
    now, low, high, stepped = 0.0, None, None, -math.inf
    for kind, *rest in trace:
        before = step_down.highest
        if kind == 'change':
            try:
                step_down.change(power_budget_w=rest[0], max_temperature_c=rest[1], floor=rest[2],
                                 ceiling=rest[3])
            except BudgetError:
                assert step_down.highest is before
            else:
                watts, heat, low, high = rest
                ladder = table.pareto(lambda entry: entry.energy_j, [
                    entry for entry in table.entries
                    if (low is None or SPACE.parse(low) <= entry.depth)
                    and (high is None or entry.depth <= SPACE.parse(high))])
        else:
            now += rest[0]
            step_down.feel(now, rest[1], rest[2])
            rungs = [step_down.highest or ladder[-1], before or ladder[-1]]
            places = [ladder.index(entry) for entry in rungs]
            assert abs(places[0] - places[1]) <= 1
            if places[0] != places[1]:
                assert now - stepped >= dwell or rest[0] < 0 or stepped > now
                stepped = now
                assert (watts, heat) != (None, None)
        highest = step_down.highest
        assert highest is None or (highest in ladder[:-1])
        assert (highest is None) or watts is not None or heat is not None
        chosen = fixed.choose(now).depth
        assert highest is None or chosen == highest.depth
        assert (highest is None) == (step_down.reason == '')


@settings(max_examples=40, deadline=None)
@given(st.floats(1, 40), st.floats(0, 10))
def test_a_steady_machine_is_kept_below_and_seldom_moved(watts, idle):
    step_down = StepDown(PROFILE, power_budget_w=watts)
    chosen = machine(step_down, 800, idle=idle)
    fitting = [e.name for e in PROFILE.entries if idle + e.mean_ms <= watts] or ['base']
    late = chosen[400:]
    assert sum(each in fitting for each in late) / len(late) > 0.9
    lengths = [len(list(run)) for _, run in itertools.groupby(chosen)][:-1]
    assert all(length >= 5 for length in lengths[1:])
    assert len(list(itertools.groupby(late))) <= 2 + 2 * len(late) / (5 * MAX_PATIENCE)
