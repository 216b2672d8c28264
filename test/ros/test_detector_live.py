# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One running detector, driven by another process over DDS: messages, parameters, bad images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from harness import LATCHED, Camera, Peer, Process, values, wait_for
import pytest
from rcl_interfaces.srv import DescribeParameters, ListParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool
from vision_msgs.msg import LabelInfo

from anydepth_core.runtime.detector import Detector
from anydepth_ros.conversions import to_array
from anydepth_ros.parameters import BY_NAME, SPECS


@pytest.fixture(scope='module')
def detector(start) -> Process:
    return start('detector_node', score_threshold=0, max_detections=20)


@pytest.fixture(autouse=True)
def defaults(camera: Camera, peer: Peer) -> Iterator[None]:
    """Put back what a test has changed."""
    yield
    for name, value in (('depth', 'full'), ('score_threshold', 0.0), ('max_detections', 20),
                        ('classes', []), ('enabled', True)):
        assert peer.set(name, value).successful


@pytest.mark.parametrize('size', [(48, 64), (64, 48), (33, 17), (1, 1), (5, 301), (120, 160)])
def test_each_image_gives_one_array_in_its_own_pixels(camera, size):
    height, width = size
    message = camera.image(height, width)
    array, status = camera.show(message)
    assert array.header == message.header
    assert int(status['detections']) == len(array.detections)
    if min(size) > 4:
        assert array.detections
    for detection in array.detections:
        assert detection.header == message.header
        assert detection.id == ''
        hypothesis, = detection.results
        assert hypothesis.hypothesis.class_id in ('0', '1', '2')
        assert 0.0 <= hypothesis.hypothesis.score <= 1.0
        box = detection.bbox
        assert box.center.theta == 0.0
        assert box.size_x > 0 and box.size_y > 0
        assert box.center.position.x - box.size_x / 2 >= 0
        assert box.center.position.y - box.size_y / 2 >= 0
        assert box.center.position.x + box.size_x / 2 <= width
        assert box.center.position.y + box.size_y / 2 <= height
    scores = [d.results[0].hypothesis.score for d in array.detections]
    assert scores == sorted(scores, reverse=True)


def test_an_image_without_objects_gives_an_empty_array(camera, peer):
    assert peer.set('score_threshold', 1.0).successful
    array, status = camera.show(camera.image(48, 64))
    assert array.detections == []
    assert status['detections'] == '0'


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_the_detections_are_those_of_the_detector_without_ros(camera, weights, encoding):
    assert_as_without_ros(camera, camera.image(60, 90, encoding), weights)


def test_the_network_input_may_have_the_shape_of_the_image(start, peer, weights):
    process = start('detector_node', '-r', '__ns:=/wide', input_size='96x32', score_threshold=0,
                    max_detections=20)
    process.wait_text('input 96x32')
    peer.wait_active('/wide/detector')
    wide = Camera(peer, '/wide/detector', '/wide/image')
    assert_as_without_ros(wide, wide.image(32, 96), weights, input_size=(32, 96))
    assert process.stop() == 0


def assert_as_without_ros(camera: Camera, message: Image, weights: Path, **options: Any) -> None:
    """Hold the answer of the node to what `Detector` finds in the image."""
    array, _ = camera.show(message)
    pixels, color = to_array(message)
    expected = Detector.open(weights, device='cpu', **options).detect(
        pixels, color=color, score_threshold=0.0, max_detections=20)
    assert len(array.detections) == len(expected) > 0
    for detection, box, score, label in zip(array.detections, expected.boxes, expected.scores,
                                            expected.labels):
        hypothesis = detection.results[0].hypothesis
        assert hypothesis.class_id == str(label)
        assert hypothesis.score == pytest.approx(float(score), abs=1e-4)
        center, size = detection.bbox.center.position, detection.bbox
        assert [center.x, center.y, size.size_x, size.size_y] == pytest.approx(
            [*((box[:2] + box[2:]) / 2), *(box[2:] - box[:2])], abs=0.05)


def test_status_tells_times_that_add_up(camera):
    _, status = camera.show(camera.image(48, 64))
    parts = [float(status[f'{name}_ms']) for name in ('preprocess', 'network', 'decode')]
    assert all(part > 0 for part in parts)
    assert float(status['total_ms']) == pytest.approx(sum(parts), abs=0.01)
    assert float(status['wait_ms']) >= 0
    assert float(status['age_ms']) > 0
    assert status['lost_in_transport'] == '0'
    assert int(status['received']) >= int(status['processed']) + int(status['dropped'])


