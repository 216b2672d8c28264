# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Images of camera size between processes, and what the node says when none come."""

from __future__ import annotations

from collections.abc import Iterator
import os

from diagnostic_msgs.msg import DiagnosticArray
from harness import BEST_EFFORT, Camera, Peer, Process, values, wait_for
import pytest
from sensor_msgs.msg import CompressedImage, Image

from anydepth_ros import transport
from anydepth_ros.isolation import isolated

SENT = 30


@pytest.fixture(scope='module')
def camera(start, peer: Peer) -> Camera:
    start('detector_node').wait_text('active at depth full')
    return Camera(peer)


@pytest.mark.parametrize('size', [(480, 640), (720, 1280)])
def test_nine_of_ten_big_images_arrive_with_the_profile(camera: Camera, peer: Peer, size):
    message = camera.image(*size)
    camera.show(message)
    _, before = camera.show(camera.image(*size))
    left = SENT

    def publish_one() -> None:
        nonlocal left
        if left:
            left -= 1
            message.header = camera.header()
            camera.publish(message)
    timer = peer.node.create_timer(0.1, publish_one)
    wait_for(lambda: not left, 'the last image')
    peer.node.destroy_timer(timer)
    _, after = camera.show(camera.image(*size))
    received = int(after['received']) - int(before['received'])
    assert 0.9 * SENT <= received <= SENT + 1
    assert int(after['lost_in_transport']) - int(before['lost_in_transport']) <= 0.1 * SENT


@pytest.fixture
def alone() -> Iterator[dict[str, str]]:
    """Yield an environment with a domain that is empty at first."""
    with isolated(os.environ) as found:
        yield found


@pytest.fixture
def outsider(alone: dict[str, str]) -> Iterator[Peer]:
    peer = Peer(int(alone['ROS_DOMAIN_ID']))
    yield peer
    peer.close()


def test_each_reason_why_nothing_comes_is_told_with_its_fix(start, alone, outsider: Peer):
    node = outsider.node
    other = node.create_publisher(Image, '/front/image_raw', 1)
    detector: Process = start('detector_node', env=alone)
    detector.wait_text('nobody publishes /image; images are on /front/image_raw: start with '
                       '--ros-args -r image:=/front/image_raw')
    node.destroy_publisher(other)
    stranger = Peer(int(alone['ROS_DOMAIN_ID']))  # a process has one type for a topic
    stranger.node.create_publisher(CompressedImage, '/image', 1)
    detector.wait_text('/image carries sensor_msgs/msg/CompressedImage, not sensor_msgs/msg/Image')
    stranger.close()
    silent = node.create_publisher(Image, '/image', 1)
    detector.wait_text('/peer publishes /image but no image has arrived for more than 5 s')
    camera = Camera(outsider)
    camera.show(camera.image(48, 64))
    detector.wait_text('images arrive on /image')
    node.destroy_publisher(silent)
    _lose_images(start, alone, detector, outsider)


def _lose_images(start, alone: dict[str, str], detector: Process, outsider: Peer) -> None:
    """Publish big images without the profile: the loss is counted and the fix is named."""
    bare = {name: value for name, value in alone.items() if name != transport.VARIABLE}
    camera = start('demo_camera', env=bare, size='1280x720', rate_hz=10.0)
    detector.wait_text('were lost in transport')
    assert f'with {transport.VARIABLE}={transport.shared_file("config/fastdds_big_images.xml")}' \
        in detector.text
    assert detector.text.count('were lost in transport') == 1
    messages = outsider.listen(DiagnosticArray, '/diagnostics')

    def lost() -> int:
        return max((int(values(s)['lost_in_transport']) for m in messages for s in m.status
                    if s.name.endswith(': input') and s.level == b'\x01'), default=0)
    wait_for(lost, 'diagnostics that count the lost images')
    assert camera.stop() == 0


def test_a_qos_that_cannot_match_is_told_with_its_fix(start, alone, outsider: Peer):
    publisher = outsider.node.create_publisher(Image, '/image', BEST_EFFORT)
    detector: Process = start(
        'detector_node', '-p', 'qos_overrides./image.subscription.reliability:=reliable',
        env=alone)
    detector.wait_text('QoS of /image does not match its publisher')
    assert 'remove the qos_overrides parameters' in detector.text
    assert publisher.get_subscription_count() == 0
