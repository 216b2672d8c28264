# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Messages to arrays and back. The message classes alone: no node, no rclpy."""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
    VisionInfo,
)

from anydepth_core.detections import Detections
from anydepth_core.errors import ImageError
from anydepth_core.runtime.compressed import decode_compressed
from anydepth_core.runtime.encodings import decode
from anydepth_core.runtime.preprocess import Color

if TYPE_CHECKING:
    from anydepth_ros.serialized_image import SerializedImage

JPEG_QUALITY = 85


def to_array(message: SerializedImage | Image | CompressedImage,
             ) -> tuple[NDArray[np.uint8], Color]:
    """Return the image as (H, W, 3) uint8 and its channel order.

    The array of a raw colour image is a view of `message.data`, which must stay alive.

    Raises:
        ImageError: unknown encoding or format, no pixels, a wrong step, too few bytes, or
            compressed data that is damaged or claims an impossible size.
    """
    if isinstance(message, CompressedImage):
        return decode_compressed(message.data, message.format)
    return decode(message.data, height=message.height, width=message.width, step=message.step,
                  encoding=message.encoding, big_endian=bool(message.is_bigendian))


def to_image(pixels: NDArray[np.uint8], encoding: str, header: Header) -> Image:
    """Return a message with a copy of `pixels`, (H, W, 3) uint8 in the order of `encoding`.

    Raises:
        ImageError: another shape or type.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f'expected (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}')
    height, width, _ = pixels.shape
    message = Image(header=header, height=height, width=width, encoding=encoding, step=width * 3)
    # In place and as bytes: assigning an array makes rclpy look at each value in Python.
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(pixels).data.cast('B') if pixels.size else b'')
    message.data = data
    return message


def to_compressed_image(pixels: NDArray[np.uint8], header: Header) -> CompressedImage:
    """Return a JPEG of `pixels`, (H, W, 3) uint8 RGB, with `format` as image_transport writes it.

    Raises:
        ImageError: no JPEG can be made of it, because a side has more than 65500 pixels.
    """
    try:
        done, file = cv2.imencode('.jpg', cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR),
                                  (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    except cv2.error:
        done = False
    if not done:
        raise ImageError(f'no JPEG can be made of {pixels.shape[1]}x{pixels.shape[0]} pixels')
    data = array.array('B')
    data.frombytes(file.data.cast('B'))
    return CompressedImage(header=header, format='rgb8; jpeg compressed bgr8', data=data)


class DetectionArrays:
    """Makes the message of one image after another, of the same parts.

    Making a part of a message anew takes 20 times what filling it in does, because its own parts
    are made first, to be replaced. Not thread-safe.
    """

    def __init__(self) -> None:
        self._message = Detection2DArray()
        self._parts: list[Detection2D] = []

    def of(self, detections: Detections, header: Header,
           class_ids: Sequence[str] | None = None) -> Detection2DArray:
        """Return the message: the image's header everywhere, boxes in pixels of that image.

        It holds until the next call.

        Args:
            detections: of one image; the best comes first.
            header: of that image.
            class_ids: what to write for each label; None: its number.
        """
        while len(self._parts) < len(detections):
            self._parts.append(Detection2D(results=[ObjectHypothesisWithPose()]))
        parts, message = self._parts[:len(detections)], self._message
        labels = detections.labels.tolist()
        ids = map(str, labels) if class_ids is None else (class_ids[label] for label in labels)
        for part, corners, score, class_id in zip(
                parts, detections.boxes.tolist(), detections.scores.tolist(), ids):
            x1, y1, x2, y2 = corners
            part.header = header
            hypothesis, box = part.results[0].hypothesis, part.bbox
            hypothesis.class_id, hypothesis.score = class_id, score
            box.center.position.x, box.center.position.y = (x1 + x2) / 2, (y1 + y2) / 2
            box.size_x, box.size_y = x2 - x1, y2 - y1
        message.header, message.detections = header, parts
        return message


def to_label_info(class_names: Sequence[str], threshold: float, header: Header) -> LabelInfo:
    """Return which name each class_id stands for and the score threshold in force."""
    return LabelInfo(header=header, threshold=threshold, class_map=[
        VisionClass(class_id=index, class_name=name) for index, name in enumerate(class_names)])


def to_vision_info(model: str, weights_hash: str, label_topic: str, header: Header) -> VisionInfo:
    """Return which model the detections come from and where their classes are named.

    Args:
        model: its registered name.
        weights_hash: SHA-256 of its weights, in hexadecimal. The version is made of its first 31
            bits, so that it is the same wherever the weights are, and another with others.
        label_topic: full name of the topic with the LabelInfo.
        header: for the message.
    """
    return VisionInfo(header=header, method=f'{model} sha256:{weights_hash}',
                      database_location=label_topic,
                      database_version=int(weights_hash[:8], 16) >> 1)