def test_depth_takes_effect_on_the_next_image(camera, peer):
    for depth, canonical in (('base', 'base'), ('full-p2-p3', 'full-p2-p3'),
                             ('base+p5+p2', 'base+p2+p5'), ('FULL', 'full')):
        assert peer.set('depth', depth).successful
        _, status = camera.show(camera.image(48, 64))
        assert status['depth'] == canonical


@pytest.mark.parametrize(('name', 'value', 'words'), [
    ('depth', 'banana', ("unknown depth 'banana'", "'full'", 'base+STAGE')),
    ('depth', 'full-p9', ("unknown stage 'p9'",)),
    ('depth', 'base@4', ('no decoder layers',)),
    ('depth', True, ("unknown depth 'True'",)),
    ('depth', '', ('unknown depth',)),
    ('score_threshold', 1.5, ('out of range',)),
    ('score_threshold', float('nan'), ('out of range',)),
    ('score_threshold', 'low', ('type',)),
    ('max_detections', 0, ('out of range',)),
    ('classes', ['cub'], ("no class 'cub'", "did you mean 'cup'", 'ball')),
    ('classes', ['3'], ("no class '3'",)),
    ('weights', 'other', ("no weights 'other'",)),
    ('backend', 'torch', ('read-only',)),
    ('autostart', False, ('read-only',)),
])
def test_a_bad_parameter_is_refused_with_the_reason_and_changes_nothing(
        camera, peer, name, value, words):
    before = peer.get(name)
    result = peer.set(name, value)
    assert not result.successful
    for word in words:
        assert word in result.reason
    assert peer.get(name) == before
    _, status = camera.show(camera.image(48, 64))
    assert status['depth'] == 'full'


def test_an_unset_or_unknown_parameter_does_not_end_the_node(camera, peer):
    assert not peer.set('depth', Parameter('depth')).successful
    assert not peer.set('dept', 'base').successful
    camera.show(camera.image(48, 64))


@pytest.mark.parametrize(('given', 'stored', 'labels'), [
    (['cup'], ['cup'], {'1'}),
    (['2', 'ball'], ['2', 'ball'], {'0', '2'}),
    ([1, 2], ['1', '2'], {'1', '2'}),
    ('box', ['box'], {'2'}),
])
def test_classes_are_filtered(camera, peer, given, stored, labels):
    assert peer.set('classes', given).successful
    assert peer.get('classes') == stored
    array, _ = camera.show(camera.image(48, 64))
    found = {d.results[0].hypothesis.class_id for d in array.detections}
    assert found and found <= labels


def test_an_integer_for_a_double_is_taken(camera, peer):
    assert peer.set('score_threshold', 1).successful
    assert peer.get('score_threshold') == 1.0


def test_max_detections_limits_the_array(camera, peer):
    assert peer.set('max_detections', 3).successful
    array, _ = camera.show(camera.image(48, 64))
    assert len(array.detections) == 3


def test_every_parameter_is_described(peer, camera):
    names = [spec.name for spec in SPECS if not spec.cameras_only]
    listed = peer.call(ListParameters, '/detector/list_parameters', ListParameters.Request())
    assert set(names) <= set(listed.result.names)
    described = peer.call(DescribeParameters, '/detector/describe_parameters',
                          DescribeParameters.Request(names=names)).descriptors
    for descriptor in described:
        spec = BY_NAME[descriptor.name]
        assert descriptor.description == spec.description
        assert descriptor.read_only == spec.read_only
        assert not descriptor.dynamic_typing
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        assert [(r.from_value, r.to_value) for r in ranges] == (
            [] if spec.low is None else [(spec.low, spec.high)])


def test_label_info_is_latched_and_follows_the_threshold(peer, camera):
    labels = peer.listen(LabelInfo, '/detector/label_info', LATCHED)
    first = wait_for(lambda: labels and labels[-1], 'label info')
    assert [(c.class_id, c.class_name) for c in first.class_map] == [
        (0, 'ball'), (1, 'cup'), (2, 'box')]
    assert peer.set('score_threshold', 0.25).successful
    wait_for(lambda: labels[-1].threshold == 0.25, 'label info with the new threshold')


