# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a node is put through, by short tests and by benchmarks/node_stress.py at full length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
import random
import re
import signal
import threading
import time
from typing import Any

from harness import BEST_EFFORT, PATIENCE_S, Peer, Process, values, wait_for
from lifecycle_msgs.srv import ChangeState
import numpy as np
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from anydepth_ros.conversions import to_image
from anydepth_ros.parameters import BY_NAME, SPECS

TRANSITIONS = ('configure', 'activate', 'deactivate', 'cleanup')
# Above and below every range, of every type, and texts that mean something to somebody.
ODD_VALUES = (True, False, 0, 1, -1, 7, 2 ** 62, 0.0, 0.5, -0.5, 1e300, float('nan'), float('inf'),
              '', 'full', 'base', 'auto', 'base@3', 'banana', 'patrol', 'custom', '0', 'x' * 5000,
              [''], ['cup'], ['2', 'ball'], ['cub'], [0, 2], [0.5], [True])


class Caller:
    """A client of one service that is kept, and how long each answer took."""

    def __init__(self, peer: Peer, kind: type, service: str) -> None:
        self.service = service
        self.waits_s: list[float] = []
        self._client = peer.node.create_client(kind, service)
        assert self._client.wait_for_service(PATIENCE_S), f'no service {service}'

    def call(self, request: Any, patience_s: float = PATIENCE_S) -> Any:
        """Return the answer; fail when none comes."""
        came = threading.Event()
        began = time.monotonic()
        future = self._client.call_async(request)
        future.add_done_callback(lambda _: came.set())
        assert came.wait(patience_s), f'no answer of {self.service} within {patience_s:g} s'
        self.waits_s.append(time.monotonic() - began)
        return future.result()

    def send(self, request: Any) -> None:
        """Call without waiting for the answer."""
        self._client.call_async(request)


@dataclass(frozen=True)
class Footprint:
    """What a node occupies: what others see of it, and what the system counts."""

    publishers: int
    subscriptions: int
    services: int
    threads: int
    files: int
    memory_mb: float

    @classmethod
    def of(cls, peer: Peer, process: Process, node: str) -> Footprint:
        """Return that of a node whose process is running."""
        namespace, _, name = node.rpartition('/')
        wait_for(lambda: (name, namespace or '/') in peer.node.get_node_names_and_namespaces(),
                 node)
        topics = {topic for topic, _ in peer.node.get_topic_names_and_types()}

        def ends(infos: Callable[[str], Sequence[Any]]) -> int:
            return sum((info.node_namespace.rstrip('/'), info.node_name) == (namespace, name)
                       for topic in topics for info in infos(topic))
        services = peer.node.get_service_names_and_types_by_node(name, namespace or '/')
        status = Path(f'/proc/{process.popen.pid}/status').read_text()
        found = dict(line.split(':', 1) for line in status.splitlines())
        return cls(ends(peer.node.get_publishers_info_by_topic),
                   ends(peer.node.get_subscriptions_info_by_topic), len(services),
                   int(found['Threads']), len(list(Path(f'/proc/{process.popen.pid}/fd')
                                                   .iterdir())),
                   int(found['VmRSS'].split()[0]) / 1024)


def threads_and_memory(process: Process) -> tuple[int, int]:
    """Return how many threads a process has, and its own memory in MiB."""
    text = Path(f'/proc/{process.popen.pid}/status').read_text()
    threads, kilobytes = (int(re.search(rf'{key}:\s+(\d+)', text)[1])
                          for key in ('Threads', 'RssAnon'))
    return threads, kilobytes // 1024


@contextmanager
def images_arriving(peer: Peer, topic: str, period_s: float = 0.01) -> Iterator[None]:
    """Publish small images from a thread until the end of the context."""
    publisher = peer.node.create_publisher(Image, topic, BEST_EFFORT)
    message = to_image(np.zeros((48, 64, 3), np.uint8), 'bgr8', Header())
    done = threading.Event()

    def publish() -> None:
        while not done.wait(period_s):
            message.header.stamp = peer.node.get_clock().now().to_msg()
            publisher.publish(message)
    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        peer.node.destroy_publisher(publisher)


