# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Why nothing comes out: what the node knows of its input, in one sentence with the fix.

No ROS here. `InputWatch.look` is called about once a second and says what it found; the node tells
each finding once, when it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anydepth_ros import transport

IMAGE_TYPE = 'sensor_msgs/msg/Image'
GRACE_S = 3.0
SILENT_S = 5.0
LOST_SHARE = 0.05


@dataclass(frozen=True)
class Publisher:
    """One publisher of the image topic.

    Attributes:
        node: full name of its node.
        type: name of the message type.
        incompatible: why its QoS does not match ours; empty where it does.
    """

    node: str
    type: str = IMAGE_TYPE
    incompatible: str = ''


@dataclass(frozen=True)
class InputView:
    """What can be seen of the input at one moment.

    Attributes:
        now: seconds on a steady clock.
        topic: resolved name of the image topic.
        publishers: who publishes on it.
        received, lost: totals.
        other_topics: other topics that carry images.
        zero_stamp: the newest image has no stamp.
        rmw: name of the middleware.
    """

    now: float
    topic: str
    publishers: Sequence[Publisher] = ()
    received: int = 0
    lost: int = 0
    other_topics: Sequence[str] = ()
    zero_stamp: bool = False
    rmw: str = 'rmw_fastrtps_cpp'


@dataclass(frozen=True)
class Finding:
    """The state of the input.

    Attributes:
        kind: one word; 'ok' or 'waiting' when nothing is wrong.
        text: one sentence; with the fix when something is wrong.
        new: the kind is another than at the last look.
    """

    kind: str
    text: str
    new: bool

    @property
    def bad(self) -> bool:
        """Whether the user should do something."""
        return self.kind not in ('ok', 'waiting')


class InputWatch:
    """Looks at the input from time to time and remembers what it needs to judge it."""

    def __init__(self, now: float) -> None:
        self._started = now
        self._last_arrival = now
        self._last: InputView | None = None
        self._kind = ''

    def look(self, view: InputView) -> Finding:
        """Judge `view` against the one before."""
        before = self._last or InputView(self._started, view.topic)
        arrived = view.received - before.received
        lost = view.lost - before.lost
        if arrived:
            self._last_arrival = view.now
        self._last = view
        kind, text = self._judge(view, arrived, lost)
        finding = Finding(kind, text, kind != self._kind)
        self._kind = kind
        return finding

    def _judge(self, view: InputView, arrived: int, lost: int) -> tuple[str, str]:
        topic = view.topic
        if lost > LOST_SHARE * (arrived + lost):
            return 'lost', (f'{lost} of the last {arrived + lost} images on {topic} were lost in '
                            f'transport: {transport.advice(view.rmw, topic)}')
        if arrived:
            if view.zero_stamp:
                return 'zero_stamp', (f'images on {topic} have no stamp (0): their age is unknown '
                                      'and nobody can pair detections with them; set '
                                      'header.stamp in the camera driver')
            return 'ok', f'images arrive on {topic}'
        if view.now - self._started < GRACE_S:
            return 'waiting', f'waiting for the first image on {topic}'
        if not view.publishers:
            return 'no_publisher', _no_publisher(view)
        types = {publisher.type for publisher in view.publishers}
        if IMAGE_TYPE not in types:
            return 'other_type', (f'{topic} carries {", ".join(sorted(types))}, not {IMAGE_TYPE}; '
                                  'remap image:= to the topic with the raw images')
        reasons = [p.incompatible for p in view.publishers if p.type == IMAGE_TYPE]
        if all(reasons):
            return 'qos', (f'QoS of {topic} does not match its publisher ({reasons[0]}): remove '
                           'the qos_overrides parameters; best effort, the default, matches all')
        silent = view.now - self._last_arrival
        if silent < SILENT_S:
            return ('ok', f'images arrive on {topic}') if self._kind == 'ok' else (
                'waiting', f'waiting for the first image on {topic}')
        names = ', '.join(sorted({p.node for p in view.publishers})[:5])
        return 'silent', (f'{names} publishes {topic} but no image has arrived for more than '
                          f'{SILENT_S:g} s: either it is paused, or its images get lost; '
                          f'{transport.advice(view.rmw, topic)}')


def _no_publisher(view: InputView) -> str:
    text = f'nobody publishes {view.topic}'
    if not view.other_topics:
        return f'{text}, nor images on any other topic: start the camera'
    return (f'{text}; images are on {", ".join(view.other_topics[:5])}: start with '
            f'--ros-args -r image:={view.other_topics[0]}')
