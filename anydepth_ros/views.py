# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Detections for people to look at: pictures with boxes, and boxes for a viewer to draw.

Each is made only while somebody listens to its topic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecyclePublisher
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import ColorRGBA, Header

from anydepth_core.detections import Detections
from anydepth_core.errors import ImageError
from anydepth_core.runtime.draw import class_color, draw_detections
from anydepth_core.runtime.preprocess import Color
from anydepth_ros.conversions import to_compressed_image, to_image

if TYPE_CHECKING:
    from anydepth_ros.outputs import ManagedNode, TopicName

try:  # common_interfaces has it, but a small installation may not
    from geometry_msgs.msg import Point
    from visualization_msgs.msg import ImageMarker
except ImportError:
    ImageMarker = None

# Reliable, because viewers ask for that by default.
VIEW_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                      reliability=ReliabilityPolicy.RELIABLE)


class Views:
    """The topics of one camera that people look at."""

    def __init__(self, node: ManagedNode, topic: TopicName) -> None:
        """Create the topics; without the package visualization_msgs there are no markers."""
        self._node = node
        self._image = node.create_lifecycle_publisher(Image, topic('debug_image'), VIEW_QOS)
        self._compressed = node.create_lifecycle_publisher(
            CompressedImage, topic('debug_image/compressed'), VIEW_QOS)
        self._markers: LifecyclePublisher | None = None
        if ImageMarker is None:
            node.get_logger().info('no topic ~/markers: the package visualization_msgs is not '
                                   'installed')
        else:
            self._markers = node.create_lifecycle_publisher(ImageMarker, topic('markers'),
                                                            VIEW_QOS)

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in (self._image, self._compressed, self._markers):
            if publisher:
                self._node.destroy_lifecycle_publisher(publisher)

    def publish(self, pixels: NDArray[np.uint8], color: Color, detections: Detections,
                class_names: Sequence[str], header: Header) -> None:
        """Draw and publish what somebody listens to.

        Args:
            pixels: (H, W, 3) uint8, the image as it came.
            color: order of its channels.
            detections: in it.
            class_names: what their labels mean.
            header: of it.
        """
        if self._markers and self._markers.get_subscription_count():
            self._markers.publish(to_marker(detections, header))
        raw, compressed = (publisher.get_subscription_count() > 0
                           for publisher in (self._image, self._compressed))
        if not (raw or compressed):
            return
        rgb = pixels if color == 'rgb' else pixels[..., ::-1]
        picture = draw_detections(rgb, detections, class_names)
        if raw:
            self._image.publish(to_image(picture, 'rgb8', header))
        if compressed:
            try:
                self._compressed.publish(to_compressed_image(picture, header))
            except ImageError as error:
                self._node.get_logger().warning(f'no ~/debug_image/compressed: {error}',
                                                once=True)


def to_marker(detections: Detections, header: Header) -> Any:
    """Return an ImageMarker with all boxes as lines in pixels of the received image.

    One message for all, so that it replaces the boxes of the image before, also by none. Four
    segments for each box, and a colour, that of its class, for each segment.
    """
    points, colors = [], []
    for (left, top, right, bottom), label in zip(detections.boxes.tolist(),
                                                 detections.labels.tolist()):
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        points += [Point(x=x, y=y) for start, end in zip(corners, (*corners[1:], corners[0]))
                   for x, y in (start, end)]
        red, green, blue = (part / 255 for part in class_color(label))
        colors += [ColorRGBA(r=red, g=green, b=blue, a=1.0)] * len(corners)
    return ImageMarker(header=header, ns='detections', type=ImageMarker.LINE_LIST,
                       action=ImageMarker.ADD, scale=max(1.0, sum(detections.image_size) / 600),
                       outline_color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0), points=points,
                       outline_colors=colors)
