# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the node publishes for each image, and the latched names of the classes."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecyclePublisher
from rclpy.lifecycle.node import LifecycleNodeMixin
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from anydepth_core.detections import Detections
from anydepth_core.runtime.draw import draw_detections
from anydepth_ros.conversions import to_detection_array, to_image, to_label_info
from anydepth_ros.diagnostics import Identity, frame_status
from anydepth_ros.encodings import Color
from anydepth_ros.frame_statistics import Counts

# Reliable serves reliable and best-effort subscribers.
RESULT_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5,
                        reliability=ReliabilityPolicy.RELIABLE)
DEBUG_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                       reliability=ReliabilityPolicy.RELIABLE)
LATCHED_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                         reliability=ReliabilityPolicy.RELIABLE,
                         durability=DurabilityPolicy.TRANSIENT_LOCAL)


class ManagedNode(LifecycleNodeMixin, Node):
    """A lifecycle node whose base classes are started one by one by the class below it."""


class Outputs:
    """The publishers of one configured node; they are silent while the node is not active."""

    def __init__(self, node: ManagedNode, identity: Identity,
                 class_names: tuple[str, ...]) -> None:
        self._node = node
        self._identity = identity
        self._class_names = class_names
        self._frame_status: LifecyclePublisher = node.create_lifecycle_publisher(
            DiagnosticArray, '~/frame_status', RESULT_QOS)
        self._debug_image: LifecyclePublisher = node.create_lifecycle_publisher(
            Image, '~/debug_image', DEBUG_QOS)
        self._detections: LifecyclePublisher = node.create_lifecycle_publisher(
            Detection2DArray, '~/detections', RESULT_QOS)
        self._label_info = node.create_publisher(LabelInfo, '~/label_info', LATCHED_QOS)

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in (self._detections, self._frame_status, self._debug_image):
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_publisher(self._label_info)

    def publish_labels(self, threshold: float) -> None:
        """Latch the class names with the score threshold in force."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._label_info.publish(to_label_info(self._class_names, threshold, header))

    def publish_detections(self, detections: Detections, header: Header) -> None:
        """Publish one array for one image, also when nothing was found."""
        self._detections.publish(to_detection_array(detections, header))

    def publish_status(self, detections: Detections, header: Header, counts: Counts,
                       wait_ms: float) -> None:
        """Publish which depth ran, the times it took, and the totals with this image."""
        stamp_ns = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
        now_ns = self._node.get_clock().now().nanoseconds
        age_ms = (now_ns - stamp_ns) / 1e6 if stamp_ns else float('nan')
        self._frame_status.publish(frame_status(
            self._identity, header, detections, counts, wait_ms=wait_ms, age_ms=age_ms))

    def publish_debug_image(self, pixels: NDArray[np.uint8], color: Color, detections: Detections,
                            header: Header) -> None:
        """Draw and publish the picture, if anybody listens."""
        if not self._debug_image.get_subscription_count():
            return
        rgb = pixels if color == 'rgb' else pixels[..., ::-1]
        picture = draw_detections(rgb, detections, self._class_names)
        self._debug_image.publish(to_image(picture, 'rgb8', header))