@dataclass
class Ordeal:
    """Random transitions, parameter sets and service calls, all at once, and what came of them."""

    peer: Peer
    node: str
    seed: int = 0
    patience_s: float = PATIENCE_S
    transitions: list[bool] = field(default_factory=list)
    sets: list[bool] = field(default_factory=list)
    longest_s: dict[str, float] = field(default_factory=dict)
    _share: float = 1.0

    def run(self, transitions: int, sets: int) -> None:
        """Make so many of both, each in a thread of its own, under images that arrive."""
        errors: list[BaseException] = []

        def guarded(work: Callable[[int], None], count: int) -> None:
            try:
                work(count)
            except BaseException as error:
                errors.append(error)
        works = ((self._transitions, transitions), (self._sets, sets), (self._calls, sets // 20))
        threads = [threading.Thread(target=guarded, args=work) for work in works]
        self.transitions.clear()
        self.sets.clear()
        self._share = sets / transitions
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def _transitions(self, count: int) -> None:
        rng = random.Random(self.seed)
        caller = Caller(self.peer, ChangeState, f'{self.node}/change_state')
        for _ in range(count):
            request = ChangeState.Request()
            request.transition.label = rng.choice(TRANSITIONS)
            self.transitions.append(caller.call(request, self.patience_s).success)
        self.longest_s['transition'] = max(caller.waits_s)

    def _keep_step(self, transitions: float) -> None:
        """Wait until so many transitions were asked for, so that all of it happens at once."""
        deadline = time.monotonic() + self.patience_s
        while len(self.transitions) + 1 < transitions and time.monotonic() < deadline:
            time.sleep(0.002)

    def _sets(self, count: int) -> None:
        rng = random.Random(self.seed + 1)
        caller = Caller(self.peer, SetParameters, f'{self.node}/set_parameters')
        for _ in range(count):
            request = SetParameters.Request(parameters=[random_parameter(rng)])
            self.sets.append(caller.call(request, self.patience_s).results[0].successful)
            self._keep_step(len(self.sets) / self._share)
        self.longest_s['set'] = max(caller.waits_s)

    def _calls(self, count: int) -> None:
        """Call the node's other services; a measurement is started and cancelled, not awaited."""
        rng = random.Random(self.seed + 2)
        callers = [Caller(self.peer, kind, f'{self.node}/{name}') for kind, name in (
            (SetBool, 'set_enabled'), (Trigger, 'describe'), (Trigger, 'mission_mode/inspect'),
            (Trigger, 'measure_profile/cancel'))]
        measure = Caller(self.peer, Trigger, f'{self.node}/measure_profile')
        for _ in range(count):
            measure.send(Trigger.Request())
            for caller in callers:
                caller.call(SetBool.Request(data=rng.random() < 0.8)
                            if caller is callers[0] else Trigger.Request(), self.patience_s)
            self._keep_step(len(callers[0].waits_s) * 20 / self._share)
        self.longest_s['service'] = max(max(caller.waits_s, default=0.0) for caller in callers)


def random_parameter(rng: random.Random) -> Any:
    """Return the message of a value, right or wrong, for a parameter that is there or not."""
    spec = rng.choice(SPECS)
    name = rng.choice([spec.name] * 9 + ['dept', 'front.depth', ''])
    if rng.random() < 0.5:
        value: Any = rng.choice(ODD_VALUES)
    elif spec.low is not None and spec.high is not None:
        value = type(spec.default)(rng.uniform(spec.low, spec.high))
    else:
        value = spec.default or ['']
    if isinstance(value, list) and isinstance(value[0], str):
        return Parameter(name, Parameter.Type.STRING_ARRAY, value).to_parameter_msg()
    return Parameter(name, value=value).to_parameter_msg()


def put_back(peer: Peer, node: str) -> None:
    """Make the node active with every live parameter at its default."""
    for spec in SPECS:
        if not (spec.read_only or spec.cameras_only) and spec.name != 'depth':
            default = spec.default or ['']
            peer.set(spec.name, Parameter(spec.name, Parameter.Type.STRING_ARRAY, default)
                     if isinstance(spec.default, list) else spec.default, node)
    for name, value in (('depth', BY_NAME['depth'].default), ('score_threshold', 0.0)):
        assert peer.set(name, value, node).successful
    for label in ('configure', 'activate'):
        if peer.state(node) != 'active':
            peer.change_state(label, node)
    assert peer.state(node) == 'active'


# From where a signal is sent: what to do before, and what to call without waiting for its end.
MOMENTS: dict[str, tuple[tuple[str, ...], str]] = {
    'unconfigured': ((), ''),
    'configuring': ((), 'configure'),
    'inactive': (('configure',), ''),
    'activating': (('configure',), 'activate'),
    'active': (('configure', 'activate'), ''),
    'deactivating': (('configure', 'activate'), 'deactivate'),
    'cleaning up': (('configure',), 'cleanup'),
    'shutting down': (('configure', 'activate'), 'shutdown'),
    'measuring': (('configure', 'activate'), 'measure_profile'),
}


def end_at(moment: str, process: Process, peer: Peer, after_s: float = 0.0,
           node: str = '/detector') -> float:
    """Send SIGTERM at that moment, under images that arrive; return the seconds to the end.

    Args:
        moment: one of `MOMENTS`.
        process: an unconfigured node.
        peer: in its domain.
        after_s: how long after the last call.
        node: its full name.
    """
    before, meanwhile = MOMENTS[moment]
    process.wait_text('unconfigured; waiting')
    with images_arriving(peer, f'{node.rpartition("/")[0]}/image'):
        for label in before:
            assert peer.change_state(label, node)
        if meanwhile == 'measure_profile':
            Caller(peer, Trigger, f'{node}/measure_profile').send(Trigger.Request())
        elif meanwhile:
            request = ChangeState.Request()
            request.transition.label = meanwhile
            Caller(peer, ChangeState, f'{node}/change_state').send(request)
        time.sleep(after_s)
        began = time.monotonic()
        code = process.stop(signal.SIGTERM)
        seconds = time.monotonic() - began
    assert code == 0, f'exit code {code} when {moment}:\n{process.text}'
    assert 'Traceback' not in process.text, process.text
    return seconds


@dataclass
class Pressure:
    """What came of images that arrive faster than they are processed."""

    total_ms: list[float]
    age_ms: list[float]
    answers_ms: list[float]

    @property
    def at_start_ms(self) -> list[float]:
        """How old each image was when its processing began."""
        return [age - total for age, total in zip(self.age_ms, self.total_ms)]


def under_pressure(peer: Peer, status: list[Any], frames: int, node: str = '/detector',
                   pause_s: float = 0.02) -> Pressure:
    """Get and set parameters all the while until so many frames were processed.

    Args:
        peer: calls.
        status: grows with each frame's status.
        frames: to wait for.
        node: full name.
        pause_s: between two calls.
    """
    getter = Caller(peer, GetParameters, f'{node}/get_parameters')
    setter = Caller(peer, SetParameters, f'{node}/set_parameters')
    first, count = len(status), 0

    def enough() -> bool:
        nonlocal count
        count += 1
        getter.call(GetParameters.Request(names=['depth']))
        parameter = Parameter('score_threshold', value=0.5 + 0.1 * (count % 2))
        assert setter.call(SetParameters.Request(
            parameters=[parameter.to_parameter_msg()])).results[0].successful
        time.sleep(pause_s)
        return len(status) >= first + frames
    wait_for(enough, f'{frames} frames', PATIENCE_S + 10 * frames)
    rows = [values(message.status[0]) for message in status[first:]]
    return Pressure([float(row['total_ms']) for row in rows],
                    [float(row['age_ms']) for row in rows],
                    [1e3 * wait for wait in getter.waits_s + setter.waits_s])
