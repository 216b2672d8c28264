# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""vision_msgs as installed, from a distribution or from our definitions, is vision_msgs 4.1."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rclpy
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
import vision_msgs.msg

# ROS 2's hash (RIHS01) stands for a type's name and its fields with their types and order.
HASHES = {
    'Point2D': 'eab0e83f44ab4de92ceaf76dd7d0e7638f2bdd1d16ffbe16c7a136c48e407247',
    'Pose2D': 'b0b5d1d7b4c20dd4fcde3ed1d4b289a919290572007d67a97043814db25d3648',
    'BoundingBox2D': '008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f',
    'ObjectHypothesis': '51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90',
    'ObjectHypothesisWithPose': '41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc',
    'Detection2D': '0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea',
    'Detection2DArray': '214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
    'VisionInfo': '95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284',
    'VisionClass': '1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a',
    'LabelInfo': '3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783',
}


@pytest.fixture(scope='module')
def node() -> Iterator[Node]:
    context = rclpy.Context()
    context.init(domain_id=71)
    node = Node('type_hashes', context=context)
    yield node
    node.destroy_node()
    context.shutdown()


@pytest.mark.parametrize('name', HASHES)
def test_type_hash_on_the_wire(node: Node, name: str) -> None:
    topic = f'/hash_of_{name}'
    publisher = node.create_publisher(getattr(vision_msgs.msg, name), topic, 1)
    (info,) = node.get_publishers_info_by_topic(topic)
    node.destroy_publisher(publisher)
    assert info.topic_type == f'vision_msgs/msg/{name}'
    assert str(info.topic_type_hash) == f'RIHS01_{HASHES[name]}'


def test_detections_survive_the_wire_format() -> None:
    detection = vision_msgs.msg.Detection2D(id='track 7')
    detection.bbox.center.position.x = 320.5
    detection.bbox.size_y = 48.25
    hypothesis = vision_msgs.msg.ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = '3'
    hypothesis.hypothesis.score = 0.75
    detection.results.append(hypothesis)
    sent = vision_msgs.msg.Detection2DArray(detections=[detection])
    sent.header.frame_id = 'camera'
    assert deserialize_message(serialize_message(sent), vision_msgs.msg.Detection2DArray) == sent
