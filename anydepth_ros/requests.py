# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Detection on demand: one answer for each image on ~/request_image, whatever the cameras do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.policy import Choice
from anydepth_ros.conversions import DetectionArrays, to_array
from anydepth_ros.diagnostics import (
    FrameReport,
    Identity,
    frame_status,
    request_refusal,
    request_status,
    words,
)
from anydepth_ros.frame_statistics import FrameStatistics, SequenceGaps
from anydepth_ros.image_input import AnyImage
from anydepth_ros.outputs import made_apart
from anydepth_ros.parameters import Settings
from anydepth_ros.scheduler import Scheduler

MOST_WAITING = 8
# So many may lie in the middleware while the callback is late; of more the oldest are lost.
REQUEST_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=4 * MOST_WAITING,
                         reliability=ReliabilityPolicy.RELIABLE)
ANSWER_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=8 * MOST_WAITING,
                        reliability=ReliabilityPolicy.RELIABLE)
CLEANED_UP = 'the node was cleaned up before its turn'
FULL = f'{MOST_WAITING} requests wait already; send the next when an answer has come'


class Requests:
    """Answers in order, on the inference thread, in turns with the cameras.

    Each request gets one status under its own header: OK, and then its detections too, or ERROR
    with the reason.
    """

    def __init__(self, node: Node, identity: Identity, scheduler: Scheduler[AnyImage],
                 class_id_as: str, settings: Callable[[], Settings],
                 is_active: Callable[[], bool]) -> None:
        """Create the topics.

        Args:
            node: whose topics they are.
            identity: who answers.
            scheduler: of the inference thread.
            class_id_as: 'index' or 'name', as for the cameras.
            settings: returns the node's, in force.
            is_active: whether the node is.
        """
        self._node, self._identity = node, identity
        self._scheduler = scheduler
        self._by_name = class_id_as == 'name'
        self._settings = settings
        self._is_active = is_active
        self._statistics = FrameStatistics()
        self._gaps = SequenceGaps()
        self._arrays = DetectionArrays()
        self._trouble = ''
        self._lock = threading.RLock()
        self._closed = False
        self._waiting: deque[tuple[AnyImage, float]] = deque()
        group = MutuallyExclusiveCallbackGroup()
        self._subscriptions = [
            node.create_subscription(kind, topic, self._on_request, REQUEST_QOS,
                                     callback_group=group)
            for kind, topic in ((Image, '~/request_image'),
                                (CompressedImage, '~/request_image/compressed'))]
        # Not managed by the lifecycle: that the node is inactive is an answer too.
        self._status = node.create_publisher(DiagnosticArray, '~/requested_status', ANSWER_QOS)
        self._detections = made_apart(lambda: node.create_publisher(
            Detection2DArray, '~/requested_detections', ANSWER_QOS))

    def destroy(self) -> None:
        """Refuse what still waits and take the topics away; the inference thread has ended."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        with self._lock:
            self._closed = True
            while (request := self._next()) is not None:
                self._refuse(request[0].header, CLEANED_UP)
        self._node.destroy_publisher(self._status)
        self._node.destroy_publisher(self._detections)

    def look(self) -> DiagnosticStatus:
        """Return how requests were answered since the last look; called about once a second."""
        trouble, self._trouble = self._trouble, ''
        return request_status(self._identity, self._statistics.counts, trouble)

    def _on_request(self, message: AnyImage, info: Any) -> None:
        with self._lock:  # a callback may still be under way when the topics go
            if not self._closed:
                self._count_lost(info)
                self._accept(message)

    def _count_lost(self, info: Any) -> None:
        lost = self._gaps.missing_in(info) or 0
        self._statistics.add(arrived=1, missing=lost, lost=lost)
        if lost:
            self._tell('requests were lost before they could be answered; send the next when an '
                       'answer has come')

    def _accept(self, message: AnyImage) -> None:
        if not self._is_active():
            self._refuse(message.header, self._inactive)
        elif len(self._waiting) >= MOST_WAITING:
            self._refuse(message.header, FULL)
        else:
            self._waiting.append((message, time.monotonic()))
            self._scheduler.submit(self._answer_next)

    @property
    def _inactive(self) -> str:
        name = self._node.get_fully_qualified_name()
        return f'the node is not active: ros2 lifecycle set {name} activate'

    def _next(self) -> tuple[AnyImage, float] | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def _answer_next(self) -> None:
        """Answer the request that has waited longest; on the inference thread."""
        request = self._next()
        if request is None:
            return
        message, arrived = request
        if not self._is_active():
            self._refuse(message.header, self._inactive)
            return
        try:
            self._answer(message, 1e3 * (time.monotonic() - arrived))
        except Exception as error:
            self._statistics.add_failed(words(error))
            self._publish_refusal(message.header, words(error))

    def _answer(self, message: AnyImage, wait_ms: float) -> None:
        settings = self._settings()
        detector = settings.detector
        if detector is None:
            raise AnyDepthError(CLEANED_UP)
        pixels, color = to_array(message)
        detections = detector.detect(
            pixels, depth=settings.request_depth, color=color, nms_iou=settings.nms_iou,
            score_threshold=settings.score_threshold, max_detections=settings.max_detections,
            classes=settings.class_indices)
        counts = self._statistics.add_processed(detections.timing.total_ms)
        self._detections.publish(self._arrays.of(
            detections, message.header, detector.class_names if self._by_name else None))
        choice = Choice(detector.depths.parse(settings.request_depth), 'request_depth')
        self._status.publish(frame_status(self._identity, message.header, FrameReport(
            detections, choice, '', settings.mission_mode, detector.weights_hash, counts,
            wait_ms=wait_ms, age_ms=float('nan')), 'request'))

    def _refuse(self, header: Header, reason: str) -> None:
        self._statistics.add(refused=1)
        self._publish_refusal(header, reason)

    def _publish_refusal(self, header: Header, reason: str) -> None:
        self._status.publish(request_refusal(self._identity, header, reason,
                                             self._statistics.counts))
        self._tell(f'request not answered with detections: {reason}')

    def _tell(self, trouble: str) -> None:
        """Log each kind once; the diagnostics tell each."""
        self._trouble = trouble
        if self._statistics.is_new(trouble):
            self._node.get_logger().warning(f'{trouble} (told once; counted in /diagnostics)')
