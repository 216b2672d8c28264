# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed images as input, beside the raw topic that is remapped."""

from __future__ import annotations

import cv2
from harness import BEST_EFFORT, Peer, wait_for
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray


@pytest.mark.parametrize('format', ['jpeg', 'png'])
def test_compressed_images_are_detected_and_a_raw_input_says_where_they_are(start, peer: Peer,
                                                                           format):
    node = f'/{format}/detector'
    process = start('detector_node', '-r', f'__ns:=/{format}', '-r', 'image:=eye/image_raw',
                    image_transport='compressed', score_threshold=0)
    peer.wait_active(node)
    found = peer.listen(Detection2DArray, f'{node}/detections')
    publisher = peer.node.create_publisher(
        CompressedImage, f'/{format}/eye/image_raw/compressed', BEST_EFFORT)
    data = cv2.imencode(f'.{format}', np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    message = CompressedImage(header=Header(frame_id='eye'), format=format, data=data)

    def seen() -> bool:
        publisher.publish(message)
        return bool(found)
    wait_for(seen, 'detections')
    assert found[0].header.frame_id == 'eye' and found[0].detections
    publisher.publish(CompressedImage(header=message.header, format=format, data=data[:100]))
    process.wait_text('not processed')
    assert process.stop() == 0 and 'Traceback' not in process.text


def test_an_unknown_transport_ends_the_start(start):
    process = start('detector_node', image_transport='theora')
    assert process.wait() == 2
    assert "image_transport: 'theora' is not one of raw, compressed" in process.text


def test_a_raw_input_tells_that_compressed_images_are_there(start, peer: Peer):
    process = start('detector_node', '-r', '__ns:=/lost')
    peer.node.create_publisher(CompressedImage, '/lost/image/compressed', BEST_EFFORT)
    process.wait_text('start with -p image_transport:=compressed')
