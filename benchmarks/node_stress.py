# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Does the node live through anything? `python benchmarks/node_stress.py [PART …]`.

The node `detector` in a process of its own on a real DDS, and this process, which does to it what
test/ros/test_robustness.py does in short:

    life       random transitions, parameter sets and service calls at once, while images arrive;
               what the node occupies before and after
    signals    SIGTERM in every state and transition and during a measurement, at random delays
    pressure   a camera of 1280x720 at 30 Hz before a network ten times slower: how old images are
               when they are processed, and how soon parameters answer meanwhile
    weights    other weights again and again before a camera of 20 Hz, with each backend: how long
               no image is processed, and what the process holds after each change
    malformed  images, compressed images and raw bytes that nobody should send

Prints what was found and exits with 1 if a part is worse than it may be.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import platform
import random
import signal
import sys
import tempfile
import time
from typing import Any

from command import end
import numpy as np

from anydepth_core.commands.arguments import at_least
from anydepth_ros.isolation import isolated

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'ros'))

SLOW_MODEL, SLOW_SIDE = 'anydepth-yolo-s', 896
RATE_HZ = 30.0
OTHER_MODEL, OTHER_SIDE, OTHER_RATE_HZ = 'anydepth-yolo-n', 640, 20.0
# What is allowed: seconds of an answer or an end, milliseconds of a parameter's answer, threads
# and files more than before (DDS keeps some), megabytes more, share of the answers in time.
HANG_S, ANSWER_MS, MORE_HANDLES, MORE_MB, SHARE = 5.0, 50.0, 3, 50.0, 0.99
Found = dict[str, Any]


@dataclass
class Bench:
    """A corner of the machine for one part."""

    args: argparse.Namespace
    folder: Path
    environment: dict[str, str]
    peer: Any
    stack: ExitStack
    started: int = 0

    def start(self, module: str = 'detector_node', *words: str, **parameters: object) -> Any:
        """Start an executable, which ends with the part at the latest."""
        from harness import Process

        self.started += 1
        given = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
        process = Process(f'anydepth_ros.{module}', self.environment,
                          self.folder / f'{self.started}.txt', '--ros-args', *words, *given)
        self.stack.callback(process.kill)
        return process


@contextmanager
def bench(args: argparse.Namespace) -> Iterator[Bench]:
    """Yield a corner in which nothing runs yet."""
    from harness import Peer

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = stack.enter_context(isolated(os.environ))
        # Fast DDS reads it once in the life of this process; the domain is given to each node.
        os.environ.update({name: environment[name] for name in environment
                           if name != 'ROS_DOMAIN_ID'})
        peer = Peer(int(environment['ROS_DOMAIN_ID']))
        stack.callback(peer.close)
        yield Bench(args, folder, environment, peer, stack)


