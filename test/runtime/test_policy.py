# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What each policy promises in docs/policy.md, with a fake clock."""

from __future__ import annotations

import itertools
import math
import random
from statistics import fmean

from hypothesis import example, given, settings
from hypothesis import strategies as st
import pytest
from test_profile import SPACE, entry, profile

from anydepth_core.depth import DepthSpace
from anydepth_core.errors import BudgetError, DepthError, ProfileError
from anydepth_core.runtime.budget import UNITS, Budget
from anydepth_core.runtime.policy import Fixed, FrameCost, Scheduled
from anydepth_core.runtime.policy_budgeted import MEMORY_FRAMES, Table, Tracking
from anydepth_core.runtime.profile import Profile

PROFILE = profile(entry('base', 10, 0.40, 4), entry('full@3', 12, 0.44, 6),
                  entry('full-p2', 17, 0.475, 8), entry('full', 20, 0.50, 9))
DEPTHS = [str(depth) for depth in itertools.islice(SPACE, 0, None, 97)]


def drive(policy, frames, *, slower=1.0, period=0.05, start=0.0):
    """Run frames that cost `slower` times the profile; return their entries."""
    by_depth = {each.depth: each for each in policy.profile.entries}
    chosen = []
    for i in range(frames):
        each = by_depth[policy.choose(start + i * period).depth]
        policy.observe(FrameCost(each.depth, each.mean_ms * slower, each.energy_j * slower))
        chosen.append(each)
    return chosen


def test_fixed():
    policy = Fixed(SPACE.base)
    assert {policy.choose(t).depth for t in range(5)} == {SPACE.base}


def test_scheduled_every_third_frame_and_on_request():
    policy = Scheduled(SPACE.full, SPACE.base, every=3)
    deep = [policy.choose(0.0).depth == SPACE.full for _ in range(7)]
    assert deep == [True, False, False, True, False, False, True]
    policy.request(2)
    deep = [policy.choose(0.0).depth == SPACE.full for _ in range(6)]
    assert deep == [True, True, False, False, True, False]
    policy = Scheduled(SPACE.full, SPACE.base, every=None)
    assert {policy.choose(0.0).depth for _ in range(50)} == {SPACE.base}
    policy.request()
    choice = policy.choose(0.0)
    assert choice.depth == SPACE.full and 'request' in choice.reason
    assert policy.choose(0.0).depth == SPACE.base


@pytest.mark.parametrize('every', [0, -1, 1.5, True, math.nan])
def test_bad_schedules_are_refused(every):
    with pytest.raises(BudgetError, match='valid: a whole number from 1'):
        Scheduled(SPACE.full, SPACE.base, every)
    with pytest.raises(BudgetError, match='valid: a whole number from 1'):
        Scheduled(SPACE.full, SPACE.base, 2).request(every)


@pytest.mark.parametrize('ms, depth', [(10, 'base'), (11, 'base'), (13.21, 'full@3'),
                                       (18.6, 'full@3'), (18.71, 'full-p2'), (500, 'full')])
def test_table_takes_the_deepest_that_fits(ms, depth):
    choice = Table(PROFILE, Budget(ms)).choose(0.0)
    assert str(choice.depth) == depth and f'table: {depth} at' in choice.reason
    assert choice.shortfall == pytest.approx(max(0.0, 11 - ms))


def test_table_follows_a_device_that_slows_down_and_recovers():
    policy = Table(PROFILE, Budget(24.0), dwell_s=0.5)
    assert drive(policy, 20)[-1].name == 'full'
    slow = drive(policy, 40, slower=1.5, start=1.0)
    assert slow[-1].name == 'full@3'
    assert [each.name for each in slow].index('full@3') <= 12
    back = drive(policy, 40, start=3.0)
    assert back[-1].name == 'full' and back[36].name == 'full@3'


