# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A power budget met on average: in a simulated machine, and the joules of a frame measured."""

from __future__ import annotations

from dataclasses import replace
import random
from statistics import fmean
from types import SimpleNamespace

from hypothesis import example, given, settings
from hypothesis import strategies as st
import pytest
from test_energy import LAPTOP, PACKAGE, RASPBERRY_PI, NoGpu
from test_profile import SPACE, entry, profile

from anydepth_core.errors import BudgetError, ProfileError
from anydepth_core.runtime.budget import Budget
from anydepth_core.runtime.energy import open_sensors
from anydepth_core.runtime.measure_energy import measure_energy
from anydepth_core.runtime.policy import Fixed, FrameCost
from anydepth_core.runtime.policy_budgeted import Table
from anydepth_core.runtime.policy_power import Capped, PowerCap

# A frame draws a tenth of a joule for each millisecond, see test_profile.
PROFILE = profile(entry('base', 1, 0.40), entry('full-p2', 2, 0.475), entry('full', 4, 0.50))
JOULES = {each.depth: each.energy_j for each in PROFILE.entries}
RATE = 20.0  # so frames draw 2, 4 or 8 W


class Machine:
    """Draws `rest` watts and what frames need; its sensor is read once a second."""

    def __init__(self, rest=5.0, factor=1.0, noise=0.0, policies=1):
        self.rest, self.factor, self.noise, self.now = rest, factor, noise, 0.0
        self.rng = random.Random(1)
        self.frames = []

    def run(self, seconds, *policies):
        """Return the mean watts of each second."""
        watts = []
        for _ in range(int(seconds)):
            joules = 0.0
            for _ in range(int(RATE)):
                for policy in policies:
                    depth = policy.choose(self.now).depth
                    policy.observe(FrameCost(depth, 10.0))
                    joules += JOULES[depth] * self.factor
                    self.frames.append(depth)
                self.now += 1 / RATE
            watts.append(self.rest + joules)
            for policy in policies:
                policy.cap.feel(self.now, watts[-1] + self.rng.gauss(0, self.noise))
        return watts


def capped(budget, policy=None, **options):
    return Capped(policy or Fixed(SPACE.full), PowerCap(PROFILE, budget, **options))


@pytest.mark.parametrize('factor', [0.5, 1.0, 1.6])
@pytest.mark.parametrize('budget', [9.0, 10.5])
def test_the_mean_power_is_the_budget_although_the_profile_is_wrong(factor, budget):
    rest = budget - 4.0 * factor  # so that what is left lies between two depths
    watts = Machine(rest=rest + 0.3, factor=factor).run(60, capped(budget))
    assert fmean(watts[15:]) == pytest.approx(budget, rel=0.01)


def test_readings_that_jump_do_not_move_the_mean():
    watts = Machine(noise=1.0).run(300, capped(10.0))
    assert fmean(watts[10:]) == pytest.approx(10.0, rel=0.02)


def test_a_changed_budget_and_another_load_are_followed_within_seconds():
    machine, policy = Machine(), capped(12.0)
    machine.run(20, policy)
    policy.cap.change(8.0)
    assert fmean(machine.run(10, policy)) == pytest.approx(8.0, rel=0.03)
    policy.cap.change(11.0)
    assert fmean(machine.run(10, policy)) == pytest.approx(11.0, rel=0.03)
    machine.rest = 7.0  # another program has begun
    assert fmean(machine.run(14, policy)[4:]) == pytest.approx(11.0, rel=0.03)


def test_several_cameras_keep_one_budget_together():
    policies = [capped(20.0, shares=4) for _ in range(4)]
    watts = Machine(rest=3.0).run(60, *policies)
    assert fmean(watts[15:]) == pytest.approx(20.0, rel=0.02)


def test_what_cannot_be_kept_is_told_and_forgiven_afterwards():
    machine, policy = Machine(rest=9.0), capped(10.0)
    watts = machine.run(40, policy)
    assert watts[-1] == 11.0 and policy.cap.shortfall_w == pytest.approx(1.0)
    assert policy.choose(machine.now).depth == SPACE.base
    machine.rest = 5.0
    assert fmean(machine.run(30, policy)[5:]) == pytest.approx(10.0, rel=0.03)
    assert policy.cap.shortfall_w == 0.0