def life(bench: Bench) -> tuple[Found, bool]:
    """Let chance lead the node; return what was found, and whether it may be so."""
    from harness import wait_for
    from stress import Footprint, Ordeal, images_arriving, put_back

    process = bench.start(weights=bench.args.tiny, autostart='false', backend=bench.args.backend)
    process.wait_text('unconfigured; waiting')
    ordeal = Ordeal(bench.peer, '/detector', bench.args.seed)

    def footprint() -> Footprint:
        put_back(bench.peer, '/detector')
        wait_for(lambda: Footprint.of(bench.peer, process, '/detector').publishers >= 10, 'topics')
        return Footprint.of(bench.peer, process, '/detector')
    with images_arriving(bench.peer, '/image'):
        ordeal.run(bench.args.transitions // 4, bench.args.sets // 4)  # what is made but once
        before, began = footprint(), time.monotonic()
        ordeal.run(bench.args.transitions, bench.args.sets)
        seconds, after = time.monotonic() - began, footprint()
    code = process.stop(signal.SIGTERM)
    more = {name: asdict(after)[name] - value for name, value in asdict(before).items()}
    found = {
        'transitions': len(ordeal.transitions), 'transitions made': sum(ordeal.transitions),
        'parameter sets': len(ordeal.sets), 'parameter sets taken': sum(ordeal.sets),
        'seconds': seconds,
        **{f'longest {name} ms': 1e3 * wait for name, wait in ordeal.longest_s.items()},
        'before': asdict(before), 'after': asdict(after), 'exit code': code,
        'tracebacks': process.text.count('Traceback')}
    return found, (code == 0 and 'Traceback' not in process.text
                   and not any(more[name] for name in ('publishers', 'subscriptions', 'services'))
                   and max(more['threads'], more['files']) <= MORE_HANDLES
                   and more['memory_mb'] <= MORE_MB and max(ordeal.longest_s.values()) <= HANG_S)


def signals(bench: Bench) -> tuple[Found, bool]:
    """End the node at every moment; return the longest it took in seconds, and whether it may."""
    from stress import MOMENTS, end_at

    rng, longest = random.Random(bench.args.seed), dict.fromkeys(MOMENTS, 0.0)
    for moment in MOMENTS:
        for _ in range(bench.args.repeats):
            delay = rng.uniform(0, {'configuring': 1.5, 'measuring': 3.0}.get(moment, 0.01))
            # Each by another name: one that ends in the middle of loading does not take its leave.
            namespace = f'/end_{bench.started}'
            process = bench.start('detector_node', '-r', f'__ns:={namespace}',
                                  weights=bench.args.tiny, autostart='false')
            longest[moment] = max(longest[moment], end_at(
                moment, process, bench.peer, delay, f'{namespace}/detector'))
    return ({'ends each': bench.args.repeats, 'longest s': longest},
            max(longest.values()) <= HANG_S)


def pressure(bench: Bench) -> tuple[Found, bool]:
    """Send more than can be processed; return ages and answers, and whether they may be."""
    from diagnostic_msgs.msg import DiagnosticArray
    from harness import values, wait_for
    from stress import under_pressure

    bench.start(weights=bench.args.slow)
    bench.peer.wait_active()
    bench.start('demo_camera', size='1280x720', rate_hz=RATE_HZ)
    status = bench.peer.listen(DiagnosticArray, '/detector/frame_status')
    wait_for(lambda: len(status) > 3, 'frames')
    first, began = values(status[-1].status[0]), time.monotonic()
    pressed = under_pressure(bench.peer, status, bench.args.frames)
    seconds, last = time.monotonic() - began, values(status[-1].status[0])
    period_ms = 1e3 / RATE_HZ
    over = [age - total - period_ms for age, total in zip(pressed.age_ms, pressed.total_ms)]
    young = [age <= total + period_ms for age, total in zip(pressed.at_start_ms, pressed.total_ms)]
    answers = pressed.answers_ms

    def rate(name: str) -> float:
        return (int(last[name]) - int(first[name])) / seconds
    found = {
        'images received a second': rate('received'), 'processed a second': rate('processed'),
        'lost in transport': int(last['lost_in_transport']) - int(first['lost_in_transport']),
        'frames': len(pressed.total_ms),
        'inference ms': quantiles(pressed.total_ms), 'age at its start ms':
        quantiles(pressed.at_start_ms), 'age when published ms': quantiles(pressed.age_ms),
        'of that beyond inference and one period': quantiles(over),
        'share younger at its start than both': float(np.mean(young)), 'calls': len(answers),
        'answer ms': quantiles(answers),
        'share within 50 ms': float(np.mean(np.array(answers) <= ANSWER_MS))}
    return found, (found['share younger at its start than both'] == 1
                   and found['share within 50 ms'] >= SHARE)


def weights(bench: Bench) -> tuple[Found, bool]:
    """Change the weights again and again; return what is found, and whether it may be so."""
    from anydepth_core.runtime.backends import installed

    found = {backend: changes(bench, backend) for backend in installed()}
    return found, all(max(each['MiB'][half:]) <= max(each['MiB'][:half]) + MORE_MB
                      and max(each['threads'][half:]) <= max(each['threads'][:half]) + MORE_HANDLES
                      and each['longest gap between images s'] <= HANG_S
                      for each in found.values() for half in [len(each['MiB']) // 2])


def changes(bench: Bench, backend: str) -> Found:
    """Change the weights of a node with one backend, two models in turn."""
    from diagnostic_msgs.msg import DiagnosticArray
    from harness import values, wait_for
    from stress import threads_and_memory

    from anydepth_core.models.weights import file_hash, resolve_weights

    space, files = f'/{backend}', ('scenes', str(bench.args.other))
    node = f'{space}/detector'
    process = bench.start('detector_node', '-r', f'__ns:={space}', backend=backend)
    bench.peer.wait_active(node)
    camera = bench.start('demo_camera', '-r', f'image:={space}/image', '-r',
                         f'__node:={backend}_camera', rate_hz=OTHER_RATE_HZ)
    status = bench.peer.listen(DiagnosticArray, f'{node}/frame_status')
    taken, seconds = [], []
    for index in range(1, bench.args.changes + 1):
        name = files[index % 2]
        digits, began = file_hash(resolve_weights(name))[:12], time.monotonic()
        assert bench.peer.set('weights', name, node).successful
        wait_for(lambda digits=digits: status and values(
            status[-1].status[0])['weights'] == digits, f'frame of {name}')
        seconds.append(time.monotonic() - began)
        time.sleep(0.5)  # what was freed between two frames is given back after them
        taken.append(threads_and_memory(process))
    stamps = [each.header.stamp.sec + each.header.stamp.nanosec / 1e9 for each in status]
    camera.stop(signal.SIGTERM)
    assert process.stop(signal.SIGTERM) == 0
    return {'changes': len(taken), 'longest change s': max(seconds),
            'longest gap between images s': max(np.diff(stamps).tolist()),
            'threads': [threads for threads, _ in taken], 'MiB': [mib for _, mib in taken]}


def malformed(bench: Bench) -> tuple[Found, bool]:
    """Show the node what no sane program sends; return its account, and whether it adds up."""
    from harness import Camera, wait_for
    from malformed import (
        account,
        ask_nonsense,
        compressed_images,
        images,
        serialised,
        show_each,
        told,
    )
    from sensor_msgs.msg import CompressedImage
    from stress import Footprint

    process = bench.start(weights=bench.args.tiny, score_threshold=0)
    jpeg = bench.start('detector_node', '-r', '__ns:=/jpeg', weights=bench.args.tiny,
                       image_transport='compressed')
    for node in ('/detector', '/jpeg/detector'):
        bench.peer.wait_active(node)
    camera = Camera(bench.peer)
    warm = account(camera, bench.args.messages // 10, images())
    before = Footprint.of(bench.peer, process, '/detector')
    counts = account(camera, bench.args.messages, images())
    damaged = show_each(serialised(), bench.args.messages // 2, camera.publish)
    camera.show(camera.image(48, 64))
    publisher = bench.peer.node.create_publisher(CompressedImage, '/jpeg/image/compressed', 10)
    wait_for(publisher.get_subscription_count, 'subscriber')
    pictures = show_each(compressed_images(), bench.args.messages // 2, publisher.publish)
    asked = ask_nonsense(bench.peer)
    camera.show(camera.image(48, 64))
    after = Footprint.of(bench.peer, process, '/detector')
    kinds = told(process.text), told(jpeg.text)
    codes = process.stop(signal.SIGTERM), jpeg.stop(signal.SIGTERM)
    found = {'images': dict(counts), 'kinds told': [len(each) for each in kinds],
             'kinds told twice': sum(len(each) - len(set(each)) for each in kinds),
             'damaged bytes': damaged, 'compressed': pictures, 'requests': asked,
             'warm-up': warm['sent'], 'before': asdict(before), 'after': asdict(after),
             'exit codes': codes}
    settled = sum(counts[name] for name in ('processed', 'dropped', 'refused', 'failed'))
    return found, (settled == counts['received'] and codes == (0, 0)
                   and counts['received'] + counts['lost_in_transport'] == counts['sent']
                   and not found['kinds told twice']
                   and after.memory_mb - before.memory_mb <= MORE_MB)


PARTS: dict[str, Callable[[Bench], tuple[Found, bool]]] = {
    'life': life, 'signals': signals, 'pressure': pressure, 'weights': weights,
    'malformed': malformed}


def quantiles(numbers: list[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the greatest."""
    return {'p50': float(np.median(numbers)), 'p99': float(np.percentile(numbers, 99)),
            'max': max(numbers)}


def shown(value: Any) -> str:
    """Return a value for a line of the table."""
    if isinstance(value, dict):
        return '  '.join(f'{name} {shown(each)}' for name, each in value.items())
    return f'{value:.2f}' if isinstance(value, float) else str(value)


def main() -> int:
    """Run the parts and print; see above for the exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'of {", ".join(PARTS)}')
    parser.add_argument('--transitions', type=int, default=200)
    parser.add_argument('--sets', type=int, default=2000)
    parser.add_argument('--repeats', type=int, default=3, help='ends at each moment')
    parser.add_argument('--backend', default='torch', help='in the life; OpenVINO keeps idle '
                        'threads for as many networks as ever were loaded at one time')
    parser.add_argument('--frames', type=at_least(1), default=150, help='processed under pressure')
    parser.add_argument('--messages', type=int, default=4000, help='malformed images')
    parser.add_argument('--changes', type=at_least(1), default=20, help='of the weights')
    parser.add_argument('--slow-model', default=SLOW_MODEL)
    parser.add_argument('--slow-side', type=int, default=SLOW_SIDE, help='of its input, pixels')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--json', type=Path, metavar='FILE')
    args = parser.parse_args()
    if wrong := set(args.parts) - set(PARTS):
        parser.error(f'no part {", ".join(sorted(wrong))}; there are {", ".join(PARTS)}')
    from harness import untrained

    from anydepth_core.runtime.measure import hardware_name

    facts = {'machine': hardware_name('cpu'), 'system': platform.platform(),
             'python': platform.python_version(), 'load': os.getloadavg()[0],
             'date': time.strftime('%Y-%m-%d')}
    print(', '.join(f'{name} {value}' for name, value in facts.items()))
    results: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as folder:
        args.tiny = untrained(Path(folder, 'tiny.safetensors'))
        args.slow = untrained(Path(folder, 'slow.safetensors'), args.slow_model, args.slow_side)
        args.other = untrained(Path(folder, 'other.safetensors'), OTHER_MODEL, OTHER_SIDE)
        for name in args.parts or PARTS:
            with bench(args) as corner:
                found, good = PARTS[name](corner)
            results[name] = {**found, 'good': good}
            print(f'\n{name}: {"good" if good else "NOT as it should be"}')
            for key, value in found.items():
                print(f'  {key:40}{shown(value)}', flush=True)
    if args.json:
        args.json.write_text(json.dumps({**facts, **results}, indent=1) + '\n')
    return int(not all(found['good'] for found in results.values()))


if __name__ == '__main__':
    end(main)