def test_hysteresis_keeps_the_depth_at_the_edge():
    policy = Table(PROFILE, Budget(22.5), dwell_s=0.0, hysteresis=0.05)
    drive(policy, 10, slower=1.15)
    # Each long enough to be believed: 22 and 22.8 ms at full.
    names = {each.name for i in range(8) for each in drive(
        policy, 45, slower=1.1 + 0.02 * (1 - (-1) ** i), start=1 + 3 * i)}
    assert names == {'full-p2'}


def test_one_outlier_changes_nothing_in_the_table():
    policy = Table(PROFILE, Budget(23.0), dwell_s=0.0)
    drive(policy, 10)
    policy.observe(FrameCost(SPACE.full, 500.0))
    assert policy.ratio == 1.0 and drive(policy, 1, start=1.0)[0].name == 'full'


@pytest.mark.parametrize('rough', [
    lambda rng: rng.gauss(1.0, 0.1), lambda rng: rng.lognormvariate(0.1, 0.2),
    lambda rng: rng.choice((1.0, 1.05, 1.1, 1.5)), lambda rng: rng.gauss(0.7, 0.02)])
def test_95_of_100_frames_fit_however_much_they_differ(rough):
    """The profile knows of a 95th percentile 10 % above the mean; reality has another."""
    rng = random.Random(7)
    policy = Table(PROFILE, Budget(24.0))
    over, tails = [], []
    for i in range(4000):
        chosen = policy.choose(i * 0.05)
        entry = next(each for each in PROFILE.entries if each.depth == chosen.depth)
        tails.append(entry.p95_ms * policy.ratio)
        over.append(entry.mean_ms * (slower := rough(rng)))
        policy.observe(FrameCost(chosen.depth, entry.mean_ms * slower))
    pairs = list(zip(over, tails))[100:]
    assert fmean(cost > tail for cost, tail in pairs) < 0.06
    assert fmean(cost > 24.0 for cost, _ in pairs) < 0.055


@pytest.mark.parametrize('unit, value, mean', [
    ('ms', 15.0, 15.0), ('fps', 1000 / 15, 15.0), ('gflops', 7.0, 7.0), ('gflops/s', 140.0, 7.0),
    ('joules', 1.5, 1.5), ('watts', 30.0, 1.5)])
@pytest.mark.parametrize('slower', [1.0, 1.2])
def test_tracking_meets_each_kind_of_budget_on_average(unit, value, mean, slower):
    policy = Tracking(PROFILE, Budget(value, unit))
    chosen = drive(policy, 200, slower=slower)[20:]
    resource = policy.budget.resource
    factor = 1.0 if resource == 'gflops' else slower
    assert fmean(each.cost(resource) for each in chosen) * factor == pytest.approx(mean, rel=0.01)


def test_watts_are_kept_although_images_come_irregularly():
    policy, now, spent = Tracking(PROFILE, Budget(30.0, 'watts')), 0.0, 0.0
    gaps = [0.05] * 10 + [0.03, 0.04, 0.09] * 100  # mean 0.053 s, median 0.04 s
    for gap in gaps:
        depth = policy.choose(now).depth
        cost = next(each.energy_j for each in PROFILE.entries if each.depth == depth)
        policy.observe(FrameCost(depth, 10 * cost, cost))
        now, spent = now + gap, spent + cost
    assert spent / now == pytest.approx(30, rel=0.01)


def test_tracking_follows_a_changed_budget_at_the_next_frame():
    policy = Tracking(PROFILE, Budget(11.0))
    drive(policy, 50)
    policy.change(Budget(18.0))
    costs = [each.mean_ms for each in drive(policy, 60, start=10.0)]
    assert min(costs) == 12 and fmean(costs[:10]) == pytest.approx(18, abs=0.8)
    assert fmean(costs[10:40]) == pytest.approx(18, abs=0.3)


def test_tracking_forgives_what_it_cannot_repay():
    policy = Tracking(PROFILE, Budget(12.0))
    policy.choose(0.0)
    policy.observe(FrameCost(policy.choose(0.0).depth, 1e6))
    names = [each.name for each in drive(policy, 100, start=1.0)]
    assert 5 < names.index('full@3') <= MEMORY_FRAMES + 5


