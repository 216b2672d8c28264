# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""From parameters to the depth of the next frame, without ROS: plans, policies, what follows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from anydepth_core.depth import DepthSpace
from anydepth_core.errors import AnyDepthError, BudgetError, ProfileError
from anydepth_core.runtime.policy import FrameCost
from anydepth_core.runtime.policy_budgeted import Table, Tracking
from anydepth_core.runtime.policy_routed import Routed
from anydepth_core.runtime.profile import Profile, ProfileEntry, ProfileKey
from anydepth_ros.depth_choice import AUTO, BUDGETS, DepthChooser, make_plan
from anydepth_ros.energy_watch import EnergyWatch
from anydepth_ros.mission_modes import CHOOSING, CUSTOM, MissionMode
from anydepth_ros.parameter_changes import at_start, completed, set_apart
from anydepth_ros.parameters import (
    BY_NAME,
    LIVE,
    ModelFacts,
    ParameterError,
    camera_names,
    make_settings,
    table,
)
from anydepth_ros.profiles import FEWEST_FRAMES, MOST_FRAMES, affordable
from anydepth_ros.unused_gpu import unused_gpu

SPACE = DepthSpace()
KEY = ProfileKey(device='cpu', backend='torch', precision='fp32', input_size=(64, 64),
                 weights_hash='0' * 64)


def profile(*rows: tuple[str, float]) -> Profile:
    return Profile(key=KEY, model='m', frames=10, entries=tuple(
        ProfileEntry(depth=SPACE.parse(depth), gflops=ms / 10, mean_ms=ms, p50_ms=ms, p95_ms=ms,
                     p99_ms=ms) for depth, ms in rows))


PROFILE = profile(('base', 10.0), ('base+fpn', 20.0), ('full', 40.0))
DEFAULTS = {name: BY_NAME[name].default for name in LIVE}
MODES = {
    'calm': MissionMode('calm', '', {'depth': 'base', 'score_threshold': 0.5}),
    'keen': MissionMode('keen', '', {'depth': 'full', 'latency_budget_ms': 30.0,
                                     'power_budget_w': 9.0, 'score_threshold': 0.1}),
}


def plan(found: Profile | None = PROFILE, cameras: int = 1, **values):
    return make_plan({**DEFAULTS, **values}, SPACE, found, 'measure one', cameras)


def test_auto_needs_a_profile_and_says_how_to_come_by_one():
    assert str(plan(None, depth='base').depth) == 'base'
    with pytest.raises(ProfileError, match='there is no profile; measure one'):
        plan(None, depth=AUTO)


def test_auto_without_a_budget_is_the_deepest_within_the_limits():
    chooser = DepthChooser()
    assert str(chooser.choose(plan(depth=AUTO), 0.0).depth) == 'full'
    limited = plan(depth=AUTO, depth_ceiling='base+neck')
    assert str(chooser.choose(limited, 1.0).depth) == 'base+fpn'
    with pytest.raises(BudgetError, match='no depth of the profile lies between'):
        plan(depth=AUTO, depth_floor='base+p3', depth_ceiling='base+p3')


def test_several_cameras_share_the_time():
    assert plan(depth=AUTO, target_fps=10.0, cameras=2).budget.allowance(1) == 50.0
    assert plan(depth=AUTO, latency_budget_ms=80.0, cameras=2).budget.allowance(1) == 80.0


def test_the_policy_is_kept_where_only_the_budget_changes_and_knows_the_device_still():
    chooser = DepthChooser()
    first = plan(depth=AUTO, latency_budget_ms=100.0)
    for now in range(5):
        choice = chooser.choose(first, float(now))
        chooser.observe(FrameCost(choice.depth, 80.0))  # twice as slow as profiled
    policy = chooser._policy
    choice = chooser.choose(plan(depth=AUTO, latency_budget_ms=50.0), 5.0)
    assert chooser._policy is policy and str(choice.depth) == 'base+fpn'
    equal = plan(depth=AUTO, latency_budget_ms=50.0)
    chooser.choose(equal, 6.0)
    assert chooser._policy is policy
    assert chooser.choose(plan(depth='base'), 7.0).reason == 'fixed: base'
    assert chooser._policy is not policy


def test_heat_makes_auto_shallower_and_a_fixed_depth_stays():
    chooser = DepthChooser()
    hot = plan(depth=AUTO, max_temperature_c=80.0)
    assert str(chooser.choose(hot, 0.0).depth) == 'full'
    for second in range(60):
        chooser.feel(float(second), None, 95.0)
    choice = chooser.choose(hot, 60.0)
    assert str(choice.depth) == 'base' and '80 degrees' in choice.reason
    assert '15 degrees' in chooser.limit()[1]
    fixed = plan(depth='full', max_temperature_c=80.0)
    assert str(chooser.choose(fixed, 61.0).depth) == 'full' and chooser.limit() == ('', '')


