# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The node `camera`: publishes the pictures of a source on `image` at a steady rate."""

from __future__ import annotations

from collections.abc import Iterator
import queue
import threading

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from anydepth_core.errors import AnyDepthError
from anydepth_ros.conversions import to_image
from anydepth_ros.executable import USER_ERROR, Stop
from anydepth_ros.image_sources import Picture, open_source
from anydepth_ros.parameter_server import declare
from anydepth_ros.parameters import Spec, parse_size

SPECS = (
    Spec('source', 'scenes', 'Where the pictures come from.', "'scenes', 'scenes:SEED', a folder "
         'of images, a video file, the number of a camera or its device', read_only=True),
    Spec('rate_hz', 30.0, 'Pictures per second.', low=0.1, high=240.0, read_only=True),
    Spec('size', '', 'WIDTHxHEIGHT of the pictures; empty: as they are, scenes 640x480.',
         read_only=True),
    Spec('encoding', 'bgr8', 'Order of the colours.', choices=('bgr8', 'rgb8'),
         read_only=True),
    Spec('frame_id', 'camera_optical_frame', 'Frame of the pictures.', read_only=True),
)
AHEAD = 8


class CameraNode(Node):
    """Reads ahead in a thread, so that a slow picture does not make the rate unsteady."""

    def __init__(self, stop: Stop) -> None:
        """Open the source.

        Raises:
            AnyDepthError: a parameter or a source that cannot be.
        """
        super().__init__('camera')
        values = {spec.name: declare(self, spec) for spec in SPECS}
        self._encoding = values['encoding']
        self._frame_id = values['frame_id']
        pictures = open_source(values['source'], parse_size(values['size']))
        self._stop = stop
        self._closed = False
        self._ready: queue.Queue[Image] = queue.Queue(AHEAD)
        self._publisher = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        self._reader = threading.Thread(target=self._read, args=(pictures,), name='pictures')
        self._reader.start()
        self.create_timer(1 / values['rate_hz'], self._on_timer,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f'{values["source"]} on {self._publisher.topic_name} at '
                               f'{values["rate_hz"]:g} Hz')

    def close(self) -> None:
        """End the reading thread."""
        self._closed = True
        while self._reader.is_alive():
            self._take()
            self._reader.join(0.01)

    def _read(self, pictures: Iterator[Picture]) -> None:
        try:
            for picture in pictures:
                if self._closed:
                    return
                pixels = picture if self._encoding == 'rgb8' else picture[..., ::-1]
                header = Header(frame_id=self._frame_id)
                self._ready.put(to_image(pixels, self._encoding, header))
        except AnyDepthError as error:
            self.get_logger().error(f'no more pictures: {error}')
            self._stop.ask(USER_ERROR)

    def _take(self) -> Image | None:
        try:
            return self._ready.get_nowait()
        except queue.Empty:
            return None

    def _on_timer(self) -> None:
        message = self._take()
        if message is not None:
            message.header.stamp = self.get_clock().now().to_msg()
            self._publisher.publish(message)


def make_node(stop: Stop) -> CameraNode:
    """Return the node; see `CameraNode` for what it raises."""
    return CameraNode(stop)