def test_what_cannot_be_met_is_told():
    for policy in (Tracking(PROFILE, Budget(4.0)), Table(PROFILE, Budget(4.0))):
        drive(policy, 20, slower=2.0)
        choice = policy.choose(5.0)
        assert choice.depth == SPACE.base and choice.shortfall == pytest.approx(2 * 10 - 4)


def test_budget_per_second_waits_for_the_frame_rate():
    for kind in (Table, Tracking):
        choice = kind(PROFILE, Budget(1000.0, 'gflops/s')).choose(0.0)
        assert choice.depth == SPACE.base and 'until the frame rate is known' in choice.reason


@pytest.mark.parametrize('kind', [Table, Tracking])
@pytest.mark.parametrize('limits, error, message', [
    ({'floor': 'full', 'ceiling': 'base'}, BudgetError, 'no depth of the profile lies between'),
    ({'floor': 'bsae'}, DepthError, "did you mean 'base'"),
    ({'ceiling': DepthSpace().base}, DepthError, 'another kind of model')])
def test_a_refused_change_leaves_the_policy_as_it_was(kind, limits, error, message):
    policy = kind(PROFILE, Budget(15.0), floor='full@3')
    before = policy.options, policy.budget
    with pytest.raises(error, match=message):
        policy.change(Budget(3.0), **limits)
    with pytest.raises(BudgetError):
        policy.change(Budget(math.nan))
    assert (policy.options, policy.budget) == before
    assert all(SPACE.parse('full@3') <= each.depth for each in drive(policy, 30))


def test_watts_need_energy_in_the_profile():
    without = Profile(key=PROFILE.key, model='x', frames=1, entries=tuple(
        type(each)(**{**vars(each), 'energy_j': None})
        for each in (entry('base', 1), entry('full', 2))))
    with pytest.raises(ProfileError, match='no energy was measured'):
        Tracking(without, Budget(5.0, 'watts'))


@pytest.mark.parametrize('bad', [math.nan, -1.0, math.inf, True])
def test_bad_dwell_and_hysteresis_are_refused(bad):
    with pytest.raises(BudgetError, match='valid'):
        Tracking(PROFILE, Budget(5.0), dwell_s=bad)
    with pytest.raises(BudgetError, match='valid'):
        Table(PROFILE, Budget(5.0), hysteresis=bad)


# -- any profile, any trace, any order of events -----------------------------------------------

@st.composite
def profiles(draw):
    names = draw(st.lists(st.sampled_from(DEPTHS), min_size=1, max_size=7, unique=True))
    number = st.floats(0.5, 100)
    with_ap = draw(st.booleans())
    return profile(*(entry(name, draw(number), draw(st.floats(0, 1)) if with_ap else None,
                           draw(number)) for name in names))


budgets = st.builds(Budget, st.floats(0.01, 3000), st.sampled_from(list(UNITS)))
limits = st.none() | st.sampled_from(DEPTHS)
odd = st.sampled_from([0.0, -3.0, math.nan, math.inf])
events = st.lists(st.one_of(
    st.tuples(st.just('frame'), st.floats(0, 0.4), st.floats(0.3, 4)),
    st.tuples(st.just('choose'), st.floats(0, 0.4)),
    st.tuples(st.just('observe'), st.sampled_from(DEPTHS), st.floats(0.01, 1000) | odd),
    st.tuples(st.just('change'), budgets, limits, limits)), max_size=60)
policies = st.sampled_from([Table, Tracking])


@settings(max_examples=200, deadline=None)
@given(policies, profiles(), budgets, st.sampled_from([0.0, 0.2, 1.0]),
       events)
