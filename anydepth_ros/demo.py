# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""See it at work: `make demo`, or `python -m anydepth_ros.demo`.

Starts the detector and the demo camera as two processes, lets full, base and a depth between run
in turn by setting the parameter `depth`, shows the latency as it goes, and leaves annotated
pictures and a chart. Ends by itself. Exit codes: 0 when every depth ran and found something, 1
when not, 2 for what the user can mend, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
import os
from pathlib import Path
import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING

from anydepth_core.errors import AnyDepthError
from anydepth_ros.child import Child, ChildError, ros_arguments
from anydepth_ros.demo_record import Record, canonical
from anydepth_ros.demo_report import write_chart, write_pictures
from anydepth_ros.demo_screen import Screen
from anydepth_ros.isolation import isolated

if TYPE_CHECKING:
    from anydepth_ros.demo_listener import Listener

DEPTHS = ('full', 'base', 'full-neck')
START_TIMEOUT_S = 120.0
SWITCH_TIMEOUT_S = 10.0
PICTURE_TIMEOUT_S = 10.0
# Drawing takes the camera's time only at first; the latencies shall not contain it.
SETTLE_S = 5.0
REDRAW_S = 0.25
INTERRUPTED = 130


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line, with the environment's SOURCE as default of --source."""
    parser = argparse.ArgumentParser(prog='python -m anydepth_ros.demo', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--source', default=os.environ.get('SOURCE') or 'scenes',
                        help="'scenes' (built in), a folder of images, a video file, or the "
                             'number or device of a camera (default: SOURCE, or scenes)')
    parser.add_argument('--weights', default='scenes',
                        help='packaged name or path of a weights file (default: scenes)')
    parser.add_argument('--depths', nargs='+', default=list(DEPTHS), metavar='DEPTH',
                        help=f'depths to run in turn (default: {" ".join(DEPTHS)})')
    parser.add_argument('--seconds', type=float, default=8.0,
                        help='for each depth (default: 8)')
    parser.add_argument('--rate', type=float, default=30.0,
                        help='pictures per second of the camera (default: 30)')
    parser.add_argument('--output', type=Path, default=Path('demo_output'),
                        help='folder for the pictures and the chart (default: demo_output)')
    return parser.parse_args(argv)


def start(options: argparse.Namespace, environment: dict[str, str],
          undo: ExitStack) -> list[Child]:
    """Start the two processes; `undo` ends them.

    Raises:
        AnyDepthError: the output folder cannot be made.
    """
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnyDepthError(f'{options.output}: cannot be made ({error.strerror})') from error
    children = []
    for name, module, parameters in (
            ('detector', 'anydepth_ros.detector_node',
             {'weights': options.weights, 'depth': options.depths[0]}),
            ('camera', 'anydepth_ros.demo_camera',
             {'source': options.source, 'rate_hz': float(options.rate)})):
        child = Child(name, module, ros_arguments(**parameters), environment,
                      options.output / f'{name}.log')
        undo.callback(child.stop)
        children.append(child)
    return children


