# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the node publishes for each image, and the latched names of the classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

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
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.draw import draw_detections
from anydepth_core.runtime.preprocess import Color
from anydepth_ros.conversions import to_detection_array, to_image, to_label_info
from anydepth_ros.diagnostics import FrameReport, Identity, frame_status

# Reliable serves reliable and best-effort subscribers.
RESULT_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5,
                        reliability=ReliabilityPolicy.RELIABLE)
DEBUG_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                       reliability=ReliabilityPolicy.RELIABLE)
LATCHED_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                         reliability=ReliabilityPolicy.RELIABLE,
                         durability=DurabilityPolicy.TRANSIENT_LOCAL)


Made = TypeVar('Made')


class ManagedNode(LifecycleNodeMixin, Node):
    """A lifecycle node whose base classes are started one by one by the class below it."""


def made_apart(make: Callable[[], Made]) -> Made:
    """Return what `make` makes, made in a thread of its own.

    A vision_msgs built without CMake leaves an error state in the thread that makes a publisher,
    and the next topic made there would complain.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(make).result()


class Outputs:
    """The publishers of one camera; they are silent while the node is not active."""

    def __init__(self, node: ManagedNode, identity: Identity) -> None:
        def topic(name: str) -> str:
            return f'~/{identity.camera}/{name}' if identity.camera else f'~/{name}'
        self._node = node
        self._identity = identity
        self._labels: tuple[str, tuple[str, ...], float] | None = None
        self._frame_status: LifecyclePublisher = node.create_lifecycle_publisher(
            DiagnosticArray, topic('frame_status'), RESULT_QOS)
        self._debug_image: LifecyclePublisher = node.create_lifecycle_publisher(
            Image, topic('debug_image'), DEBUG_QOS)
        self._detections: LifecyclePublisher = made_apart(lambda: node.create_lifecycle_publisher(
            Detection2DArray, topic('detections'), RESULT_QOS))
        self._label_info = made_apart(lambda: node.create_publisher(
            LabelInfo, topic('label_info'), LATCHED_QOS))

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in (self._detections, self._frame_status, self._debug_image):
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_publisher(self._label_info)

    def publish_labels(self, detector: Detector, threshold: float) -> None:
        """Latch the class names of these weights with the threshold in force, if they changed."""
        labels = detector.weights_hash, detector.class_names, threshold
        if labels == self._labels:
            return
        self._labels = labels
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._label_info.publish(to_label_info(detector.class_names, threshold, header))

    def publish_detections(self, detections: Detections, header: Header) -> None:
        """Publish one array for one image, also when nothing was found."""
        self._detections.publish(to_detection_array(detections, header))

    def publish_status(self, header: Header, report: FrameReport) -> None:
        """Publish what is known of one processed image."""
        self._frame_status.publish(frame_status(self._identity, header, report))

    def publish_debug_image(self, pixels: NDArray[np.uint8], color: Color, detections: Detections,
                            class_names: Sequence[str], header: Header) -> None:
        """Draw and publish the picture, if anybody listens."""
        if not self._debug_image.get_subscription_count():
            return
        rgb = pixels if color == 'rgb' else pixels[..., ::-1]
        picture = draw_detections(rgb, detections, class_names)
        self._debug_image.publish(to_image(picture, 'rgb8', header))
