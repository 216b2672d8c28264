# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Every live parameter: a change is in the very next image, or refused; `get` tells what runs."""

from __future__ import annotations

from collections.abc import Iterator
import json
import math
import random
import time

from harness import LATCHED, Camera, Peer, Process, values, wait_for
from profiled import write_profile
import pytest
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from anydepth_core.runtime.energy import Sensors, open_sensors
from anydepth_ros.parameters import BY_NAME, LIVE

DEFAULTS = {name: BY_NAME[name].default for name in LIVE if not BY_NAME[name].cameras_only}
DEFAULTS |= {'score_threshold': 0.0, 'max_detections': 20}


@pytest.fixture(scope='module')
def detector(start, weights, tmp_path_factory) -> Process:
    profile = write_profile(tmp_path_factory.mktemp('profile') / 'p.json', weights)
    return start('detector_node', score_threshold=0, max_detections=20, profile=profile,
                 device='cpu')


@pytest.fixture(autouse=True)
def defaults(camera: Camera, peer: Peer) -> Iterator[None]:
    yield
    assert set_all(peer, DEFAULTS).successful


def set_all(peer: Peer, wanted):
    request = SetParametersAtomically.Request(parameters=[
        (Parameter(name, Parameter.Type.STRING_ARRAY, value) if isinstance(value, list)
         else Parameter(name, value=value)).to_parameter_msg() for name, value in wanted.items()])
    return peer.call(SetParametersAtomically, '/detector/set_parameters_atomically',
                     request).result


def show(camera: Camera):
    return camera.show(camera.image(48, 64))


def is_not_processed(camera: Camera, peer: Peer, undo: str, value: object) -> bool:
    """Return whether an image gives nothing until the parameter is put back, or ever."""
    message = camera.image(48, 64)
    camera.publish(message)
    time.sleep(0.5)
    nothing = not any(m.header == message.header for m in camera.detections)
    assert peer.set(undo, value).successful
    show(camera)
    return nothing


def labels(array):
    return {d.results[0].hypothesis.class_id for d in array.detections}


# For each live parameter: what to set before, a new value, and what the next image must show.
EFFECTS = {
    'depth': ({}, 'base', lambda array, status: status['depth'] == 'base'),
    'latency_budget_ms': ({}, 777.0, lambda array, status: 'budget 777' in status['why']),
    'compute_budget_gflops': ({}, 1.0, lambda array, status: status['depth'] == 'base'),
    'target_fps': ({}, 4.0, lambda array, status: 'budget 250' in status['why']),
    'depth_floor': ({'compute_budget_gflops': 1.0}, 'base+fpn',
                    lambda array, status: status['depth'] == 'base+fpn'),
    'depth_ceiling': ({'depth': 'auto'}, 'base+fpn',
                      lambda array, status: status['depth'] == 'base+fpn'),
    'mission_mode': ({'depth': 'base'}, 'inspect', lambda array, status: (
        status['depth'], status['mission_mode']) == ('full', 'inspect')),
    'score_threshold': ({}, 1.0, lambda array, status: not array.detections),
    'nms_iou': ({'max_detections': 1000}, 0.0, lambda array, status:
                0 < len(array.detections) < 100),
    'max_detections': ({}, 3, lambda array, status: len(array.detections) == 3),
    'classes': ({}, ['cup'], lambda array, status: labels(array) == {'1'}),
    'request_depth': None,  # in test_requests_live.py
    'power_budget_w': None,
    'max_temperature_c': None,
    'rate_limit_hz': None,
    'max_age_ms': None,
    'enabled': None,
}


def test_every_live_parameter_is_tried():
    assert set(EFFECTS) == set(DEFAULTS)


@pytest.mark.parametrize('name', [name for name, effect in EFFECTS.items() if effect])
def test_a_change_is_in_the_very_next_image_and_get_tells_it(camera, peer, name):
    before, value, seen = EFFECTS[name]
    for other, first in before.items():
        assert peer.set(other, first).successful
    assert not seen(*show(camera))
    result = peer.set(name, value)
    assert result.successful, result.reason
    array, status = show(camera)
    assert seen(array, status), status
    assert peer.get(name) == value
    assert status['mission_mode'] == peer.get('mission_mode')


@pytest.mark.parametrize(('name', 'value'), [
    ('enabled', False), ('rate_limit_hz', 0.01), ('max_age_ms', 1.0)])
