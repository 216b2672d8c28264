# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Detection on demand: each request is answered, in order, whatever the cameras do."""

from __future__ import annotations

from collections.abc import Sequence
import re
import subprocess
import sys
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from harness import PATIENCE_S, RELIABLE, ROOT, Camera, Peer, Process, values, wait_for
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from anydepth_core.data.scenes import render_scene
from anydepth_ros.conversions import to_image
from anydepth_ros.requests import MOST_WAITING

NODE = '/detector'


MANY = QoSProfile(depth=200)


class Asker:
    """Asks for detections in images and collects the answers."""

    def __init__(self, peer: Peer, node: str = NODE) -> None:
        self.statuses: list[DiagnosticArray] = peer.listen(
            DiagnosticArray, f'{node}/requested_status', MANY)
        self.arrays: list[Detection2DArray] = peer.listen(
            Detection2DArray, f'{node}/requested_detections', MANY)
        self._images = peer.node.create_publisher(Image, f'{node}/request_image', MANY)
        self._compressed = peer.node.create_publisher(
            CompressedImage, f'{node}/request_image/compressed', RELIABLE)
        self._count = 0
        wait_for(self._heard, 'first answer')

    def _heard(self) -> bool:
        """Ask until an answer comes: topics are seen before they are connected."""
        self.send()
        try:
            return wait_for(lambda: self.statuses and self.arrays, 'answer', 0.5)
        except AssertionError:
            return False

    def send(self, message: Image | CompressedImage | None = None) -> Header:
        """Ask, and return the header of the request."""
        if message is None:
            message = to_image(np.zeros((48, 64, 3), np.uint8), 'rgb8', Header())
        self._count += 1
        message.header.frame_id = f'asked_{self._count}'
        message.header.stamp.sec = 5 * self._count
        (self._images if isinstance(message, Image) else self._compressed).publish(message)
        return message.header

    def answer(self, header: Header) -> tuple[DiagnosticStatus, Detection2DArray | None]:
        """Return the status of a request, and its detections where it has any."""
        status = wait_for(lambda: found(self.statuses, header), 'status').status[0]
        array = None if status.level == DiagnosticStatus.ERROR else wait_for(
            lambda: found(self.arrays, header), 'detections')
        return status, array


def found(messages: Sequence[Any], header: Header) -> Any:
    return next((m for m in list(messages) if m.header == header), None)


@pytest.fixture(scope='module')
def detector(start) -> Process:
    return start('detector_node', score_threshold=0, max_detections=7, enabled='false',
                 rate_limit_hz=0.01, max_age_ms=1.0)


@pytest.fixture(scope='module')
def asker(detector: Process, peer: Peer) -> Asker:
    detector.wait_text('active at depth')
    return Asker(peer)


def test_answered_at_the_depth_asked_for_while_the_cameras_are_disabled(asker, peer):
    for depth in ('full', 'base', 'base+p3'):
        assert peer.set('request_depth', depth).successful
        status, array = asker.answer(asker.send())
        assert (status.message, values(status)['depth']) == (depth, depth)
        assert status.name == f'{NODE}: request' and len(array.detections) == 7
    assert peer.get('depth') == 'full'
    assert peer.set('request_depth', 'full').successful


@pytest.mark.parametrize('depth', ['auto', 'base@3', 'banana', ''])
def test_a_depth_that_cannot_be_is_refused_and_the_one_before_stays(asker, peer, depth):
    assert not peer.set('request_depth', depth).successful
    assert peer.get('request_depth') == 'full'
    assert asker.answer(asker.send())[0].message == 'full'


def test_jpeg_too_and_what_cannot_be_read_is_answered_with_the_reason(asker):
    import cv2
    jpeg = cv2.imencode('.jpg', render_scene(0).image)[1].tobytes()
    status, array = asker.answer(asker.send(CompressedImage(format='jpeg', data=jpeg)))
    assert status.level == DiagnosticStatus.OK and array.detections
    bad = to_image(np.zeros((48, 64, 3), np.uint8), 'rgb8', Header())
    bad.encoding = 'polka'
    status, array = asker.answer(asker.send(bad))
    assert array is None and 'polka' in status.message
    status, _ = asker.answer(asker.send(CompressedImage(format='jpeg', data=jpeg[:100])))
    assert status.level == DiagnosticStatus.ERROR
    assert asker.answer(asker.send())[1].detections


