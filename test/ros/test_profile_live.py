# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Where the node has its profile from: none, measured at start, between frames, found, foreign."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import threading

from harness import LATCHED, Camera, Peer, wait_for
from profiled import write_profile
import pytest
from std_msgs.msg import String
from std_srvs.srv import Trigger

from anydepth_core.runtime.profile import read_profile

NODE = '/lone/detector'


@pytest.fixture
def cache(environment, tmp_path) -> dict[str, str]:
    """Return an environment with an empty cache."""
    return {**environment, 'XDG_CACHE_HOME': str(tmp_path)}


def call(peer: Peer, name: str):
    return peer.call(Trigger, f'{NODE}/{name}', Trigger.Request())


@contextmanager
def measuring(peer: Peer) -> Iterator[list[Trigger.Response]]:
    """Call measure_profile beside; the answer is in the list afterwards."""
    answers: list[Trigger.Response] = []
    caller = threading.Thread(target=lambda: answers.append(call(peer, 'measure_profile')))
    caller.start()
    yield answers
    caller.join()


def test_without_a_profile_auto_is_refused_until_one_is_measured_between_frames(
        start, peer, cache):
    topic = peer.node.create_publisher(String, '/lone/mission_mode', LATCHED)
    topic.publish(String(data='patrol'))  # a latched mode that cannot be must not end the node
    process = start('detector_node', '-r', '__ns:=/lone', env=cache, score_threshold=0)
    peer.wait_active(NODE)
    process.wait_text('parameter refused: depth: auto needs')
    assert peer.get('mission_mode', NODE) == ''
    peer.node.destroy_publisher(topic)
    camera = Camera(peer, NODE, '/lone/image')
    result = peer.set('latency_budget_ms', 50.0, NODE)
    assert not result.successful and 'there is no profile' in result.reason
    assert f'ros2 service call {NODE}/measure_profile' in result.reason
    assert not call(peer, 'measure_profile/cancel').success

    with measuring(peer) as answers:
        wait_for(lambda: call(peer, 'measure_profile/cancel').success, 'a measurement')
    assert not answers[0].success and 'cancelled' in answers[0].message

    between = 0
    with measuring(peer) as answers:
        while not answers:
            camera.show(camera.image(48, 64))
            between += 1
            assert peer.set('score_threshold', 0.0, NODE).successful
    assert answers[0].success, answers[0].message
    assert between > 3
    path = Path(answers[0].message.splitlines()[0])
    assert path.parent == Path(cache['XDG_CACHE_HOME']) / 'anydepth'
    assert all(entry.name in answers[0].message for entry in read_profile(path).entries)
    assert peer.set('latency_budget_ms', 1e5, NODE).successful
    _, status = camera.show(camera.image(48, 64))
    assert status['why'].startswith('table: ')
    assert process.stop() == 0


def test_measured_at_start_once_and_found_by_its_key_afterwards(start, cache):
    first = start('detector_node', env=cache, profile_on_start='true', latency_budget_ms=1000)
    first.wait_text('active at depth auto')
    assert first.stop() == 0
    assert 'measuring what each depth costs' in first.text
    second = start('detector_node', env=cache, depth='auto')
    second.wait_text('active at depth auto')
    assert 'measuring' not in second.text
    assert second.stop() == 0


def test_auto_at_start_without_a_profile_ends_with_the_reason_and_the_fix(start, cache):
    process = start('detector_node', env=cache, target_fps=10)
    assert process.wait() == 2
    assert 'there is no profile' in process.text and 'profile_on_start:=true' in process.text
    assert 'Traceback' not in process.text


@pytest.mark.parametrize('kind', ['foreign', 'empty', 'missing'])
def test_a_profile_that_cannot_be_ends_the_start(start, cache, tmp_path, weights, kind):
    path = tmp_path / 'profile.json'
    if kind == 'foreign':
        write_profile(path, weights, hash_of='f' * 64)
    elif kind == 'empty':
        path.write_text('{}')
    process = start('detector_node', env=cache, profile=path, device='cpu')
    assert process.wait() == 2
    words = {'foreign': 'the profile is foreign: weights_hash is', 'empty': 'lacks',
             'missing': 'cannot read'}[kind]
    assert f'cannot configure: {path}: ' in process.text or kind == 'missing'
    assert words in process.text