def test_a_gate_is_closed_for_the_very_next_image(camera, peer, name, value):
    _, before = show(camera)
    assert peer.set(name, value).successful and peer.get(name) == value
    assert is_not_processed(camera, peer, name, DEFAULTS[name])
    _, after = show(camera)
    assert int(after['refused']) - int(before['refused']) == (name == 'max_age_ms')


@pytest.mark.parametrize(('name', 'value', 'of'), [
    ('power_budget_w', 9e4, Sensors.power_w), ('max_temperature_c', 149.0, Sensors.temperature_c)])
def test_a_limit_is_kept_where_a_sensor_tells_and_refused_where_none_does(
        camera, peer, name, value, of):
    sensors = open_sensors()
    tells = [of(sensors) for _ in range(2)][-1] is not None
    assert peer.set('depth', 'auto').successful
    result = peer.set(name, value)
    assert result.successful == tells
    assert tells or 'no sensor tells the' in result.reason
    assert peer.get(name) == (value if tells else 0.0)
    show(camera)


@pytest.mark.parametrize(('before', 'name', 'value', 'words'), [
    ({}, 'latency_budget_ms', math.nan, 'out of range'),
    ({}, 'latency_budget_ms', -1.0, 'out of range'),
    ({}, 'target_fps', math.inf, 'out of range'),
    ({}, 'compute_budget_gflops', 'much', 'type'),
    ({}, 'depth_ceiling', 'base', "limits depth 'auto', and depth is 'full'"),
    ({'depth': 'auto'}, 'depth_floor', 'banana', "unknown depth 'banana'"),
    ({'depth': 'auto', 'depth_floor': 'full'}, 'depth_ceiling', 'base', 'no depth of the profile'),
    ({'depth': 'auto'}, 'depth_floor', 'base+p3', ''),
    ({}, 'mission_mode', 'inspct', "unknown mode 'inspct' (did you mean 'inspect'?)"),
    ({}, 'mission_mode', 'custom', "unknown mode 'custom'"),
    ({}, 'priority', 3, 'undeclared'),
    ({}, 'cameras', ['a'], 'read-only'),
    ({}, 'power_budget_w', -3.0, 'out of range'),
])
def test_what_cannot_be_is_refused_and_the_policy_that_runs_stays(
        camera, peer, before, name, value, words):
    for other, first in before.items():
        assert peer.set(other, first).successful
    old = {each: peer.get(each) for each in ('depth', 'mission_mode', 'latency_budget_ms')}
    _, then = show(camera)
    result = peer.set(name, value)
    if words:
        assert not result.successful and words in result.reason
        assert {each: peer.get(each) for each in old} == old
        _, now = show(camera)
        assert (now['depth'], now['why']) == (then['depth'], then['why'])
    else:
        assert result.successful


def test_a_budget_sets_auto_and_ends_others_and_a_depth_ends_it(camera, peer):
    assert peer.set('target_fps', 1000).successful
    assert (peer.get('depth'), peer.get('target_fps')) == ('auto', 1000.0)
    _, status = show(camera)
    assert float(status['shortfall']) > 0 and 'nothing fits the budget' in str(
        camera.status[-1].status[0].message)
    assert status['depth'] == 'base'
    assert peer.set('compute_budget_gflops', 4).successful
    assert (peer.get('target_fps'), peer.get('compute_budget_gflops')) == (0.0, 4.0)
    assert show(camera)[1]['depth'] == 'full'
    assert peer.set('depth', 'base').successful
    assert peer.get('compute_budget_gflops') == 0.0
    assert show(camera)[1]['why'] == 'fixed: base'
    both = set_all(peer, {'target_fps': 3.0, 'latency_budget_ms': 3.0})
    assert not both.successful and 'one budget at a time' in both.reason
    clash = set_all(peer, {'target_fps': 3.0, 'depth': 'full'})
    assert not clash.successful and 'a budget chooses the depth' in clash.reason
    assert show(camera)[1]['depth'] == 'base'


def test_a_step_of_the_budget_is_followed_and_met_on_average(camera, peer):
    gflops = {'base': 1.0, 'base+fpn': 2.0, 'full': 4.0}
    for budget in (3.0, 1.5, 4.0):
        assert peer.set('compute_budget_gflops', budget).successful
        ran = [gflops[show(camera)[1]['depth']] for _ in range(24)]
        assert sum(ran) / len(ran) == pytest.approx(budget, rel=0.1)
        assert len(set(ran)) <= 2