def with_joules(found: Profile) -> Profile:
    return replace(found, entries=tuple(
        replace(entry, energy_j=entry.mean_ms / 100) for entry in found.entries))


def draw(chooser, followed, seconds, rest_w=3.0, start=0.0):
    """Return the mean watts of each second, at 10 frames a second."""
    watts = []
    for frame in range(10 * seconds):
        now = start + frame / 10
        choice = chooser.choose(followed, now)
        chooser.observe(FrameCost(choice.depth, 10.0))
        watts.append(rest_w + 10 * next(
            entry.mean_ms for entry in PROFILE.entries if entry.depth == choice.depth) / 100)
        if frame % 10 == 9:
            chooser.feel(now + 0.1, sum(watts[-10:]) / 10, 40.0)
    return [sum(watts[i:i + 10]) / 10 for i in range(0, len(watts), 10)]


def test_power_is_met_on_average_where_the_profile_knows_joules_else_by_steps():
    chooser, joules = DepthChooser(), with_joules(PROFILE)
    followed = plan(joules, depth=AUTO, power_budget_w=6.0)
    watts = draw(chooser, followed, 30)
    assert sum(watts[10:]) / 20 == pytest.approx(6.0, rel=0.03)
    assert chooser.limit()[0].endswith('to keep 6 W') and not chooser.limit()[1]
    cap = chooser._cap
    less = plan(joules, depth=AUTO, power_budget_w=3.5, max_temperature_c=90.0)
    assert draw(chooser, less, 20, start=40.0)[-1] == 4.0  # base all the time
    assert chooser._cap is cap and chooser.limit()[1] == '0.5 W'
    assert str(chooser.choose(plan(joules, depth=AUTO), 70.0).depth) == 'full'
    assert chooser.limit() == ('', '')
    stepped = draw(DepthChooser(), plan(depth=AUTO, power_budget_w=6.0), 30)
    assert set(stepped) == {5.0, 7.0} and sum(a != b for a, b in pairwise(stepped)) < 6


def test_power_and_another_budget_hold_together():
    chooser, joules = DepthChooser(), with_joules(PROFILE)
    both = plan(joules, depth=AUTO, latency_budget_ms=25.0, power_budget_w=4.5)
    watts = draw(chooser, both, 30)
    assert sum(watts[10:]) / 20 == pytest.approx(4.5, rel=0.03) and max(watts) <= 5.0


def test_a_router_spends_average_budgets_only():
    assert plan(depth=AUTO, target_fps=10.0).keeper is Tracking
    routed = make_plan({**DEFAULTS, 'depth': AUTO, 'compute_budget_gflops': 2.5}, SPACE, PROFILE,
                       routed=True)
    assert routed.keeper is Routed
    latency = make_plan({**DEFAULTS, 'depth': AUTO, 'latency_budget_ms': 10.0}, SPACE, PROFILE,
                        routed=True)
    assert latency.keeper is Table
    chooser = DepthChooser()
    reasons = set()
    for frame in range(60):
        choice = chooser.choose(routed, frame / 10)
        reasons.add(choice.reason.partition(':')[0])
        chooser.observe(FrameCost(choice.depth, 20.0, benefit=frame * 7 % 11 / 10))
    assert reasons == {'tracking', 'router'}


def test_nothing_fits_and_the_shortfall_is_told():
    choice = DepthChooser().choose(plan(depth=AUTO, latency_budget_ms=4.0), 0.0)
    assert str(choice.depth) == 'base' and choice.shortfall == pytest.approx(6.0)


def follow(asked, values=None, own=(), cameras=('',)):
    now = {**DEFAULTS, **(values or {})}
    return completed(asked, now, own, cameras, MODES)


def test_a_budget_and_a_depth_end_each_other():
    assert follow({'target_fps': 5.0}) == {
        'target_fps': 5.0, 'latency_budget_ms': 0.0, 'compute_budget_gflops': 0.0, 'depth': AUTO}
    assert follow({'depth': 'base'}, {'depth': AUTO, 'target_fps': 5.0}) == {
        'depth': 'base', 'target_fps': 0.0}
    assert follow({'target_fps': 0.0}, {'depth': AUTO, 'target_fps': 5.0}) == {'target_fps': 0.0}
    with pytest.raises(ParameterError, match='a budget chooses the depth'):
        follow({'target_fps': 5.0, 'depth': 'full'})


@pytest.mark.parametrize('name', ['depth_floor', 'depth_ceiling', 'power_budget_w',
                                  'max_temperature_c'])
