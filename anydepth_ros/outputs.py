# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the node publishes for each image, and what it latches about the model behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecyclePublisher
from rclpy.lifecycle.node import LifecycleNodeMixin
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

from anydepth_core.detections import Detections
from anydepth_ros.conversions import DetectionArrays, to_label_info, to_vision_info
from anydepth_ros.diagnostics import FrameReport, Identity, frame_status
from anydepth_ros.serialized_detections import write_detections, writes_as_rclpy
from anydepth_ros.views import Views

if TYPE_CHECKING:
    from anydepth_core.runtime.detector import Detector

TopicName: TypeAlias = Callable[[str], str]

# Reliable serves reliable and best-effort subscribers.
RESULT_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5,
                        reliability=ReliabilityPolicy.RELIABLE)
LATCHED_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                         reliability=ReliabilityPolicy.RELIABLE,
                         durability=DurabilityPolicy.TRANSIENT_LOCAL)


Made = TypeVar('Made')


class ManagedNode(LifecycleNodeMixin, Node):
    """A lifecycle node whose base classes are started one by one by the class below it."""

    def destroy_node(self) -> None:
        """Free everything, as in rclpy, which forgets the state machine.

        That would hold the middleware's shared memory, tens of megabytes, beyond the process.
        """
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()


def made_apart(make: Callable[[], Made]) -> Made:
    """Return what `make` makes, made in a thread of its own.

    A vision_msgs built without CMake leaves an error state in the thread that makes a publisher
    or a message's bytes, and the next topic made there would complain.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(make).result()


class Outputs:
    """The publishers of one camera; all but the latched are silent while the node is not active.

    Attributes:
        views: those for people to look at.
    """

    def __init__(self, node: ManagedNode, identity: Identity, class_id_as: str) -> None:
        """Create the topics.

        Args:
            node: whose topics they are.
            identity: names the camera.
            class_id_as: 'index' or 'name'.
        """
        def topic(name: str) -> str:
            return f'~/{identity.camera}/{name}' if identity.camera else f'~/{name}'
        self._node = node
        self._identity = identity
        self._by_name = class_id_as == 'name'
        self._written: Callable[..., bytes | Detection2DArray] = (
            write_detections if made_apart(writes_as_rclpy) else DetectionArrays().of)
        self._told: tuple[str, float] | None = None
        self._frame_status: LifecyclePublisher = node.create_lifecycle_publisher(
            DiagnosticArray, topic('frame_status'), RESULT_QOS)
        self.views = Views(node, topic)
        self._detections: LifecyclePublisher = made_apart(lambda: node.create_lifecycle_publisher(
            Detection2DArray, topic('detections'), RESULT_QOS))
        self._label_info = made_apart(lambda: node.create_publisher(
            LabelInfo, topic('label_info'), LATCHED_QOS))
        self._vision_info = made_apart(lambda: node.create_publisher(
            VisionInfo, topic('vision_info'), LATCHED_QOS))

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in (self._detections, self._frame_status):
            self._node.destroy_lifecycle_publisher(publisher)
        self.views.destroy()
        for latched in (self._label_info, self._vision_info):
            self._node.destroy_publisher(latched)

    def publish_labels(self, detector: Detector, threshold: float) -> None:
        """Latch what these weights are and find, and the threshold in force, where it changed."""
        told, self._told = self._told, (detector.weights_hash, threshold)
        if told == self._told:
            return
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._label_info.publish(to_label_info(detector.class_names, threshold, header))
        if told is None or told[0] != detector.weights_hash:
            self._vision_info.publish(to_vision_info(detector.model_name, detector.weights_hash,
                                                     self._label_info.topic_name, header))

    def publish_detections(self, detections: Detections, header: Header,
                           class_names: Sequence[str]) -> None:
        """Publish one array for one image, also when nothing was found."""
        self._detections.publish(self._written(detections, header,
                                               class_names if self._by_name else None))

    def publish_status(self, header: Header, report: FrameReport) -> None:
        """Publish what is known of one processed image."""
        self._frame_status.publish(frame_status(self._identity, header, report))
