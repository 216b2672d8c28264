# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the node costs beside the network: `python benchmarks/node_overhead.py`.

Two processes on a real DDS: the node `detector` as users start it, and this one, which publishes
images that are there before, because a camera that draws them would take a core from the node just
while it is measured, and listens to its detections. For each size of image it prints, as p50 and
p95, how long each phase takes from the image's reception by the middleware to the return of the
publisher, and their sum without the network:

    take        the thread wakes and has the bytes of the message as a Python object
    wait        what they say is read; in the slot, until the inference thread takes the image
    convert     message to array
    preprocess  array to network input (resize, letterbox)
    decode      network output to boxes
    around      settings, choice of depth, calls
    publish     boxes to message, message to DDS

The rate is low, so that no image waits for the one before.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
import itertools
import json
import os
from pathlib import Path
import platform
import sys
import tempfile
import threading
import time
from typing import Any, TextIO

from command import camera_size, end
import numpy as np

from anydepth_core.commands.arguments import at_least
from anydepth_ros.child import Child, ros_arguments
from anydepth_ros.executable import run as run_executable
from anydepth_ros.isolation import isolated

PHASES = ('take', 'wait', 'convert', 'preprocess', 'decode', 'around', 'publish')
ALLOWED_MS = {'640x480': 3.0, '1280x720': 6.0}
WARM_UP = 20
PICTURES = 20
PATIENCE_S = 120.0
FILE_VARIABLE = 'ANYDEPTH_OVERHEAD_FILE'


def main() -> int:
    """Measure and print; 1 if the median is above what is allowed for the size."""
    if FILE_VARIABLE in os.environ:
        run_detector(Path(os.environ[FILE_VARIABLE]))
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sizes', type=camera_size, nargs='+', default=list(ALLOWED_MS),
                        metavar='WxH')
    parser.add_argument('--frames', type=at_least(1), default=150, help='of each size')
    parser.add_argument('--rate-hz', type=float, default=10.0)
    parser.add_argument('--weights', default='scenes')
    parser.add_argument('--depth', default='base')
    parser.add_argument('--json', type=Path, metavar='FILE')
    args = parser.parse_args()
    from anydepth_core.runtime.measure import hardware_name

    facts = {'machine': hardware_name('cpu'), 'system': platform.platform(),
             'python': platform.python_version(), 'load': os.getloadavg()[0],
             'date': time.strftime('%Y-%m-%d')}
    print(', '.join(f'{name} {value}' for name, value in facts.items()))
    frames = {size: measure(size, args) for size in args.sizes}
    print_table(frames)
    if args.json:
        args.json.write_text(json.dumps({**facts, 'frames': frames}, indent=1) + '\n')
    late = [size for size, rows in frames.items()
            if np.median([row['overhead'] for row in rows]) > ALLOWED_MS.get(size, np.inf)]
    for size in late:
        print(f'{size}: more than the {ALLOWED_MS[size]:g} ms allowed', file=sys.stderr)
    return int(bool(late))


def measure(size: str, args: argparse.Namespace) -> list[dict[str, float]]:
    """Return the milliseconds of each phase of each image of one size."""
    with tempfile.TemporaryDirectory() as folder, isolated(os.environ) as environment:
        file = Path(folder, 'frames.jsonl')
        file.touch()
        detector = Child('detector', 'node_overhead', ros_arguments(
            weights=args.weights, depth=args.depth), {
                **environment, FILE_VARIABLE: str(file),
                'PYTHONPATH': f'{Path(__file__).parent}:{os.environ.get("PYTHONPATH", "")}'},
            Path(folder, 'detector.txt'))
        # Fast DDS reads it once in the life of this process; the domain is given to the node.
        os.environ.update({name: value for name, value in environment.items()
                           if name != 'ROS_DOMAIN_ID'})
        try:
            with camera(int(environment['ROS_DOMAIN_ID']), size, args.rate_hz) as received:
                deadline = time.monotonic() + PATIENCE_S + args.frames / args.rate_hz
                while len(lines := file.read_text().splitlines()) < WARM_UP + args.frames:
                    detector.require_alive()
                    if time.monotonic() > deadline:
                        sys.exit(f'only {len(lines)} images came; {detector.last_lines()}')
                    time.sleep(0.5)
                assert len(received) > args.frames / 2, 'the detections were not heard'
        finally:
            detector.stop()
    return [json.loads(line) for line in lines[WARM_UP:]]