def test_many_at_once_each_one_answer_in_order_or_refused_because_too_many_wait(
        asker, peer, detector):
    before = len(asker.statuses)
    headers = [asker.send() for _ in range(3 * MOST_WAITING)]
    wait_for(lambda: all(found(asker.statuses, header) for header in headers), 'answers')
    answers = [asker.answer(header)[0] for header in headers]
    assert len(asker.statuses) == before + len(headers)
    refused = [status for status in answers if status.level == DiagnosticStatus.ERROR]
    assert all('requests wait already' in status.message for status in refused)
    assert len(answers) - len(refused) >= MOST_WAITING
    order = [m.header for m in asker.arrays if m.header in headers]
    assert order == [h for h in headers if h in order]
    assert sum(m.header in headers for m in asker.arrays) == len(answers) - len(refused)
    if refused:
        assert detector.text.count(f'{MOST_WAITING} requests wait already') == 1
    messages = peer.listen(DiagnosticArray, '/diagnostics')
    told = wait_for(lambda: next((status for message in messages for status in message.status
                                  if status.name == f'{NODE}: requests'), None), 'diagnostics')
    assert int(values(told)['refused']) == len(refused)


def test_a_flood_is_counted_to_the_last_request(asker):
    before = values(asker.answer(asker.send())[0])
    headers = [asker.send() for _ in range(20 * MOST_WAITING)]
    asker.answer(headers[-1])
    after = values(asker.answer(asker.send())[0])
    lost = int(after['lost_in_transport']) - int(before['lost_in_transport'])
    ids = {header.frame_id for header in headers}

    def answered() -> list[str]:
        return [m.header.frame_id for m in list(asker.statuses) if m.header.frame_id in ids]
    wait_for(lambda: len(answered()) >= len(headers) - lost, 'answers')
    assert len(answered()) == len(set(answered())) == len(headers) - lost
    assert int(after['received']) - int(before['received']) == len(headers) - lost + 1


def test_an_inactive_node_answers_what_to_do_and_cleaned_up_it_goes(asker, peer, detector):
    assert peer.change_state('deactivate')
    status, array = asker.answer(asker.send())
    assert array is None and f'ros2 lifecycle set {NODE} activate' in status.message
    assert peer.change_state('activate')
    assert asker.answer(asker.send())[1].detections
    for label in ('deactivate', 'cleanup'):
        assert peer.change_state(label)
    wait_for(lambda: not peer.node.count_subscribers(f'{NODE}/request_image'), 'cleanup')
    for label in ('configure', 'activate'):
        assert peer.change_state(label)
    again = Asker(peer)
    assert again.answer(again.send())[1].detections
    assert 'Traceback' not in detector.text


def test_between_the_frames_of_several_cameras_and_by_the_example_of_the_page(
        start, peer, environment, tmp_path):
    import cv2
    process = start('detector_node', '-r', '__ns:=/many', weights='scenes', depth='base',
                    cameras='[front, left]')
    node = '/many/detector'
    peer.wait_active(node)
    cameras = [Camera(peer, f'{node}/{name}', f'/many/{name}/image') for name in ('front', 'left')]
    asker = Asker(peer, node)
    for _ in range(5):
        header = asker.send()
        for camera in cameras:
            assert camera.show(camera.image(48, 64))[1]['depth'] == 'base'
        assert asker.answer(header)[0].message == 'full'
    page = (ROOT / 'docs' / 'node.md').read_text()
    program = re.search(r'```python\n(# ask\.py.*?)```', page, re.DOTALL)[1]
    (tmp_path / 'ask.py').write_text(program.replace('/detector/', f'{node}/'))
    cv2.imwrite(str(tmp_path / 'picture.jpg'), render_scene(0).image[..., ::-1])
    done = subprocess.run([sys.executable, 'ask.py', 'picture.jpg'], cwd=tmp_path, text=True,
                          env=environment, capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r'^[0-9] 0\.\d+ at ', done.stdout, re.MULTILINE), done.stdout
    assert process.stop() == 0 and 'Traceback' not in process.text