def test_promises_hold_whatever_happens(kind, table, budget, dwell, trace):
    policy = kind(table, budget, dwell_s=dwell)
    by_depth = {each.depth: each for each in table.entries}
    now, low, high, changed = 0.0, None, None, False
    last, switched = None, -math.inf
    for name, *rest in trace:
        if name == 'observe':
            policy.observe(FrameCost(SPACE.parse(rest[0]), rest[1], rest[1]))
        elif name == 'change':
            options = policy.options
            try:
                policy.change(rest[0], floor=rest[1], ceiling=rest[2])
                low, high, changed = rest[1], rest[2], True
            except BudgetError:
                assert policy.options == options
        else:
            now += rest[0]
            choice = policy.choose(now)
            chosen = by_depth[choice.depth]
            assert low is None or SPACE.parse(low) <= choice.depth
            assert high is None or choice.depth <= SPACE.parse(high)
            assert chosen in policy.options and choice.shortfall >= 0 and choice.reason
            if last is not None and chosen != last:
                resource = policy.budget.resource
                assert now - switched >= dwell or (changed and (
                    last not in policy.options or chosen.cost(resource) < last.cost(resource)))
                check_deeper_fits(policy, last, chosen)
                switched = now
            last, changed = chosen, False
            if name == 'frame':
                policy.observe(FrameCost(chosen.depth, chosen.mean_ms * rest[1],
                                         chosen.energy_j * rest[1]))


def check_deeper_fits(policy, last, chosen):
    """A deeper entry must fit: alone in a table, on average together with its neighbour else."""
    options, budget = policy.options, policy.budget
    if last not in options or budget.per_second or (
            options.index(chosen) < options.index(last)):
        return
    resource, allowance = budget.resource, budget.allowance(1.0)
    if isinstance(policy, Table):
        assert chosen.tail(resource) * policy.ratio <= allowance
    else:
        assert options[0].cost(resource) * policy.ratio <= allowance


@settings(max_examples=60, deadline=None)
@given(profiles(), st.floats(0.3, 3), st.floats(0.2, 300), st.floats(0.2, 300))
def test_table_is_monotone_in_the_budget_when_steady(table, slower, one, other):
    small, large = (drive(Table(table, Budget(ms)), 80, slower=slower)
                    for ms in sorted((one, other)))
    assert table.quality(small[-1]) <= table.quality(large[-1])
    assert len(set(small[60:])) == 1


@settings(max_examples=40, deadline=None)
@given(profiles(), st.floats(0.3, 3), st.floats(0, 1), st.sampled_from([0.0, 0.3]))
def test_tracking_is_exact_and_monotone_when_steady(table, slower, share, dwell):
    hull = Tracking(table, Budget(1.0)).options
    low, high = hull[0].mean_ms * slower, hull[-1].mean_ms * slower
    means = []
    for part in (share * 0.9, share):
        budget = low + part * (high - low)
        policy = Tracking(table, Budget(max(budget, 1e-3)), dwell_s=dwell)
        drive(policy, 60, slower=slower)
        costs = [each.mean_ms * slower for each in drive(policy, 200, slower=slower, start=3.0)]
        means.append(fmean(costs))
        slack = (high - low) * (1 + dwell / 0.05) / 200
        assert means[-1] == pytest.approx(budget, abs=2 * slack + 1e-9)
    assert means[0] <= means[1] + 4 * slack + 1e-9


@settings(max_examples=30, deadline=None)
@example(PROFILE, 0.5)
@given(profiles(), st.floats(0, 1))
def test_nothing_oscillates_inside_the_dwell(table, share):
    low, *_, high = [0.0, *sorted(each.mean_ms for each in table.entries)]
    for kind in (Table, Tracking):
        policy = kind(table, Budget(max(low + share * (high - low), 0.1)), dwell_s=0.5)
        names = [each.name for each in drive(policy, 100)]
        lengths = [len(list(run)) for _, run in itertools.groupby(names)]
        assert all(length >= 10 for length in lengths[1:-1])


def test_the_dwell_is_used_but_not_exceeded():
    names = [each.name for each in drive(Tracking(PROFILE, Budget(15.0), dwell_s=0.5), 200)]
    runs = [len(list(run)) for _, run in itertools.groupby(names)][1:-1]
    assert min(runs) == 10 and len(runs) > 5
