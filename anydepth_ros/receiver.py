# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A thread that does nothing but take images from the middleware, for all cameras of a node.

rclpy's executor wakes three threads for a message and lists every service and timer of the node
anew before and after it, while the network waits for Python's lock. Here one thread wakes, takes
the image and lays it into its slot. It waits as `rclpy.wait_for_message` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import threading
import time
import traceback
from typing import Any, Protocol

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as rclpy_c
from rclpy.node import Node
from rclpy.subscription import Subscription

FOREVER_NS = -1
PAUSE_S = 0.1


class NotByExecutor(MutuallyExclusiveCallbackGroup):
    """For what a `Receiver` waits for: a subscription with its events.

    The events too, because Fast DDS has one condition for both: where one thread waits for the
    image and another for an event, the second wakes over and over until the first has the image.
    """

    def can_execute(self, entity: Any) -> bool:
        """Return False."""
        return False


class Input(Protocol):
    """One subscription and what becomes of its messages."""

    subscription: Subscription[Any]

    def on_image(self, message: Any, info: Any) -> None:
        """Take a message over, with what the middleware says of it."""


class Receiver:
    """Takes the messages and the events of some inputs, one by one, until it is closed."""

    def __init__(self, node: Node, inputs: Iterable[Input]) -> None:
        """Begin.

        Args:
            node: whose subscriptions they are.
            inputs: their subscriptions are in a group `NotByExecutor` and outlive the receiver.
        """
        self._node = node
        self._inputs = list(inputs)
        self._events = [event for each in self._inputs
                        for event in each.subscription.event_handlers]
        self._closed = threading.Event()
        self._wake = GuardCondition(None, None, context=node.context)
        self._thread = threading.Thread(target=self._run, name='anydepth-images')
        self._thread.start()

    def close(self) -> None:
        """Let the message in hand be taken over, and return when the thread is gone."""
        self._closed.set()
        self._wake.trigger()
        self._thread.join()
        self._wake.destroy()

    def _run(self) -> None:
        handles = [each.subscription.handle for each in self._inputs]
        context = self._node.context.handle
        assert context is not None
        wait_set = rclpy_c.WaitSet(len(handles), 1, 0, 0, 0, len(self._events), context)
        while not self._closed.is_set() and self._survived(handles, wait_set):
            pass

    def _survived(self, handles: Sequence[Any], wait_set: rclpy_c.WaitSet) -> bool:
        """Wait once and take what came; return False if the node is gone."""
        try:
            self._turn(handles, wait_set)
        except Exception as error:  # to be seen in full; the next image may be well
            if self._closed.is_set():
                return False
            self._node.get_logger().error(f'an image is lost: {traceback.format_exc()}')
            time.sleep(PAUSE_S)  # where nothing works, not thousands of times a second
            return not isinstance(error, InvalidHandle)
        return True

    def _turn(self, handles: Sequence[Any], wait_set: rclpy_c.WaitSet) -> None:
        wait_set.clear_entities()
        for handle in handles:
            wait_set.add_subscription(handle)
        for event in self._events:
            event.add_to_wait_set(wait_set)
        wait_set.add_guard_condition(self._wake.handle)
        wait_set.wait(FOREVER_NS)
        ready = wait_set.get_ready_entities('subscription')
        for each, handle in zip(self._inputs, handles):
            if handle.pointer in ready:
                take(each)
        for event in self._events:
            if event.is_ready(wait_set) and (data := event.take_data()):
                event.callback(data)


def take(source: Input) -> None:
    """Hand an input the message that waits in the middleware, if one does."""
    subscription = source.subscription
    taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
    if taken is not None:
        source.on_image(*taken)