def test_a_policy_that_wants_less_is_left_alone_and_room_is_not_saved_up():
    machine, policy = Machine(), capped(10.0, Fixed(SPACE.base))
    assert machine.run(60, policy)[-1] == 7.0 and set(machine.frames) == {SPACE.base}
    policy.policy = Fixed(SPACE.full)
    watts = machine.run(30, policy)
    assert max(watts) <= 13.0 and fmean(watts[3:]) == pytest.approx(10.0, rel=0.03)


def test_the_reason_says_what_is_kept():
    machine = Machine()
    policy = capped(8.0, Table(PROFILE, Budget(500.0)))
    machine.run(10, policy)
    reasons = {policy.choose(machine.now).reason for _ in range(9)}
    assert any('W for frames, to keep 8 W; table: full' in each for each in reasons)


def test_limits_hold_and_a_refused_change_changes_nothing():
    cap = PowerCap(PROFILE, 6.0, floor='full-p2')
    policy = Capped(Fixed(SPACE.full), cap)
    machine = Machine(rest=5.0)
    machine.run(10, policy)
    assert SPACE.base not in machine.frames
    with pytest.raises(BudgetError):
        cap.change(6.0, floor='full', ceiling='base')
    machine.run(3, policy)
    assert SPACE.base not in machine.frames


def test_without_joules_there_is_no_cap():
    without = replace(PROFILE, entries=tuple(
        replace(each, energy_j=None) for each in PROFILE.entries))
    with pytest.raises(ProfileError, match='no energy was measured'):
        PowerCap(without, 10.0)


odd = st.sampled_from([None, float('nan'), float('inf'), -5.0, 0.0, 1e5]) | st.floats(0, 50)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 3), odd, st.booleans()), max_size=60),
       st.floats(0.01, 1e5))
@example([(0.0, -5.0, True), (1e-16, -5.0, True)], 1.0)
def test_whatever_sensors_tell_a_depth_is_chosen(events, budget):
    policy, now = capped(budget), 0.0
    for elapsed, reading, frame in events:
        now += elapsed
        policy.cap.feel(now, reading)
        if frame:
            choice = policy.choose(now)
            assert choice.depth in JOULES and choice.reason
            policy.observe(FrameCost(choice.depth, 10.0))


# -- measuring ---------------------------------------------------------------------------------

class Rapl:
    """A recorded tree whose energy counter goes on with a clock: 5 W, and joules for frames."""

    def __init__(self, folder, files=LAPTOP, joules=JOULES):
        self.root, self.now, self.micro, self.joules = folder, 0.0, 10_000_000.0, joules
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'{text}\n')
        self.has_counter = PACKAGE in files

    def sleep(self, seconds, joules=0.0):
        self.now += seconds
        self.micro += 1e6 * (5.0 * seconds + joules)
        if self.has_counter:
            (self.root / PACKAGE).write_text(f'{int(self.micro)}\n')

    def detect(self, image, *, depth):
        self.sleep(0.02 if depth == SPACE.full else 0.01, self.joules[depth])

    def measure(self):
        sensors = open_sensors(self.root, nvml=NoGpu(), clock=lambda: self.now)
        return measure_energy(self, PLAIN, None, sensors, clock=lambda: self.now,
                              sleep=self.sleep)


PLAIN = replace(PROFILE, entries=tuple(
    replace(each, energy_j=None) for each in PROFILE.entries))


def test_joules_of_a_frame_come_from_a_counter(tmp_path):
    found, said = Rapl(tmp_path).measure()
    assert {each.depth: each.energy_j for each in found.entries} == pytest.approx(
        JOULES, rel=1e-3)
    assert 'above 5.0 W at rest' in said and 'RAPL package-0' in said


@pytest.mark.parametrize('files, joules, words', [
    (RASPBERRY_PI, JOULES, 'power: no sensor found'),
    (LAPTOP, dict.fromkeys(JOULES, 0.0), 'base drew hardly more than the machine at rest')])
def test_nothing_is_guessed(tmp_path, files, joules, words):
    found, said = Rapl(tmp_path, files, joules).measure()
    assert found == PLAIN and said.startswith('joules of a frame not measured') and words in said


def test_a_sensor_that_says_nothing_but_zero_guesses_nothing_either(tmp_path):
    machine = Rapl(tmp_path)
    found, said = measure_energy(
        machine, PLAIN, None, SimpleNamespace(power_w=lambda: 0.0, words='asleep'),
        clock=lambda: machine.now, sleep=machine.sleep)
    assert found == PLAIN and 'hardly more' in said
