# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The image subscription: newest image into the slot, and what is known of its transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import copy
import math
import time
from typing import Any, TypeAlias

import rclpy
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
from sensor_msgs.msg import CompressedImage, Image

from anydepth_core.errors import ImageError
from anydepth_ros.frame_statistics import FrameStatistics, SequenceGaps
from anydepth_ros.input_watch import (
    COMPRESSED_TYPE,
    IMAGE_TYPE,
    Finding,
    InputView,
    InputWatch,
    Publisher,
)
from anydepth_ros.parameters import Settings
from anydepth_ros.receiver import NotByExecutor
from anydepth_ros.scheduler import Slot
from anydepth_ros.serialized_image import SerializedImage, read_image

AnyImage: TypeAlias = SerializedImage | Image | CompressedImage
TRANSPORTS = {'raw': Image, 'compressed': CompressedImage}
# Best effort matches every publisher; depth 1 because only the newest image is of use.
IMAGE_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                       reliability=ReliabilityPolicy.BEST_EFFORT)


class ImageInput:
    """Subscribes a topic, fills the slot from `open_since()` on, and watches that images arrive.

    A `Receiver` takes the images and tells of events.
    """

    def __init__(self, node: Node, name: str, transport: str, slot: Slot[AnyImage],
                 statistics: FrameStatistics, open_since: Callable[[], float]) -> None:
        """Subscribe.

        Args:
            node: whose subscription it is.
            name: of the topic with raw images, before remapping.
            transport: 'raw', or 'compressed' for the topic beside it.
            slot: where images go.
            statistics: where they are counted.
            open_since: since when they are wanted, in seconds of `time.monotonic`; inf: they are
                not now.
        """
        self._node = node
        self._name = name
        self._type = TRANSPORTS[transport]
        self._slot = slot
        self._statistics = statistics
        self._open_since = open_since
        self._gaps = SequenceGaps()
        self._stamp_ns = 0
        self._arrived_ns = 0
        self._arrived = 0
        self._watch = InputWatch(time.monotonic())
        # A copy, because rclpy writes the qos_overrides into it.
        self._qos = copy.copy(IMAGE_QOS)
        self._group = NotByExecutor()
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
        return str(self.subscription.topic_name)

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self.subscription)

    def _subscribe(self, **events: Any) -> None:
        self.subscription = self._node.create_subscription(
            self._type, self._topic_name(), self.on_image, self._qos, callback_group=self._group,
            raw=self._type is Image,
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=self._on_incompatible, **events),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())

    def _topic_name(self) -> str:
        """Return the name to subscribe; a remapping of the raw topic counts for the other too."""
        if self._type is Image:
            return self._name
        return f'{self._node.resolve_topic_name(self._name)}/compressed'

    def on_image(self, message: bytes | CompressedImage, info: Any) -> None:
        """Count an image that a `Receiver` took, and lay it into the slot."""
        self._arrived += 1
        image, damage = self._look_at(message)
        if received_at(info) < self._open_since():
            self._gaps = SequenceGaps()
            return
        missing = self._missing(info)
        self._statistics.add(
            arrived=1, replaced=image is not None and self._slot.put(image), missing=missing,
            lost=0 if self._counts_lost else missing)
        if damage:
            self.tell_failed(damage)

    def _look_at(self, message: bytes | CompressedImage) -> tuple[AnyImage | None, str]:
        """Return the image that came, with its times noted, or why it is none."""
        try:
            image = read_image(message) if isinstance(message, bytes) else message
        except ImageError as error:
            return None, str(error)
        self._stamp_ns = stamp_ns(image)
        self._arrived_ns = self._node.get_clock().now().nanoseconds
        return image, ''

    def _missing(self, info: Any) -> int:
        """Return how many images should have come between the last one and this one."""
        missing = self._gaps.missing_in(info)
        if missing is None:  # what was lost before the first image leaves no gap between two
            counts = self._statistics.counts
            missing = max(0, counts.lost_in_transport - counts.missing)
        return missing

    def _on_lost(self, event: Any) -> None:
        if self._open_since() < math.inf:
            self._statistics.add(lost=event.total_count_change)

    def _on_incompatible(self, _: Any) -> None:
        """Leave the telling to `look`, which names the publisher and the fix."""

    def tell_failed(self, reason: str) -> None:
        """Count an image that could not be processed; tell it where its kind is new."""
        if self._statistics.add_failed(reason):
            self._node.get_logger().error(
                f'image on {self.topic} not processed: {reason} (told once; counted in '
                'frame_status and /diagnostics)')

    def look(self, settings: Settings) -> Finding:
        """Judge the input; called about once a second. A new finding is logged, with its fix."""
        counts = self._statistics.counts
        publishers = [_publisher(info, self._qos) for info in
                      self._node.get_publishers_info_by_topic(self.topic)]
        finding = self._watch.look(InputView(
            now=time.monotonic(), topic=self.topic, name=self._name, publishers=publishers,
            type=self._type_name, compressed=self._has_compressed_twin(publishers),
            received=self._arrived, lost=counts.lost_in_transport,
            other_topics=() if publishers else self._other_topics(),
            zero_stamp=self._arrived > 0 and not self._stamp_ns,
            ahead_s=(self._stamp_ns - self._arrived_ns) / 1e9 if self._stamp_ns else 0.0,
            clock_stands=self._arrived > 0 and not self._arrived_ns,
            processed=counts.processed, refused=counts.refused, dropped=counts.dropped,
            max_age_ms=settings.max_age_ms, rate_limited=settings.rate_limit_hz > 0,
            rmw=rclpy.get_rmw_implementation_identifier()))
        if finding.new and finding.kind != 'waiting':
            log = self._node.get_logger()
            if finding.bad:
                log.warning(finding.text)
            else:
                log.info(finding.text)
        self.finding = finding
        return finding

    @property
    def _type_name(self) -> str:
        return IMAGE_TYPE if self._type is Image else COMPRESSED_TYPE

    def _has_compressed_twin(self, publishers: list[Publisher]) -> bool:
        return (not publishers and self._type is Image
                and self._node.count_publishers(f'{self.topic}/compressed') > 0)

    def _other_topics(self) -> list[str]:
        own = f'{self._node.get_fully_qualified_name()}/'
        return sorted(name for name, types in self._node.get_topic_names_and_types()
                      if self._type_name in types and name != self.topic
                      and not name.startswith(own) and self._node.count_publishers(name))


def received_at(info: Mapping[str, Any]) -> float:
    """Return when the middleware received a message, in seconds of `time.monotonic`.

    A thread may take it much later. Now, where the middleware does not tell.
    """
    at_ns = info.get('received_timestamp')
    # By its age, because the clock of the system may be set at any time, this one may not.
    age_ns = time.time_ns() - at_ns if at_ns else 0
    return time.monotonic() - age_ns / 1e9


def stamp_ns(message: AnyImage) -> int:
    """Return the stamp of an image in nanoseconds; 0 where it has none."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def _publisher(info: Any, qos: QoSProfile) -> Publisher:
    compatibility, reason = qos_check_compatible(info.qos_profile, qos)
    clash = str(reason) if compatibility == QoSCompatibility.ERROR else ''
    namespace = info.node_namespace.rstrip('/')
    return Publisher(f'{namespace}/{info.node_name}', info.topic_type, clash)
