# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What several cameras get from one model: `python benchmarks/cameras.py`.

Real processes on a real DDS: one for each camera, the node `detector`, and this one, which sets
its parameters and hears the frame status of each camera. Cameras together always offer the same
number of images a second, more than the node can process.

    two depths   one camera at full and one at base, in turns with one camera alone at full and
                 alone at base. The throughput ratio is the images a second of both, over those of
                 one camera whose images cost the mean of what these cost.
    shares       two and four cameras at base, with equal and with unequal priorities

Exits with 1 if the throughput ratio is below 0.95, a status shows another depth than its camera
was given, or a camera waits longer for a turn than three times what its priority entitles it to.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
import json
import multiprocessing
import os
from pathlib import Path
import platform
import tempfile
import threading
import time
from typing import Any

from command import camera_size, end
import numpy as np

from anydepth_core.commands.arguments import at_least
from anydepth_core.errors import AnyDepthError
from anydepth_ros.child import Child, ros_arguments
from anydepth_ros.isolation import isolated

CAMERAS = ('one', 'two', 'three', 'four')
ALLOWED, PATIENCE_S, SETTLE_S, STARVED = 0.95, 120.0, 1.0, 3.0
END = -1.0


@dataclass(frozen=True)
class Frame:
    """What the status of one image says, and when it was heard."""

    heard_s: float
    depth: str
    total_ms: float
    wait_ms: float
    age_ms: float
    processed: int


@dataclass(frozen=True)
class Row:
    """What one camera got in one measurement."""

    depth: str
    priority: int
    fps: float
    cost_ms: float
    age_p50_ms: float
    age_p95_ms: float
    gap_max_ms: float
    right_depth: bool

    @classmethod
    def of(cls, depth: str, priority: int, frames: Sequence[Frame]) -> Row:
        """Return it; AnyDepthError if hardly an image was processed."""
        if len(frames) < 3:
            raise AnyDepthError(f'only {len(frames)} images came at depth {depth}; raise '
                                '--seconds')
        heard = np.array([each.heard_s for each in frames])
        ages = np.array([each.age_ms for each in frames])
        count = frames[-1].processed - frames[0].processed
        return cls(depth, priority, count / (heard[-1] - heard[0]),
                   float(np.mean([each.total_ms for each in frames])), *(
                       float(value) for value in np.percentile(ages, (50, 95))),
                   1e3 * float(np.diff(heard).max()),
                   all(each.depth == depth for each in frames))


