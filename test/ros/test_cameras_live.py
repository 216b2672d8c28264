# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Several cameras on one model: topics, parameters and turns of each."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticArray
from harness import LATCHED, Camera, Peer, Process, wait_for
import pytest
from std_srvs.srv import Trigger
from vision_msgs.msg import LabelInfo

CAMERAS = ('front', 'left', 'rear')


@pytest.fixture(scope='module')
def detector(start) -> Process:
    return start('detector_node', cameras=f'[{",".join(CAMERAS)}]', depth='full-p2',
                 score_threshold=0, **{'front.depth': 'base', 'left.score_threshold': 0.25,
                                       'front.priority': 4})


@pytest.fixture(scope='module')
def cameras(detector: Process, peer: Peer) -> dict[str, Camera]:
    detector.wait_text('waiting for images on /rear/image')
    return {name: Camera(peer, f'/detector/{name}', f'/{name}/image') for name in CAMERAS}


def show(camera: Camera):
    return camera.show(camera.image(48, 64))


def test_each_camera_has_its_own_depth_in_the_same_process(cameras, peer):
    ran = {name: show(camera)[1]['depth'] for name, camera in cameras.items()}
    assert ran == {'front': 'base', 'left': 'full-p2', 'rear': 'full-p2'}
    assert peer.set('left.depth', 'full').successful
    ran = {name: show(camera)[1]['depth'] for name, camera in cameras.items()}
    assert ran == {'front': 'base', 'left': 'full', 'rear': 'full-p2'}
    assert peer.set('left.depth', 'full-p2').successful
    assert not peer.node.count_publishers('/detector/detections')
    assert not peer.node.count_subscribers('/image')


def test_a_camera_follows_the_node_until_it_is_set_and_again_when_it_is_set_back(cameras, peer):
    def depths():
        return {name: (peer.get(f'{name}.depth'), show(camera)[1]['depth'])
                for name, camera in cameras.items()}
    assert peer.set('depth', 'full').successful
    assert depths() == {'front': ('base', 'base'), 'left': ('full',) * 2, 'rear': ('full',) * 2}
    assert peer.set('front.depth', 'full').successful
    assert peer.set('depth', 'base+p3').successful
    assert depths() == dict.fromkeys(CAMERAS, ('base+p3', 'base+p3'))
    assert peer.set('front.depth', 'base').successful
    assert peer.set('depth', 'full-p2').successful
    assert depths()['front'] == ('base', 'base')


def test_a_mode_of_one_camera_leaves_the_others(cameras, peer):
    before = peer.get('depth')
    assert peer.set('rear.mission_mode', 'inspect').successful
    _, status = show(cameras['rear'])
    assert (status['depth'], status['mission_mode']) == ('full', 'inspect')
    assert show(cameras['left'])[1]['mission_mode'] == ''
    assert peer.get('depth') == before and peer.get('rear.rate_limit_hz') == 5.0
    assert peer.get('rear.score_threshold') == 0.25
    for name in ('mission_mode', 'depth', 'score_threshold', 'rate_limit_hz', 'nms_iou',
                 'max_detections'):
        assert peer.set(f'rear.{name}', peer.get(name)).successful


def test_a_service_selects_a_mode_for_one_camera_or_for_all(cameras, peer):
    def modes():
        return {name: show(camera)[1]['mission_mode'] for name, camera in cameras.items()}
    changed = [f'{camera}{name}' for camera in ('', *(f'{name}.' for name in CAMERAS))
               for name in ('mission_mode', 'depth', 'score_threshold', 'rate_limit_hz',
                            'nms_iou', 'max_detections')]
    before = {name: peer.get(name) for name in changed}
    answer = peer.call(Trigger, '/detector/rear/mission_mode/inspect', Trigger.Request())
    assert answer.success and answer.message == 'rear.mission_mode is "inspect"'
    assert modes() == {'front': '', 'left': '', 'rear': 'inspect'}
    assert peer.get('mission_mode') == ''
    answer = peer.call(Trigger, '/detector/mission_mode/charge_saver', Trigger.Request())
    assert answer.success and peer.get('mission_mode') == 'charge-saver'
    # A threshold of its own was given to one of them.
    assert modes() == {'front': 'charge-saver', 'left': 'custom', 'rear': 'inspect'}
    for name, value in before.items():
        assert peer.set(name, value).successful
    assert {name: peer.get(name) for name in changed} == before


@pytest.mark.parametrize(('name', 'value', 'words'), [
    ('front.depth', 'banana', "unknown depth 'banana'"),
    ('front.score_threshold', 2.0, 'out of range'),
    ('depth', 'banana', "unknown depth 'banana'"),
    ('front.target_fps', 5.0, 'there is no profile'),
    ('front.weights', 'x', 'undeclared'),
    ('front.power_budget_w', 5.0, 'undeclared'),
    ('cameras', ['front'], 'read-only'),
    ('up.depth', 'base', 'undeclared'),
])
def test_what_cannot_be_is_refused_for_one_camera_as_for_the_node(cameras, peer, name, value,
                                                                  words):
    result = peer.set(name, value)
    assert not result.successful and words in result.reason
    assert show(cameras['front'])[1]['depth'] == 'base'


def test_one_camera_is_disabled_and_stays_so_when_the_node_is_enabled(cameras, peer):
    assert peer.set('rear.enabled', False).successful
    for value in (False, True):
        assert peer.set('enabled', value).successful
    message = cameras['rear'].image(48, 64)
    cameras['rear'].publish(message)
    show(cameras['left'])
    time.sleep(0.3)
    assert not any(m.header == message.header for m in cameras['rear'].detections)
    assert peer.set('rear.enabled', True).successful
    show(cameras['rear'])


def test_no_camera_starves_and_priority_counts(cameras, peer):
    before = {name: int(show(camera)[1]['processed']) for name, camera in cameras.items()}
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        for camera in cameras.values():
            camera.publish(camera.image(48, 64))
        time.sleep(0.001)
    counts = {name: int(show(camera)[1]['processed']) - before[name]
              for name, camera in cameras.items()}
    assert min(counts.values()) > 3
    assert counts['front'] >= 0.9 * counts['left']


def test_each_camera_tells_its_labels_and_its_state(cameras, peer):
    labels = peer.listen(LabelInfo, '/detector/left/label_info', LATCHED)
    assert wait_for(lambda: labels and labels[-1], 'label info').threshold == 0.25
    messages = peer.listen(DiagnosticArray, '/diagnostics')

    def names() -> set[str]:
        return {status.name for message in messages for status in message.status}
    wanted = {f'/detector: {name} {part}' for name in CAMERAS for part in ('input', 'inference')}
    wait_for(lambda: names() >= {*wanted, '/detector: model'}, 'diagnostics of each camera')
    assert cameras['left'].status[-1].status[0].name == '/detector: left frame'


@pytest.mark.parametrize('names', ['[Front]', '[a,a]', '[a__b]', '[depth]', '[a/b]', "['1']"])
def test_names_that_cannot_be_end_the_start(start, names):
    process = start('detector_node', cameras=names)
    assert process.wait() == 2
    assert 'detector: error: cameras: ' in process.text
