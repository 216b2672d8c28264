# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle by services, and several detectors side by side."""

from __future__ import annotations

import random
import signal

from harness import Camera, Peer, wait_for
from stress import images_arriving
from vision_msgs.msg import Detection2DArray


def test_transitions_by_services_refused_and_made_again_and_again(start, peer: Peer):
    process = start('detector_node', autostart='false', score_threshold=0)
    process.wait_text('unconfigured; waiting')
    assert peer.state() == 'unconfigured'
    assert not peer.change_state('activate')
    assert peer.set('depth', 'base@3').successful  # a model with a decoder may come
    assert not peer.change_state('configure')
    assert 'cannot configure: @3: this model has no decoder layers' in process.text
    assert peer.state() == 'unconfigured'
    assert peer.set('depth', 'base').successful
    for _ in range(2):
        assert peer.change_state('configure')
        assert peer.state() == 'inactive'
        assert not peer.set('depth', 'base@3').successful
        assert peer.change_state('activate')
        camera = Camera(peer)
        _, status = camera.show(camera.image(48, 64))
        assert status['depth'] == 'base'
        assert peer.change_state('deactivate')
        seen = len(camera.detections)
        for _ in range(3):
            camera.publish(camera.image(48, 64))
        assert peer.change_state('activate')
        camera.show(camera.image(48, 64))
        assert len(camera.detections) == seen + 1
        assert peer.change_state('deactivate')
        assert peer.change_state('cleanup')
        assert peer.state() == 'unconfigured'
        wait_for(lambda: not peer.node.count_publishers('/detector/detections'), 'cleanup')
    assert peer.change_state('shutdown')
    assert peer.state() == 'finalized'
    assert process.stop(signal.SIGTERM) == 0
    assert 'Traceback' not in process.text


def test_two_detectors_side_by_side_each_at_its_own_depth(start, peer: Peer):
    for side, depth in (('left', 'full'), ('right', 'base')):
        start('detector_node', '-r', f'__ns:=/{side}', score_threshold=0, depth=depth)
    cameras = {}
    for side in ('left', 'right'):
        peer.wait_active(f'/{side}/detector')
        cameras[side] = Camera(peer, f'/{side}/detector', f'/{side}/image')
    assert peer.set('depth', 'full-p2', '/left/detector').successful
    _, left = cameras['left'].show(cameras['left'].image(48, 64))
    _, right = cameras['right'].show(cameras['right'].image(64, 48))
    assert (left['depth'], right['depth']) == ('full-p2', 'base')
    names = [name for name, types in peer.node.get_topic_names_and_types()
             if types == ['vision_msgs/msg/Detection2DArray']]
    assert set(names) >= {'/left/detector/detections', '/right/detector/detections'}
    assert all(isinstance(m, Detection2DArray) for m in cameras['left'].detections)


def test_random_transitions_and_sets_under_load_end_in_a_node_that_works(start, peer: Peer):
    process = start('detector_node', '-r', '__ns:=/wild', autostart='false', score_threshold=0)
    node, rng = '/wild/detector', random.Random(1)
    process.wait_text('unconfigured; waiting')
    made = 0
    with images_arriving(peer, '/wild/image', 0.005):
        for _ in range(100):
            made += peer.change_state(rng.choice(
                ['configure', 'activate', 'deactivate', 'cleanup']), node)
            peer.set('depth', rng.choice(['full', 'base', 'base+p2', 'auto', 'x']), node)
            peer.set('enabled', rng.random() < 0.8, node)
    assert 10 < made < 100
    assert peer.set('enabled', True, node).successful
    assert peer.set('depth', 'base', node).successful  # auto could not be configured: no profile
    for label in ('configure', 'activate'):
        if peer.state(node) != 'active':
            peer.change_state(label, node)
    camera = Camera(peer, node, '/wild/image')
    _, status = camera.show(camera.image(48, 64))
    assert status['why'] == f'fixed: {status["depth"]}'
    assert 'activate: ' in process.text and 'configure: ' in process.text
    assert process.stop(signal.SIGTERM) == 0
    assert 'Traceback' not in process.text
