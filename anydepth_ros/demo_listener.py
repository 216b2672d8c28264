# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's own node: hears the detector and sets its parameters, as a user would."""

from __future__ import annotations

from collections import OrderedDict
import threading
import time
from typing import Any, Protocol

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rcl_interfaces.srv import SetParameters
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from anydepth_core.detections import Detections, FrameTiming
from anydepth_core.errors import AnyDepthError
from anydepth_ros.conversions import to_array
from anydepth_ros.demo_record import Frame
from anydepth_ros.demo_report import Snapshot

Stamp = tuple[int, int]
KEPT = 64


class Frames(Protocol):
    """Takes what is told of each frame."""

    def add(self, frame: Frame) -> None:
        """Take one more."""


class Listener:
    """A node with its own thread. `image` is subscribed only while a picture is wanted."""

    def __init__(self, record: Frames, detector: str = '/detector') -> None:
        self.record = record
        self.class_names: tuple[str, ...] = ()
        self._pictures: dict[str, Snapshot] = {}
        self._wanted: str | None = None
        self._images: OrderedDict[Stamp, Image] = OrderedDict()
        self._arrays: OrderedDict[Stamp, Detection2DArray] = OrderedDict()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node('demo', start_parameter_services=False)
        self._client: Any = self._node.create_client(SetParameters, f'{detector}/set_parameters')
        self._node.create_subscription(DiagnosticArray, f'{detector}/frame_status',
                                       self._on_status, 10)
        self._node.create_subscription(Detection2DArray, f'{detector}/detections',
                                       self._on_detections, 10)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._node.create_subscription(LabelInfo, f'{detector}/label_info', self._on_labels,
                                       latched)
        self._image_subscription: Any = None
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._closed = False
        self._thread = threading.Thread(target=self._spin, name='listener')
        self._thread.start()

    def close(self) -> None:
        """End the thread and the node."""
        self._closed = True
        self._executor.create_task(lambda: None)  # its end ends `spin_once`
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def set_parameter(self, name: str, value: str | float, timeout_s: float = 10.0) -> None:
        """Set a parameter through the node's own service and wait for the answer.

        Raises:
            AnyDepthError: refused, with the node's reason, or no answer.
        """
        deadline = time.monotonic() + timeout_s
        if not self._client.wait_for_service(timeout_s):
            raise AnyDepthError(f'the detector has no parameter service after {timeout_s:g} s')
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()])
        answered = threading.Event()
        future = self._client.call_async(request)
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(max(0.0, deadline - time.monotonic())):
            raise AnyDepthError(f'the detector did not answer to {name} {value} in '
                                f'{timeout_s:g} s')
        response = future.result()
        assert response is not None
        result = response.results[0]
        if not result.successful:
            raise AnyDepthError(f'the detector refused {name} {value}: {result.reason}')

    def want_picture(self, depth: str) -> None:
        """Begin to look for an image at `depth` in which something was found."""
        self._wanted = depth

    @property
    def pictures(self) -> dict[str, Snapshot]:
        """The pictures found until now."""
        return dict(self._pictures)

    def _spin(self) -> None:
        try:
            while not self._closed:
                self._executor.spin_once()
        except ExternalShutdownException:
            pass

    def _on_labels(self, message: LabelInfo) -> None:
        self.class_names = tuple(each.class_name for each in message.class_map)

    def _on_image(self, message: Image) -> None:
        if self._wanted is not None:
            _keep(self._images, message.header, message)

    def _on_detections(self, message: Detection2DArray) -> None:
        if self._wanted is not None and message.detections:
            _keep(self._arrays, message.header, message)

    def _on_status(self, message: DiagnosticArray) -> None:
        values = {pair.key: pair.value for pair in message.status[0].values}
        self.record.add(Frame(
            time_s=time.monotonic(), depth=values['depth'], total_ms=float(values['total_ms']),
            age_ms=float(values['age_ms']), detections=int(values['detections']),
            dropped=int(values['dropped']), lost=int(values['lost_in_transport'])))
        if values['depth'] != self._wanted:
            return
        if self._image_subscription is None:
            self._image_subscription = self._node.create_subscription(
                Image, '/image', self._on_image, qos_profile_sensor_data)
        self._try_picture(message.header, values)

    def _try_picture(self, header: Header, values: dict[str, str]) -> None:
        stamp = _stamp(header)
        image, array = self._images.get(stamp), self._arrays.get(stamp)
        if image is None or array is None:
            return
        pixels, color = to_array(image)
        rgb = pixels if color == 'rgb' else pixels[..., ::-1]
        self._pictures[values['depth']] = Snapshot(
            np.array(rgb), _detections(array, values, (image.height, image.width)))
        self._wanted = None
        self._images.clear()
        self._arrays.clear()
        self._node.destroy_subscription(self._image_subscription)
        self._image_subscription = None


def _stamp(header: Header) -> Stamp:
    return header.stamp.sec, header.stamp.nanosec


def _keep(store: OrderedDict[Stamp, Any], header: Header, message: Any) -> None:
    store[_stamp(header)] = message
    if len(store) > KEPT:
        store.popitem(last=False)


def _detections(array: Detection2DArray, values: dict[str, str],
                size: tuple[int, int]) -> Detections:
    """Turn the messages of one image back into what the detector returned."""
    boxes = [(d.bbox.center.position.x - d.bbox.size_x / 2,
              d.bbox.center.position.y - d.bbox.size_y / 2,
              d.bbox.center.position.x + d.bbox.size_x / 2,
              d.bbox.center.position.y + d.bbox.size_y / 2) for d in array.detections]
    hypotheses = [d.results[0].hypothesis for d in array.detections]
    timing = FrameTiming(*(float(values[f'{phase}_ms'])
                           for phase in ('preprocess', 'network', 'decode')))
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array([h.score for h in hypotheses], np.float32),
        labels=np.array([int(h.class_id) for h in hypotheses], np.int64),
        depth=values['depth'], timing=timing, image_size=size)