def wait_until(condition: Callable[[], bool], timeout_s: float, children: Sequence[Child],
               each_time: Callable[[], None]) -> bool:
    """Return whether `condition` came true in time.

    Raises:
        ChildError: a process ended meanwhile.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        for child in children:
            child.require_alive()
        if time.monotonic() > deadline:
            return False
        each_time()
        time.sleep(REDRAW_S / 5)
    return True


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Run the demo and return the exit code.

    Raises:
        AnyDepthError: what the user can mend, or a process that died.
    """
    depths = canonical(options.depths)
    record = Record(depths)
    with ExitStack() as undo:
        environment = undo.enter_context(isolated(os.environ))
        # A network spread over every core waits for the one that draws and shows.
        cores = len(os.sched_getaffinity(0))
        environment.setdefault('OMP_NUM_THREADS', str(max(1, cores - 1)))
        undo.callback(_ignore_interrupts)
        children = start(options, environment, undo)
        os.environ.update(environment)  # before ROS is loaded into this process
        from anydepth_ros.demo_listener import Listener
        listener = Listener(record)
        undo.callback(listener.close)
        begun = time.monotonic()
        if not wait_until(
                lambda: record.frames_seen > 0, START_TIMEOUT_S, children,
                lambda: screen.wait('starting detector and camera … '
                                    f'{time.monotonic() - begun:.0f} s')):
            raise ChildError(f'no detections within {START_TIMEOUT_S:g} s; the last lines of the '
                             f'detector:\n{children[0].last_lines()}')
        first = time.monotonic()
        screen.say(f'first detections after {first - begun:.1f} s')
        wait_until(lambda: time.monotonic() > first + SETTLE_S, 2 * SETTLE_S, children,
                   lambda: screen.wait('letting the camera draw all its pictures …'))
        for index in range(len(depths)):
            _run_phase(index, options, record, listener, children, screen)
    return _report(options, record, listener, screen)


def _run_phase(index: int, options: argparse.Namespace, record: Record, listener: Listener,
               children: Sequence[Child], screen: Screen) -> None:
    """Set one depth and watch it for a while."""
    phase = record.phases[index]

    def draw() -> None:
        screen.show(record.phases, record.summaries(), index)

    listener.set_parameter('depth', options.depths[index])
    record.begin(index, time.monotonic())
    if not wait_until(lambda: phase.switch_ms is not None, SWITCH_TIMEOUT_S, children, draw):
        return
    half = time.monotonic() + options.seconds / 2
    wait_until(lambda: time.monotonic() > half, options.seconds, children, draw)
    listener.want_picture(phase.depth)
    wait_until(lambda: time.monotonic() > half + options.seconds / 2, options.seconds, children,
               draw)
    if any(frame.detections for frame in phase.frames):
        wait_until(lambda: phase.depth in listener.pictures, PICTURE_TIMEOUT_S, children, draw)


def _report(options: argparse.Namespace, record: Record, listener: Listener,
            screen: Screen) -> int:
    """Write what the demo leaves behind, tell the result, and return the exit code."""
    summaries = record.summaries()
    screen.say('\n'.join(screen.table(record.phases, summaries)))
    faults = record.faults()
    if any(phase.frames for phase in record.phases):
        chart = options.output / 'latency.png'
        write_chart(chart, record.phases, summaries,
                    f'{options.source}: one set of weights, depth switched while running')
        pictures = write_pictures(options.output, listener.pictures, listener.class_names)
        names = ', '.join(str(path) for path in [*pictures, chart])
        screen.say(f'wrote {names}')
        missing = [p.depth for p in record.phases if p.depth not in listener.pictures]
        if missing and not faults:
            faults = [f'no picture with a detection at depth {depth}' for depth in missing]
    for fault in faults:
        print(f'demo: failed: {fault}', file=sys.stderr)
    if not faults:
        switches = [phase.switch_ms or 0.0 for phase in record.phases[1:]]
        if switches:
            screen.say('each switch of depth was seen in the results within '
                       f'{max(switches):.0f} ms of being accepted')
    return 1 if faults else 0


def _ignore_interrupts() -> None:
    """Let nothing disturb the ending of the processes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo from the command line; see the module for the exit codes."""
    options = parse_arguments(argv)
    screen = Screen(sys.stdout)
    signal.signal(signal.SIGTERM, _interrupt)
    screen.say(f'AnyDepth demo: one detector, source {options.source}, depths '
               f'{", ".join(options.depths)}; it ends by itself')
    try:
        return run(options, screen)
    except ChildError as error:
        print(f'demo: failed: {error}', file=sys.stderr)
        return 1
    except AnyDepthError as error:
        print(f'demo: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('demo: interrupted', file=sys.stderr)
        return INTERRUPTED


if __name__ == '__main__':
    sys.exit(main())
