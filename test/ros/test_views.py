# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What people look at: made only for those who listen, and by a running detector over DDS."""

from __future__ import annotations

from types import SimpleNamespace

from harness import LATCHED, Camera, Peer, Process, wait_for
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionInfo
from visualization_msgs.msg import ImageMarker

from anydepth_core.detections import Detections, FrameTiming
from anydepth_core.models.weights import file_hash
from anydepth_core.runtime.draw import class_color
from anydepth_ros import views
from anydepth_ros.conversions import to_array
from anydepth_ros.views import Views, to_marker

FOUND = Detections(np.array([[1, 2, 30, 40], [0, 0, 5, 5]], np.float32),
                   np.array([0.9, 0.4], np.float32), np.array([1, 0]), 'base',
                   FrameTiming(1.0, 2.0, 3.0), (48, 64))
NAMES = ('ball', 'cup')
PIXELS = np.zeros((48, 64, 3), np.uint8)


class Publisher:
    """Stands for one of rclpy's."""

    def __init__(self, kind: type) -> None:
        self.kind, self.listeners, self.sent = kind, 0, []

    def get_subscription_count(self) -> int:
        return self.listeners

    def publish(self, message: object) -> None:
        self.sent.append(message)


class Node:
    """Stands for a node: makes publishers and remembers them by topic."""

    def __init__(self) -> None:
        self.publishers: dict[str, Publisher] = {}
        self.told: list[str] = []

    def create_lifecycle_publisher(self, kind: type, topic: str, qos: object) -> Publisher:
        return self.publishers.setdefault(topic, Publisher(kind))

    def destroy_lifecycle_publisher(self, publisher: Publisher) -> None:
        self.publishers = {name: p for name, p in self.publishers.items() if p is not publisher}

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(info=self.told.append,
                               warning=lambda text, once: self.told.append(text))


def made(node: Node) -> Views:
    return Views(node, lambda name: name)


@pytest.mark.parametrize('listened', [(), ('debug_image',), ('debug_image/compressed',),
                                      ('debug_image', 'debug_image/compressed'), ('markers',)])
def test_only_what_is_listened_to_is_made_and_the_picture_is_drawn_once(monkeypatch, listened):
    node, drawn = Node(), []
    draw = views.draw_detections
    monkeypatch.setattr(views, 'draw_detections', lambda *a: drawn.append(1) or draw(*a))
    monkeypatch.setattr(views, 'to_marker', lambda *a: drawn.append(0) or to_marker(*a))
    found = made(node)
    for topic in listened:
        node.publishers[topic].listeners = 1
    found.publish(PIXELS, 'bgr', FOUND, NAMES, Header(frame_id='eye'))
    assert {name for name, p in node.publishers.items() if p.sent} == set(listened)
    assert sum(drawn) == any('debug' in topic for topic in listened)
    assert drawn.count(0) == listened.count('markers')
    for topic in listened:
        message, = node.publishers[topic].sent
        assert type(message) is node.publishers[topic].kind
        assert message.header.frame_id == 'eye'
    found.destroy()
    assert not node.publishers


def test_without_visualization_msgs_there_are_no_markers_and_it_is_told(monkeypatch):
    monkeypatch.setattr(views, 'ImageMarker', None)
    node = Node()
    found = made(node)
    assert set(node.publishers) == {'debug_image', 'debug_image/compressed'}
    assert 'visualization_msgs' in node.told[0]
    found.publish(PIXELS, 'rgb', FOUND, NAMES, Header())
    found.destroy()
    assert not node.publishers


def test_a_picture_too_wide_for_a_jpeg_is_told_and_no_fault():
    node = Node()
    found = made(node)
    node.publishers['debug_image/compressed'].listeners = 1
    found.publish(np.zeros((1, 65501, 3), np.uint8), 'rgb', FOUND, NAMES, Header())
    assert '65501x1' in node.told[-1] and not node.publishers['debug_image/compressed'].sent


def test_a_marker_has_four_coloured_sides_for_each_box():
    marker = to_marker(FOUND, Header(frame_id='eye'))
    assert (marker.type, marker.action) == (ImageMarker.LINE_LIST, ImageMarker.ADD)
    assert len(marker.points) == 2 * len(marker.outline_colors) == 2 * 4 * len(FOUND)
    sides = [(p.x, p.y) for p in marker.points[:8]]
    assert sides == [(1, 2), (30, 2), (30, 2), (30, 40), (30, 40), (1, 40), (1, 40), (1, 2)]
    first = marker.outline_colors[0]
    assert [round(255 * part) for part in (first.r, first.g, first.b)] == list(class_color(1))
    assert first.a == marker.outline_color.a == 1.0
    empty = Detections(FOUND.boxes[:0], FOUND.scores[:0], FOUND.labels[:0], 'base', FOUND.timing,
                       FOUND.image_size)
    assert not to_marker(empty, Header()).points


@pytest.fixture(scope='module')
def detector(start) -> Process:
    return start('detector_node', score_threshold=0, max_detections=20, class_id_as='name')


def test_classes_by_name_and_the_model_by_its_weights(peer: Peer, camera: Camera, weights):
    array, _ = camera.show(camera.image(48, 64))
    names = {d.results[0].hypothesis.class_id for d in array.detections}
    assert names and names <= {'ball', 'cup', 'box'}
    info, = wait_latched(peer, VisionInfo, '/detector/vision_info')
    assert info.method == f'anydepth-yolo-tiny sha256:{file_hash(weights)}'
    assert wait_latched(peer, LabelInfo, info.database_location)
    assert info.database_version == int(file_hash(weights)[:8], 16) >> 1


def wait_latched(peer: Peer, kind: type, topic: str) -> list:
    messages = peer.listen(kind, topic, LATCHED)
    wait_for(lambda: messages, topic)
    return messages


def test_pictures_and_markers_come_over_dds_with_the_header_of_their_image(peer, camera):
    topics = {'debug_image': Image, 'debug_image/compressed': CompressedImage,
              'markers': ImageMarker}
    seen = {name: peer.listen(kind, f'/detector/{name}') for name, kind in topics.items()}
    arrays = {}

    def all_came() -> set:
        message = camera.image(48, 64)
        array, _ = camera.show(message)
        arrays[message.header.frame_id] = array
        frames = [{m.header.frame_id for m in messages} for messages in seen.values()]
        return set.intersection(*frames)
    frame = wait_for(all_came, 'pictures').pop()
    raw, jpeg, marker = (next(m for m in messages if m.header.frame_id == frame)
                         for messages in seen.values())
    assert raw.header == jpeg.header == marker.header == arrays[frame].header
    picture, _ = to_array(jpeg)
    assert picture.shape == (raw.height, raw.width, 3) == (48, 64, 3)
    assert len(marker.points) == 8 * len(arrays[frame].detections)
    box = arrays[frame].detections[0].bbox
    assert marker.points[0].x == pytest.approx(box.center.position.x - box.size_x / 2)


def test_another_way_to_say_a_class_ends_the_start(start):
    process = start('detector_node', class_id_as='label')
    assert process.wait() == 2
    assert "class_id_as: 'label' is not one of index, name" in process.text