def test_a_limit_of_auto_is_refused_at_a_fixed_depth_and_can_be_taken_away(name):
    value = 'base+p3' if isinstance(DEFAULTS[name], str) else 50.0
    with pytest.raises(ParameterError, match="limits depth 'auto', and depth is 'full'"):
        follow({name: value})
    assert follow({name: value}, {'depth': AUTO}) == {name: value}
    assert follow({name: value, 'depth': AUTO}) == {name: value, 'depth': AUTO}
    assert follow({name: DEFAULTS[name]}, {name: value}) == {name: DEFAULTS[name]}


def test_a_mode_is_in_force_until_one_of_its_settings_changes():
    found = follow({'mission_mode': 'calm'})
    assert found == {'mission_mode': 'calm', 'depth': 'base', 'score_threshold': 0.5}
    now = {**found}
    assert follow({'nms_iou': 0.1}, now) == {'nms_iou': 0.1}
    assert follow({'score_threshold': 0.5}, now) == {'score_threshold': 0.5}
    assert follow({'score_threshold': 0.4}, now)['mission_mode'] == CUSTOM
    assert follow({'target_fps': 4.0}, now)['mission_mode'] == CUSTOM
    both = follow({'mission_mode': 'calm', 'score_threshold': 0.9})
    assert (both['score_threshold'], both['mission_mode']) == (0.9, CUSTOM)
    budget = follow({'mission_mode': 'keen'})
    assert (budget['depth'], budget['latency_budget_ms']) == (AUTO, 30.0)
    assert budget['mission_mode'] == 'keen'
    with pytest.raises(ParameterError, match=r"unknown mode 'clam' \(did you mean 'calm'\?\)"):
        follow({'mission_mode': 'clam'})

DEPTH_GROUP = ('depth', *CHOOSING)


def _values(cameras, **given):
    return {**{full: DEFAULTS[full.rpartition('.')[2]] for full in table(cameras)
               if full.rpartition('.')[2] in LIVE}, **given}


def test_cameras_follow_until_they_are_set_apart():
    cameras = ('front', 'left')
    values = _values(cameras, **{'front.depth': 'base'})
    own = set_apart(values, values, (), MODES)
    assert own == {f'front.{name}' for name in DEPTH_GROUP}
    found = completed({'depth': 'full-p2'}, values, own, cameras, MODES)
    assert found == {'depth': 'full-p2', 'left.depth': 'full-p2'}
    one = completed({'left.mission_mode': 'keen'}, values, own, cameras, MODES)
    assert one['left.depth'] == AUTO and 'left.power_budget_w' not in one and 'depth' not in one
    all_of_them = completed({'mission_mode': 'calm'}, values, (), cameras, MODES)
    assert all_of_them['front.mission_mode'] == all_of_them['left.mission_mode'] == 'calm'
    back = {**values, 'front.depth': 'full'}
    assert set_apart(['front.depth'], back, own, MODES) == frozenset()


def test_what_a_camera_was_given_moves_as_a_whole_or_not_at_all():
    cameras = ('front', 'left')

    def after(asked, values, own):
        found = completed(asked, values, own, cameras, MODES)
        values = {**values, **found}
        return values, set_apart(found, values, own, MODES)
    start = _values(cameras)
    values, own = after({'front.mission_mode': 'keen'}, start, frozenset())
    front = {name: value for name, value in values.items() if name.startswith('front.')}
    for asked in ({'mission_mode': 'calm'}, {'mission_mode': 'keen'}, {'depth': 'base+fpn'}):
        values, own = after(asked, values, own)
        assert {name: values[name] for name in front} == front
        assert values['left.depth'] == values['depth']
    values, own = after({'front.depth': 'base'}, start, frozenset())
    values, own = after({'target_fps': 5.0}, values, own)
    assert (values['front.depth'], values['front.target_fps']) == ('base', 0.0)
    assert (values['left.depth'], values['left.target_fps']) == (AUTO, 5.0)
    values, own = after({'front.latency_budget_ms': 9.0}, values, own)
    values, own = after({'depth': 'full'}, values, own)
    assert (values['front.depth'], values['front.latency_budget_ms']) == (AUTO, 9.0)


def test_a_budget_asked_for_beside_a_mode_wins():
    asked = {'mission_mode': 'keen', 'target_fps': 7.0}
    found = completed(asked, _values(('',)), (), ('',), MODES)
    assert (found['target_fps'], found['mission_mode']) == (7.0, CUSTOM)
    assert sum(bool(found[name]) for name in BUDGETS) == 1


def test_at_start_a_depth_of_a_camera_wins_over_the_budget_of_the_node():
    values = _values(('eye',), **{'latency_budget_ms': 9.0, 'eye.latency_budget_ms': 9.0,
                                  'eye.depth': 'base'})
    found = {**values, **at_start(values, ('eye',), MODES)}
    assert (found['depth'], found['eye.depth']) == (AUTO, 'base')
    assert found['eye.latency_budget_ms'] == 0.0


