# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Detections written in place, held to what rclpy writes of the same message."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from std_msgs.msg import Header

from anydepth_core.detections import Detections, FrameTiming
from anydepth_ros import serialized_detections
from anydepth_ros.conversions import DetectionArrays
from anydepth_ros.serialized_detections import (
    NO_POSE,
    same_message,
    write_detections,
    writes_as_rclpy,
)

words = st.text(st.characters(exclude_characters='\0', codec='utf-8'), max_size=11)
numbers = st.floats(-1e4, 1e4, width=32)


@st.composite
def found(draw):
    rows = draw(st.lists(st.tuples(*[numbers] * 4, st.floats(0, 1, width=32), st.integers(0, 3)),
                         max_size=5))
    return Detections(np.array([row[:4] for row in rows], np.float32).reshape(-1, 4),
                      np.array([row[4] for row in rows], np.float32),
                      np.array([row[5] for row in rows], np.int64), 'base',
                      FrameTiming(1.0, 2.0, 3.0), (480, 640))


@settings(max_examples=300, deadline=None)
@given(found(), words, st.integers(-2 ** 31, 2 ** 31 - 1), st.integers(0, 2 ** 32 - 1),
       st.none() | st.lists(words, min_size=4, max_size=4))
def test_rclpy_reads_what_it_would_have_written(detections, frame, sec, nanosec, names):
    header = Header(frame_id=frame)
    header.stamp.sec, header.stamp.nanosec = sec, nanosec
    message = DetectionArrays().of(detections, header, names)
    assert same_message(write_detections(detections, header, names), message)


def test_another_layout_of_the_message_is_noticed(monkeypatch):
    assert writes_as_rclpy()
    for other in (NO_POSE + bytes(8), NO_POSE[:-8], bytes(len(NO_POSE))):
        monkeypatch.setattr(serialized_detections, 'NO_POSE', other)
        writes_as_rclpy.cache_clear()
        assert not writes_as_rclpy()
    writes_as_rclpy.cache_clear()
