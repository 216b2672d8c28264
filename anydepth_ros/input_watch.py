# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Why nothing comes out: what the node knows of its input, in one sentence with the fix.

No ROS here. `InputWatch.look` is called about once a second and says what it found; the node tells
each finding once, when it begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from anydepth_ros import transport

IMAGE_TYPE = 'sensor_msgs/msg/Image'
COMPRESSED_TYPE = 'sensor_msgs/msg/CompressedImage'
GRACE_S = 3.0
SILENT_S = 5.0
LOST_SHARE = 0.05
AHEAD_S = 0.1
OTHER_TIME_S = 10.0  # older than any delay makes an image
# Over how many looks, of how many images at least, which share of drops means too slow.
SLOW_LOOKS = 5
SLOW_IMAGES = 10
SLOW_SHARE = 0.2


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
        ahead_s: by how much the stamp of the newest image was in the future; negative: its age.
        clock_stands: simulated time is used, and nobody has told any.
        processed, refused, dropped: totals; refused are those older than `max_age_ms`.
        max_age_ms: how old images may be; 0: any age.
        rate_limited: images are dropped on purpose.
        rmw: name of the middleware.
        name: of the topic before remapping.
        type: name of the message type that is subscribed.
        compressed: somebody publishes compressed images beside.
    """

    now: float
    topic: str
    publishers: Sequence[Publisher] = ()
    received: int = 0
    lost: int = 0
    other_topics: Sequence[str] = ()
    zero_stamp: bool = False
    ahead_s: float = 0.0
    clock_stands: bool = False
    processed: int = 0
    refused: int = 0
    dropped: int = 0
    max_age_ms: float = 0.0
    rate_limited: bool = False
    rmw: str = 'rmw_fastrtps_cpp'
    name: str = 'image'
    type: str = IMAGE_TYPE
    compressed: bool = False


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
        self._pace: deque[tuple[int, int]] = deque(maxlen=SLOW_LOOKS)

    def look(self, view: InputView) -> Finding:
        """Judge `view` against the one before."""
        before = self._last or InputView(self._started, view.topic)
        arrived = view.received - before.received
        lost = view.lost - before.lost
        if arrived:
            self._last_arrival = view.now
        self._last = view
        self._pace.append((view.processed - before.processed, view.dropped - before.dropped))
        kind, text = self._judge(view, arrived, lost, view.refused - before.refused)
        finding = Finding(kind, text, kind != self._kind)
        self._kind = kind
        return finding

    def _judge(self, view: InputView, arrived: int, lost: int, refused: int) -> tuple[str, str]:
        topic = view.topic
        if lost > LOST_SHARE * (arrived + lost):
            return 'lost', (f'{lost} of the last {arrived + lost} images on {topic} were lost in '
                            f'transport: {transport.advice(view.rmw, topic)}')
        if arrived:
            return self._judge_arriving(view, refused)
        if view.now - self._started < GRACE_S:
            return 'waiting', f'waiting for the first image on {topic}'
        if not view.publishers:
            return 'no_publisher', _no_publisher(view)
        types = {publisher.type for publisher in view.publishers}
        if view.type not in types:
            return 'other_type', (f'{topic} carries {", ".join(sorted(types))}, not {view.type}; '
                                  f'remap {view.name}:= to the topic with the images')
        reasons = [p.incompatible for p in view.publishers if p.type == view.type]
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

    def _judge_arriving(self, view: InputView, refused: int) -> tuple[str, str]:
        """Judge images that arrive: their stamps, their age, and whether there are too many."""
        topic = view.topic
        if view.zero_stamp:
            return 'zero_stamp', (f'images on {topic} have no stamp (0): their age is unknown and '
                                  'nobody can pair detections with them; set header.stamp in the '
                                  'camera driver')
        if view.clock_stands:
            return 'no_clock', ('use_sim_time is true, but nobody publishes /clock: play the bag '
                                'with --clock, or set use_sim_time to false')
        if view.ahead_s > AHEAD_S:
            return 'future_stamp', (f'images on {topic} are stamped {view.ahead_s:.1f} s in the '
                                    'future: synchronise the clocks of the two machines, or set '
                                    'use_sim_time where the images are played back')
        if refused and -view.ahead_s > OTHER_TIME_S:
            return 'other_time', (f'images on {topic} are refused, because they are '
                                  f'{-view.ahead_s:.0f} s old by the clock of this node, more '
                                  f'than max_age_ms {view.max_age_ms:g}: if a recording is '
                                  'played, play it with --clock and set use_sim_time; else '
                                  'synchronise the clocks of the two machines')
        if refused:
            return 'stale', (f'images on {topic} are refused, because they are older than '
                             f'max_age_ms {view.max_age_ms:g} when their turn comes: choose a '
                             'shallower depth or a latency budget, find what delays them on the '
                             'way, or raise max_age_ms')
        processed, dropped = (sum(column) for column in zip(*self._pace))
        images = processed + dropped
        if not view.rate_limited and images >= SLOW_IMAGES and dropped > SLOW_SHARE * images:
            return 'slow', (f'inference is slower than the camera: {dropped} of the last {images} '
                            f'images on {topic} were dropped for newer ones; choose a shallower '
                            'depth, set target_fps to the rate of the camera, or set '
                            'rate_limit_hz if so many are enough')
        return 'ok', f'images arrive on {topic}'


def _no_publisher(view: InputView) -> str:
    text = f'nobody publishes {view.topic}'
    suffix = '/compressed' if view.type == COMPRESSED_TYPE else ''
    if view.compressed:
        return (f'{text}, but compressed images are on {view.topic}/compressed: start with '
                '-p image_transport:=compressed')
    if not view.other_topics:
        return f'{text}, nor images on any other topic: start the camera'
    return (f'{text}; images are on {", ".join(view.other_topics[:5])}: start with '
            f'--ros-args -r {view.name}:={view.other_topics[0].removesuffix(suffix)}')
