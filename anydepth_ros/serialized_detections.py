# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Detections as the bytes that the middleware sends, written without a message in between.

rclpy fills a structure in C from each field of a message, 36 covariances an object among them, and
the middleware writes that once more: 0.35 ms for a handful of objects on an Intel Xeon.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
import struct

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from anydepth_core.detections import Detections, FrameTiming
from anydepth_ros.conversions import DetectionArrays

PLAIN_CDR = b'\0\1\0\0'  # the least significant byte first
COUNT = struct.Struct('<I')
STAMP = struct.Struct('<iI')
ONE_RESULT = COUNT.pack(1)
# Position and orientation, whose last number is 1 where nothing is turned, and 36 covariances.
NO_POSE = struct.pack('<43d', *(index == 6 for index in range(43)))
SCORE = struct.Struct('<d')
BOX = struct.Struct('<5d')


def write_detections(detections: Detections, header: Header,
                     class_ids: Sequence[str] | None = None) -> bytes:
    """Return the bytes of the message that `DetectionArrays` makes of the same.

    Args:
        detections: of one image; the best comes first.
        header: of that image.
        class_ids: what to write for each label; None: its number.
    """
    stamped = STAMP.pack(header.stamp.sec, header.stamp.nanosec) + _text(header.frame_id)
    labels = detections.labels.tolist()
    names = map(str, labels) if class_ids is None else (class_ids[label] for label in labels)
    written = bytearray(stamped)
    written += _gap(written, 4) + COUNT.pack(len(labels))
    for corners, score, name in zip(detections.boxes.tolist(), detections.scores.tolist(), names):
        x1, y1, x2, y2 = corners
        written += _gap(written, 4) + stamped
        written += _gap(written, 4) + ONE_RESULT + _text(name)
        written += _gap(written, 8) + SCORE.pack(score) + NO_POSE
        written += BOX.pack((x1 + x2) / 2, (y1 + y2) / 2, 0, x2 - x1, y2 - y1) + _text('')
    return PLAIN_CDR + written


@cache
def writes_as_rclpy() -> bool:
    """Return whether the vision_msgs and the middleware here would write the same."""
    sample = Detections(np.array([[1, 2, 4, 8], [3, 5, 7, 9]], np.float32),
                        np.array([0.75, 0.5], np.float32), np.array([0, 1]), 'full',
                        FrameTiming(0.0, 0.0, 0.0), (16, 16))
    header, names = Header(frame_id='frame'), ('a class', 'another')
    message = DetectionArrays().of(sample, header, names)
    return same_message(write_detections(sample, header, names), message)


def same_message(written: bytes, message: Detection2DArray) -> bool:
    """Return whether these bytes are that message; what lies in the gaps does not count."""
    if len(written) != len(serialize_message(message)):
        return False
    try:
        return bool(deserialize_message(written, Detection2DArray) == message)
    except Exception:  # whatever the middleware calls it
        return False


def _text(text: str) -> bytes:
    encoded = text.encode()
    return COUNT.pack(len(encoded) + 1) + encoded + b'\0'


def _gap(written: bytearray, size: int) -> bytes:
    """Return what is to be added so that a number of this many bytes may come next."""
    return bytes(-len(written) % size)
