# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Messages and requests that no sane program sends, and how a node is shown thousands of them."""

from __future__ import annotations

import array
from collections import Counter
from collections.abc import Callable, Iterator
import re
import time
from typing import Any

from harness import LATCHED, Camera, Peer, wait_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
from stress import Caller

from anydepth_core.runtime.encodings import ENCODINGS

SIZES = st.integers(0, 9) | st.integers(0, 2 ** 32 - 1)
# The texts of a message end at a zero byte; a lone surrogate has no UTF-8.
TEXTS = st.text(st.characters(blacklist_categories=('Cs',), blacklist_characters='\0'),
                max_size=60)


@st.composite
def headers(draw: Callable[..., Any]) -> Header:
    """Any stamp, also one before 1970 and one with more nanoseconds than a second has."""
    header = Header(frame_id=draw(TEXTS))
    header.stamp.sec = draw(st.integers(-2 ** 31, 2 ** 31 - 1))
    header.stamp.nanosec = draw(st.integers(0, 2 ** 32 - 1))
    return header


@st.composite
def images(draw: Callable[..., Any]) -> Image:
    """Any fields, and a few bytes that fit them by chance alone."""
    return Image(header=draw(headers()), height=draw(SIZES), width=draw(SIZES),
                 step=draw(st.integers(0, 64) | SIZES), is_bigendian=draw(st.integers(0, 255)),
                 encoding=draw(st.sampled_from(sorted(ENCODINGS)) | st.sampled_from(
                     ['', '32FC1', '16SC2', '64FC3', '8UC5', 'jpeg', 'RGB8', 'h264'])),
                 data=array.array('B', draw(st.binary(max_size=300))))


@st.composite
def compressed_images(draw: Callable[..., Any]) -> CompressedImage:
    """Any bytes behind the beginning of a picture, or behind none."""
    start = draw(st.sampled_from([b'', b'\xff\xd8\xff\xc0', b'\xff\xd8\xff\xe0\0\x10JFIF',
                                  b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR']))
    words = draw(st.sampled_from(['jpeg', 'png', 'rgb8; jpeg compressed bgr8', 'tiff', '',
                                  '16UC1; compressedDepth', 'bayer_rggb8; jpeg compressed ']))
    return CompressedImage(header=draw(headers()), format=words,
                           data=array.array('B', start + draw(st.binary(max_size=300))))


@st.composite
def damaged(draw: Callable[..., Any], whole: bytes) -> bytes:
    """The bytes of a serialised message, cut short or with some of the first hundred changed."""
    found = bytearray(whole[:draw(st.integers(4, len(whole)))]) if draw(st.booleans()) \
        else bytearray(whole)
    for at, value in draw(st.lists(st.tuples(st.integers(4, min(99, len(found) - 1)),
                                             st.integers(0, 255)), max_size=6)
                          if len(found) > 5 else st.just([])):
        found[at] = value
    return bytes(found)


def serialised() -> st.SearchStrategy[bytes]:
    """Damaged bytes of an image that was whole."""
    image = Image(header=Header(frame_id='eye'), height=8, width=8, step=24, encoding='bgr8',
                  data=array.array('B', bytes(192)))
    return damaged(serialize_message(image))


def show_each(strategy: st.SearchStrategy[Any], count: int, publish: Callable[[Any], None],
              pause_s: float = 0.003) -> int:
    """Publish up to `count` examples and return how many there were."""
    shown = 0

    @settings(max_examples=count, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(strategy)
    def show(message: Any) -> None:
        nonlocal shown
        shown += 1
        publish(message)
        time.sleep(pause_s)
    show()
    return shown


def account(camera: Camera, count: int, strategy: st.SearchStrategy[Any]) -> Counter[str]:
    """Show images and return by how much each count of the node rose, and how many were sent."""
    names = ('received', 'processed', 'dropped', 'refused', 'failed', 'lost_in_transport')
    _, before = camera.show(camera.image(48, 64))
    sent = show_each(strategy, count, camera.publish)
    _, after = camera.show(camera.image(48, 64))
    return Counter({'sent': sent + 1,
                    **{name: int(after[name]) - int(before[name]) for name in names}})


def told(log: str) -> list[str]:
    """Return the kinds of bad images that the node told, as often as it did."""
    return [re.sub(r'\d+', '#', words)
            for words in re.findall(r'not processed: (.*) \(told once', log)]


def odd_requests() -> Iterator[tuple[type, str, Any]]:
    """Yield kinds of services, their names and requests that make no sense, but have an answer."""
    names = ['', '~', '/', 'no such', 'depth\n', 'x' * 3000, 'depth']
    yield GetParameters, 'get_parameters', GetParameters.Request(names=names)
    yield GetParameterTypes, 'get_parameter_types', GetParameterTypes.Request(names=names)
    yield DescribeParameters, 'describe_parameters', DescribeParameters.Request(names=names)
    yield ListParameters, 'list_parameters', ListParameters.Request(prefixes=names, depth=2 ** 63)
    wrong = [Parameter(name=name, value=value) for name in names for value in (
        ParameterValue(type=0), ParameterValue(type=5, byte_array_value=[b'\x01']),
        ParameterValue(type=9, string_array_value=['a'] * 20000),
        ParameterValue(type=4, string_value='x' * 100000),
        ParameterValue(type=8, double_array_value=[float('nan')] * 3))]
    yield SetParameters, 'set_parameters', SetParameters.Request(parameters=wrong)
    yield (SetParametersAtomically, 'set_parameters_atomically',
           SetParametersAtomically.Request(parameters=wrong))
    for number, label in ((0, 'dance'), (255, ''), (77, ''), (3, ''), (0, '')):
        request = ChangeState.Request()
        request.transition.id, request.transition.label = number, label
        yield ChangeState, 'change_state', request


def ask_nonsense(peer: Peer, node: str = '/detector') -> int:
    """Make all odd requests, await their answers, and send what rclpy cannot answer."""
    count = 0
    for kind, name, request in odd_requests():
        Caller(peer, kind, f'{node}/{name}').call(request)
        count += 1
    for kind, name in ((SetParameters, 'set_parameters'),
                       (SetParametersAtomically, 'set_parameters_atomically')):
        Caller(peer, kind, f'{node}/{name}').send(kind.Request(parameters=[
            Parameter(name='depth', value=ParameterValue(type=99))]))
        count += 1
    modes = peer.node.create_publisher(String, f'{node.rpartition("/")[0]}/mission_mode', LATCHED)
    wait_for(modes.get_subscription_count, 'subscriber of mission_mode')
    for mode in ('', 'no such', '\n', 'x' * 10000, "patrol'; rm"):
        modes.publish(String(data=mode))
        count += 1
    return count