def main() -> int:
    """Measure and print; see above for the exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--weights', default='scenes')
    parser.add_argument('--backend', default='auto')
    parser.add_argument('--size', type=camera_size, default='640x480', metavar='WxH')
    parser.add_argument('--offered-hz', type=float, default=180.0, help='of all cameras together')
    parser.add_argument('--seconds', type=float, default=5.0, help='of each measurement')
    parser.add_argument('--rounds', type=at_least(1), default=4)
    parser.add_argument('--threads', type=int, default=1, help='of the network')
    parser.add_argument('--json', type=Path, metavar='FILE')
    args = parser.parse_args()
    from anydepth_core.runtime.measure import hardware_name

    facts = {'machine': hardware_name('cpu'), 'python': platform.python_version(),
             'threads': args.threads, 'load': os.getloadavg()[0],
             'date': time.strftime('%Y-%m-%d')}
    print(', '.join(f'{name} {value}' for name, value in facts.items()))
    with running(args) as bench:
        ratios, rows = two_depths(bench, args.rounds, args.seconds)
        groups = shares(bench, args.seconds)
    rows += [row for group in groups for row in group]
    ratio = float(np.median(ratios))
    print(f'throughput ratio {ratio:.3f} (each round: '
          f'{" ".join(f"{value:.3f}" for value in ratios)}; allowed: {ALLOWED})')
    if args.json:
        args.json.write_text(json.dumps({
            **facts, 'ratios': ratios, 'rows': [vars(row) for row in rows]}, indent=1) + '\n')
    return int(ratio < ALLOWED or not all(row.right_depth for row in rows)
               or any(map(starved, groups)))


class Bench:
    """A running node with cameras before it."""

    def __init__(self, heard: Heard, rates: Mapping[str, Any], offered_hz: float,
                 detector: Child) -> None:
        self._heard, self._rates, self._offered_hz = heard, rates, offered_hz
        self._detector = detector

    def measure(self, depths: Mapping[str, str], seconds: float,
                priorities: Mapping[str, int] | None = None) -> dict[str, Row]:
        """Let some cameras send, and return what each got."""
        ranks = {name: (priorities or {}).get(name, 1) for name in depths}
        self._send(())
        for name, depth in depths.items():
            self._heard.set(f'{name}.depth', depth)
            self._heard.set(f'{name}.priority', ranks[name])
        self._send(depths)
        time.sleep(SETTLE_S)
        self._heard.clear()
        time.sleep(seconds)
        frames = {name: self._heard.frames(name) for name in depths}
        self._detector.require_alive()
        return {name: Row.of(depth, ranks[name], frames[name]) for name, depth in depths.items()}

    def _send(self, names: Mapping[str, str] | Sequence[str]) -> None:
        for name, rate in self._rates.items():
            rate.value = self._offered_hz / len(names) if name in names else 0.0


def two_depths(bench: Bench, rounds: int, seconds: float) -> tuple[list[float], list[Row]]:
    """Return the throughput ratio of each round, and what the cameras got."""
    ratios: list[float] = []
    found: dict[str, list[Row]] = {}
    for _ in range(rounds):
        alone = {depth: bench.measure({'one': depth}, seconds)['one']
                 for depth in ('full', 'base')}
        both = bench.measure({'one': 'full', 'two': 'base'}, seconds)
        needed_s = sum(row.fps / alone[row.depth].fps for row in both.values())
        ratios.append(needed_s)  # seconds that these images would take alone, in one second
        for name, row in ((f'{depth} alone', row) for depth, row in alone.items()):
            found.setdefault(name, []).append(row)
        for row in both.values():
            found.setdefault(f'{row.depth} of two', []).append(row)
    rows = {name: middle(column) for name, column in found.items()}
    print_rows(rows)
    return ratios, list(rows.values())


def shares(bench: Bench, seconds: float) -> list[list[Row]]:
    """Return what two and four cameras with equal and unequal priorities got."""
    groups = []
    for priorities in ((1, 1), (3, 1), (1, 1, 1, 1), (4, 2, 1, 1)):
        ranks = dict(zip(CAMERAS, priorities))
        found = bench.measure(dict.fromkeys(ranks, 'base'), seconds, ranks)
        print_rows({f'{name}, priority {row.priority} of {sum(priorities)}': row
                    for name, row in found.items()})
        groups.append(list(found.values()))
    return groups


def starved(rows: Sequence[Row]) -> bool:
    """Return whether a camera of a group got no turn for three times as long as it should.

    It should get, of all images a second, the share that its priority has of all priorities.
    """
    of_one = sum(row.fps for row in rows) / sum(row.priority for row in rows)
    return any(row.gap_max_ms > STARVED * max(1e3 / (row.priority * of_one), 2 * row.cost_ms)
               for row in rows)


def middle(rows: Sequence[Row]) -> Row:
    """Return the medians of the numbers of some rows of the same depth."""
    numbers = {name: float(np.median([getattr(row, name) for row in rows]))
               for name in ('fps', 'cost_ms', 'age_p50_ms', 'age_p95_ms')}
    return Row(depth=rows[0].depth, priority=rows[0].priority, **numbers,
               gap_max_ms=max(row.gap_max_ms for row in rows),
               right_depth=all(row.right_depth for row in rows))


def print_rows(rows: Mapping[str, Row]) -> None:
    """Print a line for each."""
    print(f'{"":24}{"images/s":>10}{"cost ms":>10}{"age p50":>10}{"p95 ms":>10}'
          f'{"longest gap":>13}')
    for name, row in rows.items():
        print(f'{name:24}{row.fps:10.2f}{row.cost_ms:10.2f}{row.age_p50_ms:10.1f}'
              f'{row.age_p95_ms:10.1f}{row.gap_max_ms:13.1f}'
              + ('' if row.right_depth else '  wrong depth in a status'))


class Heard:
    """Hears the frame status of each camera, and sets parameters of the node."""

    def __init__(self, domain: int) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.parameter_client import AsyncParameterClient

        self._kept: dict[str, list[tuple[float, bytes]]] = {name: [] for name in CAMERAS}
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node('bench', context=self._context)
        self._client = AsyncParameterClient(self._node, '/detector')
        for name, kept in self._kept.items():
            # As bytes: this process must not take time from those it measures.
            self._node.create_subscription(
                DiagnosticArray, f'/detector/{name}/frame_status',
                lambda data, kept=kept: kept.append((time.monotonic(), data)), 10, raw=True)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._closed = False
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def close(self) -> None:
        """End the thread and the node."""
        self._closed = True
        self._thread.join()
        self._node.destroy_node()
        self._context.shutdown()

    def set(self, name: str, value: str | float) -> None:
        """Set a parameter; AnyDepthError if it is refused."""
        from rclpy.parameter import Parameter

        answered = threading.Event()
        future = self._client.set_parameters([Parameter(name, value=value)])
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(PATIENCE_S):
            raise AnyDepthError(f'the detector did not answer to {name} {value}')
        if not (result := future.result().results[0]).successful:
            raise AnyDepthError(f'the detector refused {name} {value}: {result.reason}')

    def clear(self) -> None:
        """Forget what was heard."""
        for kept in self._kept.values():
            kept.clear()

    def frames(self, camera: str) -> list[Frame]:
        """Return what was heard of one camera since."""
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.serialization import deserialize_message

        found = []
        for heard_s, data in list(self._kept[camera]):
            pairs = deserialize_message(data, DiagnosticArray).status[0].values
            says = {pair.key: pair.value for pair in pairs}
            found.append(Frame(heard_s, says['depth'], float(says['total_ms']),
                               float(says['wait_ms']), float(says['age_ms']),
                               int(says['processed'])))
        return found

    def _spin(self) -> None:
        while not self._closed:
            self._executor.spin_once(timeout_sec=0.2)


@contextmanager
def running(args: argparse.Namespace) -> Iterator[Bench]:
    """Start the processes, and yield when images of every camera are processed."""
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory()))
        environment = undo.enter_context(isolated(os.environ))
        os.environ.update(environment)  # before ROS is loaded into this process
        detector = Child('detector', 'anydepth_ros.detector_node', ros_arguments(
            weights=args.weights, backend=args.backend) + [
                '-p', f'cameras:=[{",".join(CAMERAS)}]'],
            {**environment, 'OMP_NUM_THREADS': str(args.threads)}, folder / 'detector.txt')
        undo.callback(detector.stop)
        spawning = multiprocessing.get_context('spawn')
        rates = {name: spawning.Value('d', 1.0) for name in CAMERAS}
        for number, (name, rate) in enumerate(rates.items()):
            process = spawning.Process(target=send, args=(name, number, args.size, rate),
                                       daemon=True)
            process.start()
            undo.callback(process.join)
            undo.callback(setattr, rate, 'value', END)
        heard = Heard(int(environment['ROS_DOMAIN_ID']))
        undo.callback(heard.close)
        deadline = time.monotonic() + PATIENCE_S
        while not all(heard.frames(name) for name in CAMERAS):
            detector.require_alive()
            if time.monotonic() > deadline:
                raise AnyDepthError(f'no images came; {detector.last_lines()}')
            time.sleep(0.2)
        yield Bench(heard, rates, args.offered_hz, detector)


def send(name: str, number: int, size: str, rate: Any) -> None:
    """Be a camera that sends at a rate that others set, until that is `END`."""
    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    from anydepth_ros.conversions import to_image
    from anydepth_ros.image_sources import open_source
    from anydepth_ros.parameters import parse_size

    pictures = open_source(f'scenes:{number}', parse_size(size))
    messages = [to_image(next(pictures), 'rgb8', Header(frame_id=name)) for _ in range(4)]
    rclpy.init()
    node = rclpy.create_node(f'camera_{name}')
    publisher = node.create_publisher(Image, f'/{name}/image', qos_profile_sensor_data)
    due, sent = time.monotonic(), 0
    while (hertz := rate.value) != END:
        now = time.monotonic()
        due = max(due, now - 0.1)  # what a pause left out is not made up for
        if not hertz or now < due:
            time.sleep(min(0.02, max(0.0005, due - now)) if hertz else 0.02)
            continue
        message = messages[sent % len(messages)]
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        due, sent = due + 1 / hertz, sent + 1
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    end(main)
