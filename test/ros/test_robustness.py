# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What must not end, block or fill the node: in short here, in full by benchmarks/node_stress.py.

No test here judges how fast a busy machine is; the benchmark does.
"""

from __future__ import annotations

import signal
import time

from diagnostic_msgs.msg import DiagnosticArray
from harness import Camera, Peer, Process, wait_for
from malformed import account, ask_nonsense, compressed_images, images, serialised, show_each, told
import pytest
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import CompressedImage
from stress import (
    MOMENTS,
    Caller,
    Footprint,
    Ordeal,
    end_at,
    images_arriving,
    put_back,
    under_pressure,
)


@pytest.fixture(scope='module')
def detector(start) -> Process:
    return start('detector_node', score_threshold=0)


def test_malformed_images_are_counted_and_told_once_per_kind(camera: Camera, detector: Process):
    found = account(camera, 300, images())
    assert found['failed'] > 100
    assert found['received'] + found['lost_in_transport'] == found['sent']
    assert found['received'] == (found['processed'] + found['dropped'] + found['refused']
                                 + found['failed'])
    kinds = told(detector.text)
    assert 3 < len(kinds) == len(set(kinds))
    assert 'Traceback' not in detector.text


def test_damaged_bytes_on_the_wire_leave_the_node_at_work(camera: Camera, detector: Process):
    show_each(serialised(), 100, camera.publish)
    camera.show(camera.image(48, 64))
    assert detector.popen.poll() is None
    assert sum('its bytes are no image' in each for each in told(detector.text)) == 1


def test_malformed_compressed_images_are_told_once_per_kind(start, peer: Peer):
    process = start('detector_node', '-r', '__ns:=/jpeg', image_transport='compressed')
    peer.wait_active('/jpeg/detector')
    publisher = peer.node.create_publisher(CompressedImage, '/jpeg/image/compressed', 10)
    wait_for(publisher.get_subscription_count, 'subscriber')
    show_each(compressed_images(), 200, publisher.publish)
    wait_for(lambda: len(told(process.text)) > 2, 'errors')
    assert process.stop(signal.SIGTERM) == 0
    assert len(told(process.text)) == len(set(told(process.text)))
    assert 'Traceback' not in process.text


def test_a_random_life_ends_in_a_node_that_works_and_holds_no_more(start, peer: Peer):
    # OpenVINO keeps idle threads for as many networks as ever were loaded at one time.
    process = start('detector_node', '-r', '__ns:=/wild', autostart='false', backend='torch')
    node = '/wild/detector'
    process.wait_text('unconfigured; waiting')
    with images_arriving(peer, '/wild/image'):
        ordeal = Ordeal(peer, node, seed=3)
        ordeal.run(8, 80)  # what is made once and kept
        put_back(peer, node)
        before = settled(peer, process, node)
        ordeal.run(40, 400)
        put_back(peer, node)
    after = settled(peer, process, node)
    assert len(ordeal.transitions) == 40 and len(ordeal.sets) == 400
    assert any(ordeal.transitions) and 0 < sum(ordeal.sets) < len(ordeal.sets)
    assert (after.publishers, after.subscriptions, after.services) == (
        before.publishers, before.subscriptions, before.services)
    assert after.threads <= before.threads + 4  # those of the executor come as they are needed
    assert after.files <= before.files + 2
    camera = Camera(peer, node, '/wild/image')
    camera.show(camera.image(48, 64))
    assert process.stop(signal.SIGTERM) == 0
    assert 'Traceback' not in process.text


def settled(peer: Peer, process: Process, node: str) -> Footprint:
    """Return what an active node occupies, once others see all of its topics."""
    wait_for(lambda: Footprint.of(peer, process, node).publishers >= 10, 'topics')
    return Footprint.of(peer, process, node)


@pytest.mark.parametrize('moment', MOMENTS)
def test_sigterm_at_any_moment_ends_it_cleanly(start, peer: Peer, moment):
    namespace = f'/at_{moment.replace(" ", "_")}'
    process = start('detector_node', '-r', f'__ns:={namespace}', autostart='false')
    end_at(moment, process, peer, {'configuring': 0.3, 'measuring': 0.5}.get(moment, 0.0),
           f'{namespace}/detector')


def test_images_that_come_too_fast_do_not_grow_old_and_parameters_are_answered(
        start, peer: Peer, slow_weights):
    start('detector_node', '-r', '__ns:=/slow', weights=slow_weights)
    peer.wait_active('/slow/detector')
    status = peer.listen(DiagnosticArray, '/slow/detector/frame_status')
    with images_arriving(peer, '/slow/image', period_s=0.03):
        wait_for(lambda: status, 'first frame')
        found = under_pressure(peer, status, 8, '/slow/detector')
    assert len(found.answers_ms) > 16
    # An image that queued behind one other would be older than this by half of its own time.
    assert sorted(found.at_start_ms)[4] < 0.5 * min(found.total_ms) + 200


def test_nonsense_is_answered_or_left_and_the_node_goes_on(start, peer: Peer):
    process = start('detector_node', '-r', '__ns:=/asked', score_threshold=0)
    node = '/asked/detector'
    peer.wait_active(node)
    for _ in range(2):
        assert ask_nonsense(peer, node) > 10
        peer.wait_active(node)
    camera = Camera(peer, node, '/asked/image')
    camera.show(camera.image(48, 64))
    assert peer.get('depth', node) == 'full'
    assert process.text.count('a callback failed (told once)') == 1
    assert process.stop(signal.SIGTERM) == 0


def test_a_flood_of_requests_that_rclpy_fails_on_ends_nothing(start, peer: Peer):
    process = start('detector_node', '-r', '__ns:=/flooded', score_threshold=0)
    node = '/flooded/detector'
    peer.wait_active(node)
    caller = Caller(peer, SetParameters, f'{node}/set_parameters')
    wrong = Parameter(name='depth', value=ParameterValue(type=99))
    for _ in range(200):
        caller.send(SetParameters.Request(parameters=[wrong]))
        time.sleep(0.005)
    camera = Camera(peer, node, '/flooded/image')
    camera.show(camera.image(48, 64))
    assert process.text.count('a callback failed (told once)') == 1
    assert process.stop(signal.SIGTERM) == 0