def test_disabled_by_service_nothing_is_published(peer, camera):
    answer = peer.call(SetBool, '/detector/set_enabled', SetBool.Request(data=False))
    assert answer.success and peer.get('enabled') is False
    for _ in range(3):
        camera.publish(camera.image(48, 64))
    seen = len(camera.detections)
    answer = peer.call(SetBool, '/detector/set_enabled', SetBool.Request(data=True))
    assert answer.success and peer.get('enabled') is True
    camera.show(camera.image(48, 64))
    assert len(camera.detections) == seen + 1


def _broken(camera: Camera, kind: str) -> Image:
    message = camera.image(48, 64)
    if kind == 'truncated':
        message.data = message.data[:1000]
    elif kind == 'step':
        message.step = 10
    elif kind == 'encoding':
        message.encoding = 'jpeg2000'
    elif kind == 'empty':
        message.width = message.height = message.step = 0
        message.data = message.data[:0]
    elif kind == 'huge':
        message.height = message.width = message.step = 2 ** 32 - 1
    return message


@pytest.mark.parametrize(('kind', 'words'), [
    ('truncated', 'truncated image: 1000 bytes of 9216'),
    ('step', 'step 10 is less than'),
    ('encoding', "unknown image encoding 'jpeg2000'; known: rgb8 bgr8"),
    ('empty', 'empty image'),
    ('huge', 'step 4294967295 is less than'),
])
def test_a_broken_image_is_counted_and_told_once_and_the_next_is_served(
        camera, detector, kind, words):
    _, before = camera.show(camera.image(48, 64))
    told = detector.text.count(words)
    for _ in range(2):
        failed = int(before['failed'])
        camera.publish(_broken(camera, kind))
        _, after = camera.show(camera.image(48, 64))
        # Where the good image overtook the broken one in the slot, that was dropped, not failed.
        assert (int(after['failed']) + int(after['dropped'])
                == failed + int(before['dropped']) + 1)
        before = after
    assert told == 0
    assert detector.text.count(words) <= 1
    assert 'Traceback' not in detector.text


def test_padded_rows_and_other_encodings_are_understood(camera):
    reference, _ = camera.show(camera.image(48, 64))
    padded = camera.image(48, 64)
    rows = bytes(padded.data)
    padded.step = 64 * 3 + 5
    padded.data = b''.join(rows[at:at + 192] + b'\x7f' * 5 for at in range(0, len(rows), 192))
    array, _ = camera.show(padded)
    assert [d.bbox for d in array.detections] == [d.bbox for d in reference.detections]
    mono = camera.image(48, 64)
    mono.encoding, mono.step, mono.data = 'mono8', 64, rows[:48 * 64]
    camera.show(mono)


def test_debug_image_comes_only_to_those_who_listen(peer, camera):
    pictures = peer.listen(Image, '/detector/debug_image')

    def drawn() -> bool:
        message = camera.image(48, 64)
        camera.show(message)
        return any(picture.header.frame_id.startswith('eye_') for picture in pictures)
    wait_for(drawn, 'debug image')
    assert (pictures[-1].height, pictures[-1].width, pictures[-1].encoding) == (48, 64, 'rgb8')


def test_diagnostics_tell_input_inference_and_model(peer, camera):
    messages = peer.listen(DiagnosticArray, '/diagnostics')
    camera.show(camera.image(48, 64))

    def latest(part: str) -> DiagnosticStatus | None:
        return next((s for m in reversed(messages) for s in m.status
                     if s.name == f'/detector: {part}'), None)
    model = wait_for(lambda: latest('model'), 'diagnostics')
    assert model.level == DiagnosticStatus.OK and model.hardware_id == 'cpu'
    assert values(model)['model'] == 'anydepth-yolo-tiny'
    assert len(values(model)['weights_sha256']) == 64
    inference = latest('inference')
    assert float(values(inference)['p95_ms']) >= float(values(inference)['p50_ms']) > 0
    assert values(latest('input'))['topic'] == '/image'


def test_a_second_publisher_and_a_burst_lose_no_account(peer, camera):
    _, before = camera.show(camera.image(48, 64))
    burst = [camera.image(48, 64) for _ in range(40)]
    for message in burst:
        camera.publish(message)
    _, after = camera.show(camera.image(48, 64))
    received = int(after['received']) - int(before['received'])
    settled = sum(int(after[name]) - int(before[name])
                  for name in ('processed', 'dropped', 'failed'))
    assert received == settled == 41
