# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that takes images from the middleware, between two nodes of this process."""

from __future__ import annotations

import math
import threading
import time

from harness import BEST_EFFORT, Peer, wait_for
import pytest
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from anydepth_ros.frame_statistics import FrameStatistics
from anydepth_ros.image_input import ImageInput, received_at
from anydepth_ros.receiver import NotByExecutor, Receiver, take
from anydepth_ros.scheduler import Letter, Scheduler


class Taken:
    """A subscription whose messages and events are kept; the number of a bad one is its width."""

    def __init__(self, node, topic, qos=BEST_EFFORT, bad=()):
        self.widths, self.clashes, self.bad = [], [], bad
        self.subscription = node.create_subscription(
            Image, topic, lambda _: pytest.fail('taken by the executor'), qos,
            callback_group=NotByExecutor(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self.clashes.append))

    def on_image(self, message, info):
        if message.width in self.bad:
            raise ValueError('bad image')
        self.widths.append(message.width)


@pytest.fixture
def publish(peer: Peer):
    def publish_until(topic, width, condition):
        publisher = peer.publisher(topic)

        def met():
            publisher.publish(Image(width=width))
            time.sleep(0.01)
            return condition()
        wait_for(met, 'image')
    return publish_until


def test_images_of_each_input_are_taken_and_a_fault_in_one_ends_nothing(peer, publish):
    one, two = Taken(peer.node, '/one', bad=(7,)), Taken(peer.node, '/two')
    receiver = Receiver(peer.node, (one, two))
    try:
        publish('/two', 3, lambda: two.widths)
        publish('/one', 7, lambda: True)
        publish('/one', 1, lambda: one.widths)
        publish('/two', 4, lambda: 4 in two.widths)
    finally:
        receiver.close()
    assert set(one.widths) == {1} and set(two.widths) <= {3, 4}
    assert not any(thread.name == 'anydepth-images' for thread in threading.enumerate())


def test_events_are_told_by_the_same_thread(peer):
    reliable = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
    taken = Taken(peer.node, '/clash', reliable)
    receiver = Receiver(peer.node, (taken,))
    try:
        peer.node.create_publisher(Image, '/clash', BEST_EFFORT)
        wait_for(lambda: taken.clashes, 'event of an incompatible publisher')
    finally:
        receiver.close()


def test_an_image_received_before_the_opening_is_not_for_the_slot_whenever_it_is_taken(peer):
    opened, scheduler = math.inf, Scheduler()
    source = ImageInput(peer.node, '/gate', 'raw', scheduler.slot(''), FrameStatistics(),
                        lambda: opened)
    publisher = peer.publisher('/gate')

    def slot_after(width):
        """Publish an image, open, and only then take it, as a thread does that comes late."""
        nonlocal opened
        publisher.publish(Image(width=width))
        time.sleep(0.2)
        if width == 1:
            opened = time.monotonic()
        take(source)
        return scheduler.take(0.0)
    try:
        assert slot_after(1) is None
        letter = slot_after(2)
        assert isinstance(letter, Letter) and letter.item.width == 2
    finally:
        source.destroy()


def test_the_time_of_reception_does_not_depend_on_the_clock_of_the_system():
    now = time.monotonic()
    assert received_at({'received_timestamp': time.time_ns() - 3 * 10**9}) == pytest.approx(
        now - 3, abs=1)
    for untold in ({}, {'received_timestamp': 0}):
        assert received_at(untold) == pytest.approx(now, abs=1)