def test_at_start_a_mode_is_applied_and_a_budget_means_auto():
    assert at_start({**DEFAULTS, 'latency_budget_ms': 9.0}, ('',), MODES)['depth'] == AUTO
    assert at_start({**DEFAULTS, 'mission_mode': 'calm'}, ('',), MODES)['depth'] == 'base'
    assert at_start(DEFAULTS, ('',), MODES) == {}
    with pytest.raises(ParameterError, match='one budget at a time'):
        at_start({**DEFAULTS, 'latency_budget_ms': 9.0, 'target_fps': 1.0}, ('',), MODES)
    values = _values(('eye',), **{'eye.target_fps': 3.0})
    assert at_start(values, ('eye',), MODES)['eye.depth'] == AUTO


SETS = st.fixed_dictionaries({}, optional={
    'depth': st.sampled_from(['full', 'base', AUTO, 'base+fpn']),
    **{name: st.sampled_from([0.0, 5.0, 25.0, 1e5]) for name in BUDGETS},
    'depth_floor': st.sampled_from(['base', 'base+fpn', 'full']),
    'depth_ceiling': st.sampled_from(['full', 'base+neck', 'base']),
    'mission_mode': st.sampled_from(['', 'calm', 'keen', CUSTOM]),
    'score_threshold': st.sampled_from([0.1, 0.5]),
    'max_temperature_c': st.sampled_from([0.0, 70.0]),
})


@settings(deadline=None)
@given(st.lists(SETS, max_size=12))
def test_whatever_is_set_what_is_read_is_what_runs(sets):
    model = ModelFacts(SPACE, ('a', 'b'), PROFILE)
    values, chooser, now = dict(DEFAULTS), DepthChooser(), 0.0
    for asked in sets:
        try:
            after = {**values, **completed(asked, values, (), ('',), MODES)}
            snapshot = make_settings(after, model)
        except AnyDepthError as error:
            assert '\n' not in str(error)
            continue
        values, now = after, now + 1.0
        choice = chooser.choose(snapshot.plan, now)
        chooser.observe(FrameCost(choice.depth, 30.0))
        given_budgets = [name for name in BUDGETS if values[name]]
        assert len(given_budgets) <= 1
        if values['depth'] != AUTO:
            assert not given_budgets and choice.depth == SPACE.parse(values['depth'])
        else:
            assert (SPACE.parse(values['depth_floor']) <= choice.depth
                    <= SPACE.parse(values['depth_ceiling']))
        mode = MODES.get(values['mission_mode'])
        if mode:
            assert values['score_threshold'] == mode.settings['score_threshold']


@pytest.mark.parametrize('names', [('Front',), ('a', 'a'), ('a__b',), ('',), ('1a',), ('depth',),
                                   ('a.b',), tuple(f'c{i}' for i in range(99))])
def test_what_cannot_name_a_camera_is_refused(names):
    with pytest.raises(ParameterError, match='cameras: '):
        camera_names(names)


def test_a_single_camera_has_the_plain_names_alone():
    assert camera_names([]) == ('',)
    assert not any('.' in name or name == 'priority' for name in table(('',)))
    assert {'front.depth', 'front.priority', 'priority'} <= set(table(('front',)))
    assert not {'front.weights', 'front.power_budget_w'} & set(table(('front',)))


@given(st.floats(1e-4, 30.0), st.floats(0.01, 3.0), st.floats(0.1, 100.0))
def test_what_is_measured_is_what_time_allows_and_has_the_extremes(frame_s, count_s, limit_s):
    depths, frames = affordable(list(SPACE)[:40] + [SPACE.full], frame_s, count_s, limit_s)
    assert {SPACE.full, SPACE.base} <= set(depths) and len(set(depths)) == len(depths)
    assert FEWEST_FRAMES <= frames <= MOST_FRAMES
    if frames > FEWEST_FRAMES:
        assert len(depths) * (frames * frame_s + count_s) <= limit_s * 1.001


def test_a_gpu_that_is_not_used_is_told_with_what_to_do():
    assert unused_gpu('cuda:0', ['cuda:0', 'cpu'], ['/dev/nvidia0']) == ''
    assert unused_gpu('cpu', ['cpu'], []) == ''
    assert 'device:=cuda:0' in unused_gpu('cpu', ['cuda:0', 'cpu'], ['/dev/nvidia0'])
    assert 'install a PyTorch' in unused_gpu('cpu', ['cpu'], ['/dev/nvidia0'])


class FakeSensors:
    words = 'power: none'

    def power_w(self):
        return None

    def temperature_c(self):
        return 40.0


def test_a_limit_without_a_sensor_is_told():
    watch = EnergyWatch(FakeSensors())
    assert watch.without_sensor({'max_temperature_c': 70.0, 'power_budget_w': 0.0}) == ''
    assert 'no sensor tells the power' in watch.without_sensor({'power_budget_w': 5.0})
