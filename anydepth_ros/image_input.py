# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The image subscription: newest image into the slot, and what is known of its transport."""

from __future__ import annotations

from collections.abc import Callable
import copy
import time
from typing import Any

import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image

from anydepth_ros.frame_statistics import FrameStatistics, SequenceGaps
from anydepth_ros.input_watch import IMAGE_TYPE, Finding, InputView, InputWatch, Publisher
from anydepth_ros.mailbox import Mailbox

# Best effort matches every publisher; depth 1 because only the newest image is of use.
IMAGE_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                       reliability=ReliabilityPolicy.BEST_EFFORT)


class ImageInput:
    """Subscribes `image`, fills the slot while `is_open()`, and watches that images arrive."""

    def __init__(self, node: Node, mailbox: Mailbox[Image], statistics: FrameStatistics,
                 is_open: Callable[[], bool]) -> None:
        self._node = node
        self._mailbox = mailbox
        self._statistics = statistics
        self._is_open = is_open
        self._gaps = SequenceGaps()
        self._zero_stamp = False
        self._arrived = 0
        self._watch = InputWatch(time.monotonic())
        # A copy, because rclpy writes the qos_overrides into it.
        self._qos = copy.copy(IMAGE_QOS)
        self._group = MutuallyExclusiveCallbackGroup()
        try:
            self._subscribe(message_lost=self._on_lost)
            self._counts_lost = True
        except UnsupportedEventTypeError:
            self._subscribe()
            self._counts_lost = False
        self.finding = Finding('waiting', 'waiting for the first image', False)

    @property
    def topic(self) -> str:
        """The resolved name of the image topic."""
        return str(self._subscription.topic_name)

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self, **events: Any) -> None:
        self._subscription = self._node.create_subscription(
            Image, 'image', self._on_image, self._qos, callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=self._on_incompatible, **events),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())

    def _on_image(self, message: Image, info: Any) -> None:
        self._arrived += 1
        stamp = message.header.stamp
        self._zero_stamp = not (stamp.sec or stamp.nanosec)
        if not self._is_open():
            self._gaps = SequenceGaps()
            return
        missing = self._missing(info)
        self._statistics.add(arrived=1, replaced=self._mailbox.put(message), missing=missing,
                             lost=0 if self._counts_lost else missing)

    def _missing(self, info: Any) -> int:
        """Return how many images should have come between the last one and this one."""
        number = info.get('publication_sequence_number')
        if number is None:
            return 0
        publisher = bytes((info.get('publisher_gid') or {}).get('data', b''))
        missing = self._gaps.missing_before(publisher, number)
        if missing is None:  # what was lost before the first image leaves no gap between two
            counts = self._statistics.counts
            missing = max(0, counts.lost_in_transport - counts.missing)
        return missing

    def _on_lost(self, event: Any) -> None:
        if self._is_open():
            self._statistics.add(lost=event.total_count_change)

    def _on_incompatible(self, _: Any) -> None:
        """Leave the telling to `look`, which names the publisher and the fix."""

    def look(self) -> Finding:
        """Judge the input; called about once a second. A new finding is logged, with its fix."""
        counts = self._statistics.counts
        publishers = [_publisher(info, self._qos) for info in
                      self._node.get_publishers_info_by_topic(self.topic)]
        finding = self._watch.look(InputView(
            now=time.monotonic(), topic=self.topic, publishers=publishers,
            received=self._arrived, lost=counts.lost_in_transport,
            other_topics=() if publishers else self._other_topics(), zero_stamp=self._zero_stamp,
            rmw=rclpy.get_rmw_implementation_identifier()))
        if finding.new and finding.kind != 'waiting':
            log = self._node.get_logger()
            if finding.bad:
                log.warning(finding.text)
            else:
                log.info(finding.text)
        self.finding = finding
        return finding

    def _other_topics(self) -> list[str]:
        own = f'{self._node.get_fully_qualified_name()}/'
        return sorted(name for name, types in self._node.get_topic_names_and_types()
                      if IMAGE_TYPE in types and not name.startswith(own) and name != self.topic
                      and self._node.count_publishers(name))


def _publisher(info: Any, qos: QoSProfile) -> Publisher:
    compatibility, reason = qos_check_compatible(info.qos_profile, qos)
    clash = str(reason) if compatibility == QoSCompatibility.ERROR else ''
    namespace = info.node_namespace.rstrip('/')
    return Publisher(f'{namespace}/{info.node_name}', info.topic_type, clash)