@contextmanager
def camera(domain: int, size: str, rate_hz: float) -> Iterator[list[Any]]:
    """Publish images, and yield a list that grows with each array of detections."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header
    from vision_msgs.msg import Detection2DArray

    from anydepth_core.data.scenes import SceneVideo
    from anydepth_ros.conversions import to_image
    from anydepth_ros.outputs import made_apart

    width, height = map(int, size.split('x'))
    film = SceneVideo(0, (height, width), frames_per_scene=1)
    images = itertools.cycle([to_image(film.frame(index).image, 'rgb8', Header(frame_id='camera'))
                              for index in range(PICTURES)])
    context, closed = rclpy.Context(), threading.Event()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node('camera', context=context)
    publisher = node.create_publisher(Image, 'image', qos_profile_sensor_data)

    def publish() -> None:
        image = next(images)
        image.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(image)
    node.create_timer(1 / rate_hz, publish)
    received: list[Any] = []
    made_apart(lambda: node.create_subscription(Detection2DArray, '/detector/detections',
                                                received.append, 10))
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin() -> None:
        while not closed.is_set():
            executor.spin_once(timeout_sec=0.2)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield received
    finally:
        closed.set()
        thread.join()
        node.destroy_node()
        context.shutdown()


def print_table(frames: dict[str, list[dict[str, float]]]) -> None:
    """Print a row per phase, p50 and p95 of each size."""
    print(f'{"ms":22}' + ''.join(f'{size:>18}' for size in frames))
    print(f'{"":22}' + f'{"p50":>11}{"p95":>7}' * len(frames))
    for phase in (*PHASES, 'overhead', 'network'):
        name = 'all but the network' if phase == 'overhead' else phase
        columns = (np.percentile([row[phase] for row in rows], (50, 95))
                   for rows in frames.values())
        print(f'{name:22}' + ''.join(f'{p50:11.2f}{p95:7.2f}' for p50, p95 in columns))


def run_detector(file: Path) -> None:
    """Be the node, and write a line for each image."""
    instrument(file.open('a', buffering=1))
    run_executable('detector', 'anydepth_ros.detector_lifecycle')


def instrument(file: TextIO) -> None:
    """Note the time at the borders of the phases; the work itself stays as it is."""
    from anydepth_core.runtime.detector import Detector
    from anydepth_ros import camera
    from anydepth_ros.image_input import ImageInput
    from anydepth_ros.outputs import Outputs

    arrivals: dict[int, tuple[int, int]] = {}
    marks: dict[str, Any] = {}

    def on_image(original: Callable[..., Any], self: ImageInput, message: Any, info: Any) -> None:
        called = time.time_ns()
        original(self, message, info)
        arrivals[self._stamp_ns] = info['received_timestamp'], called

    def noted(name: str, original: Callable[..., Any], *words: Any, **settings: Any) -> Any:
        begin = time.time_ns()
        found = original(*words, **settings)
        marks[name] = begin, time.time_ns(), found
        return found

    def publish(original: Callable[..., Any], self: Outputs, detections: Any, header: Any,
                class_names: Any) -> None:
        original(self, detections, header, class_names)
        end = time.time_ns()
        stamp = 1_000_000_000 * header.stamp.sec + header.stamp.nanosec
        file.write(json.dumps(phases(*arrivals[stamp], marks, end)) + '\n')
        for old in [each for each in list(arrivals) if each <= stamp]:  # also of dropped images
            del arrivals[old]

    for owner, name, wrapper in (
            (ImageInput, 'on_image', on_image),
            (camera, 'to_array', partial(noted, 'convert')),
            (Detector, 'detect_batch', partial(noted, 'detect')),
            (Outputs, 'publish_detections', publish)):
        original = getattr(owner, name)
        setattr(owner, name, bound(wrapper, original))


def bound(wrapper: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function, which becomes a method where it is put into a class."""
    @wraps(original)
    def call(*words: Any, **settings: Any) -> Any:
        return wrapper(original, *words, **settings)
    return call


def phases(received: int, called: int, marks: dict[str, Any], published: int) -> dict[str, float]:
    """Return the milliseconds of each phase from times in nanoseconds."""
    began, converted, _ = marks['convert']
    detecting, detected, found = marks['detect']
    timing = found[0].timing
    inside = 1e-6 * (detected - detecting) - timing.total_ms
    return {
        'take': 1e-6 * (called - received), 'wait': 1e-6 * (began - called),
        'convert': 1e-6 * (converted - began), 'preprocess': timing.preprocess_ms,
        'decode': timing.decode_ms, 'around': 1e-6 * (detecting - converted) + inside,
        'publish': 1e-6 * (published - detected), 'network': timing.network_ms,
        'overhead': 1e-6 * (published - received) - timing.network_ms}


if __name__ == '__main__':
    end(main)