def test_a_mode_by_parameter_by_service_and_by_topic(camera, peer, detector):
    assert peer.set('mission_mode', 'emergency').successful
    assert (peer.get('target_fps'), peer.get('depth')) == (30.0, 'auto')
    answer = peer.call(Trigger, '/detector/mission_mode/charge_saver', Trigger.Request())
    assert answer.success and peer.get('mission_mode') == 'charge-saver'
    assert (peer.get('depth'), peer.get('target_fps')) == ('base', 0.0)
    topic = peer.node.create_publisher(String, '/mission_mode', LATCHED)
    topic.publish(String(data='inspect'))
    wait_for(lambda: peer.get('mission_mode') == 'inspect', 'mode by topic')
    _, status = show(camera)
    assert (status['depth'], status['mission_mode']) == ('full', 'inspect')
    topic.publish(String(data='dance'))
    detector.wait_text("unknown mode 'dance'")
    assert peer.get('mission_mode') == 'inspect'
    peer.node.destroy_publisher(topic)


def test_a_value_set_by_hand_wins_and_the_mode_reads_custom(camera, peer):
    assert peer.set('mission_mode', 'inspect').successful
    assert peer.set('score_threshold', peer.get('score_threshold')).successful
    assert peer.get('mission_mode') == 'inspect'
    assert peer.set('depth', 'base').successful
    assert peer.get('mission_mode') == 'custom' and peer.get('rate_limit_hz') == 5.0
    assert show(camera)[1]['mission_mode'] == 'custom'
    assert peer.set('mission_mode', 'custom').successful
    assert peer.set('mission_mode', '').successful and peer.get('depth') == 'base'


def test_describe_tells_everything_as_json(camera, peer):
    answer = peer.call(Trigger, '/detector/describe', Trigger.Request())
    told = json.loads(answer.message)
    assert answer.success and told['state'] == 'active'
    assert told['model'] == 'anydepth-yolo-tiny' and told['device'] == 'cpu'
    assert {name: told['parameters'][name] for name in DEFAULTS} == DEFAULTS
    assert [entry['depth'] for entry in told['profile_entries']] == ['base', 'base+fpn', 'full']
    assert 'inspect' in told['mission_modes'] and told['cameras'] == []


def test_random_sets_under_load_leave_what_get_tells(camera, peer, detector):
    rng = random.Random(0)
    pool = {
        'depth': ['full', 'base', 'auto', 'base+p2', 'banana', 3, ''],
        'latency_budget_ms': [0.0, 5.0, 1e5, math.nan, -1.0, 7],
        'compute_budget_gflops': [0.0, 1.5, 1e-9, math.inf],
        'target_fps': [0, 10.0, 1000.0, 'x'],
        'depth_floor': ['base', 'full', 'full-p2', 'p2'],
        'depth_ceiling': ['full', 'base', 'base+fpn', False],
        'mission_mode': ['', 'patrol', 'search', 'inspect', 'emergency', 'custom', 'nil'],
        'score_threshold': [0.0, 0.5, 1, 2.0], 'nms_iou': [0.7, 0.1, 'a'],
        'max_detections': [20, 1, 0, 1.5], 'classes': [[], ['cup'], ['7'], [1]],
        'rate_limit_hz': [0.0, 100.0], 'max_age_ms': [0.0, 0], 'enabled': [True, True, 'no'],
        'power_budget_w': [0.0, -1.0], 'max_temperature_c': [0.0, 999.0],
    }
    accepted = 0
    for _ in range(150):
        camera.publish(camera.image(48, 64))
        name = rng.choice(list(pool))
        accepted += peer.set(name, rng.choice(pool[name])).successful
    assert 30 < accepted < 150
    assert set_all(peer, {'max_age_ms': 0.0, 'rate_limit_hz': 0.0, 'enabled': True}).successful
    _, status = show(camera)
    assert status['mission_mode'] == peer.get('mission_mode')
    if peer.get('depth') != 'auto':
        assert status['why'] == f'fixed: {status["depth"]}'
        assert not any(peer.get(budget) for budget in
                       ('latency_budget_ms', 'compute_budget_gflops', 'target_fps'))
    assert 'Traceback' not in detector.text and detector.popen.poll() is None
    assert values(camera.status[-1].status[0])['failed'] == '0'
