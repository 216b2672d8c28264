# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How well a running node keeps a budget: `python benchmarks/live_budget.py [--plot FILE.png]`.

Two processes on a real DDS: the node `detector`, which measures its profile at start, and this
one, which publishes pictures that are there before, sets budgets and hears what each frame cost:

    steps, sawtooth  `target_fps` between what full and base allow in the node (the profile was
                     measured with nothing else running); the error is that of the mean cost of 30
                     frames, against the mean of the budgets in force for them. Beside it the
                     error against what was in reach: no policy makes base cheaper, or spends more
                     than full, where the machine itself is slower or quicker for a while. Base
                     and full are measured before and after; where either has changed by more than
                     a twentieth, the budgets were not between the two, and all is done again,
                     five times at most
    steady           `latency_budget_ms` halfway between the 95th percentiles that base and full
                     have in the node; how many frames take longer
    hog              processes that take cores away: one, or as many more as it takes until full
                     misses a latency budget beside them by a tenth or more which full keeps
                     without them, and base beside them, with a tenth to spare. They come until
                     they were felt three times. Seconds from each frame over the budget until
                     it is kept again, in 19 of 20 frames, or base runs, than which nothing is
                     cheaper; and from their end until a frame as deep as before comes. Each hog
                     is a session of its own, as a program that somebody else started is: Linux
                     shares cores among sessions

Exits with 1 if a mean error is above 3 % or the machine never stayed the same, if more than 5 % of
the frames are above the latency budget, or if a hog is not followed within 2 s.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
import json
import multiprocessing
import os
from pathlib import Path
import tempfile
import time
from typing import TYPE_CHECKING

from command import camera_size, end
from node_overhead import camera
import numpy as np
from numpy.typing import NDArray

from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.profile import Profile, read_profile
from anydepth_ros.child import Child, ros_arguments
from anydepth_ros.demo_record import Frame
from anydepth_ros.isolation import isolated

if TYPE_CHECKING:
    from anydepth_ros.demo_listener import Listener

WINDOW = 30
SETTLED = 10  # frames after which a new budget has to be kept
ERROR, VIOLATIONS, FOLLOWED_S = 0.03, 0.05, 2.0
KEPT = 20  # frames in succession of which all but one keep a budget
ROOM, MISSED = 0.9, 1.1  # of a budget: what keeps it with a tenth to spare, what clearly does not
HOGS_FELT, HOGS_COME = 3, 9  # as often as they were felt, and at most
SAME, ATTEMPTS = 0.05, 5  # speed of the machine before and after; how often to hope for that
SHALLOWEST, DEEPEST = 'base', 'full'
PATIENCE_S = 120.0
STEPS = (0.5, 0.1, 0.9, 0.3, 0.7)  # of the way from base to full
SAW = (*np.linspace(0.05, 0.95, 7), *np.linspace(0.95, 0.05, 7))


class Costs:
    """What each frame cost, beside the budget in force when it was told."""

    def __init__(self) -> None:
        self.budget_ms = 0.0
        self.frames: list[tuple[Frame, float]] = []

    def add(self, frame: Frame) -> None:
        """Take one more; from the listener's thread."""
        self.frames.append((frame, self.budget_ms))

    def of(self, which: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the costs and budgets, in ms, of some frames."""
        rows = [(frame.total_ms, budget) for frame, budget in self.frames[which]]
        costs, budgets = np.array(rows, np.float64).reshape(-1, 2).T
        return costs, budgets


@dataclass(frozen=True)
class Bench:
    """A running node with a camera before it."""

    listener: Listener
    costs: Costs
    profile: Profile
    detector: Child

    def keep(self, name: str, budget_ms: float, seconds: float) -> None:
        """Set a budget and let frames pass."""
        self.listener.set_parameter(
            name, 1000 / budget_ms if name == 'target_fps' else budget_ms)
        self.costs.budget_ms = budget_ms
        time.sleep(seconds)
        self.detector.require_alive()

    def taken(self, depth: str, seconds: float) -> float:
        """Return the 95th percentile, in ms, of the frames at one depth now."""
        return float(np.percentile(self.at(depth, seconds), 95))

    def at(self, depth: str, seconds: float) -> NDArray[np.float64]:
        """Return what each frame at one depth takes now, in ms."""
        self.listener.set_parameter('depth', depth)
        time.sleep(0.5)
        first = len(self.costs.frames)
        time.sleep(seconds)
        return self.costs.of(slice(first, None))[0]

    def violations(self, budget_ms: float, seconds: float) -> float:
        """Return which share of the frames that come in so many seconds is above the budget."""
        first = len(self.costs.frames)
        self.keep('latency_budget_ms', budget_ms, seconds)
        return float((self.costs.of(slice(first, None))[0] > budget_ms).mean())

    def since(self, first: int) -> list[Frame]:
        """Return the frames from number `first` on."""
        return [frame for frame, _ in self.costs.frames[first:]]

    @property
    def gflops(self) -> dict[str, float]:
        """Return the operations of each depth."""
        return {entry.name: entry.gflops for entry in self.profile.entries}


def main() -> int:
    """Measure and print; see above for the exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--weights', default='scenes')
    parser.add_argument('--size', type=camera_size, default='640x480', metavar='WxH')
    parser.add_argument('--rate-hz', type=float, default=30.0)
    parser.add_argument('--seconds', type=float, default=6.0, help='of each step')
    parser.add_argument('--most-hogs', type=int, default=4 * len(os.sched_getaffinity(0)))
    parser.add_argument('--json', type=Path, metavar='FILE')
    parser.add_argument('--plot', type=Path, metavar='FILE.png')
    args = parser.parse_args()
    with running(args) as bench:
        found = {
            'steps': tracked(bench, STEPS, args.seconds),
            'sawtooth': tracked(bench, SAW, args.seconds / 3),
            'steady': steady(bench, 3 * args.seconds),
            'hog': hogged(bench, args.most_hogs, args.seconds)}
        rows = list(bench.costs.frames)
    for name, values in found.items():
        print(f'{name:10}' + '  '.join(f'{key} {value:.3f}' for key, value in values.items()))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + '\n')
    if args.plot:
        plot(rows, args.plot)
    tracking = [found[name] for name in ('steps', 'sawtooth')]
    return int(max(each['error_mean'] for each in tracking) > ERROR
               or max(each['drift'] for each in tracking) > SAME
               or found['steady']['violations'] > VIOLATIONS
               or max(found['hog'][name] for name in ('kept_s_worst', 'back_s_worst'))
               > FOLLOWED_S)


@contextmanager
def running(args: argparse.Namespace) -> Iterator[Bench]:
    """Start the processes, and yield when frames come."""
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory()))
        environment = undo.enter_context(isolated(os.environ))
        environment |= {'XDG_CACHE_HOME': str(folder)}
        os.environ.update(environment)  # before ROS is loaded into this process
        from anydepth_ros.demo_listener import Listener

        detector = Child('detector', 'anydepth_ros.detector_node', ros_arguments(
            weights=args.weights, profile_on_start=True), environment, folder / 'detector.txt')
        undo.callback(detector.stop)
        undo.enter_context(camera(int(environment['ROS_DOMAIN_ID']), args.size, args.rate_hz))
        costs = Costs()
        listener = Listener(costs)
        undo.callback(listener.close)
        deadline = time.monotonic() + PATIENCE_S
        while len(costs.frames) < WINDOW:
            detector.require_alive()
            if time.monotonic() > deadline:
                raise AnyDepthError(f'no frames came; {detector.last_lines()}')
            time.sleep(0.2)
        profile = next((folder / 'anydepth').glob('*.json'))
        yield Bench(listener, costs, read_profile(profile), detector)


def tracked(bench: Bench, shares: Sequence[float], seconds: float) -> dict[str, float]:
    """Return how well budgets that change are tracked while the machine's own speed does not."""
    before, attempt, drift = mean_costs(bench), 0, np.inf
    while drift > SAME and attempt < ATTEMPTS:
        found = tracked_once(bench, shares, seconds, *before)
        after, attempt = mean_costs(bench), attempt + 1
        drift = float(np.abs(after / before - 1).max())
        print(f'attempt {attempt}: error {found["error_mean"]:.3f}; base and full '
              f'{before.round(1)} ms before, {after.round(1)} ms after', flush=True)
        before = after
    return found | {'drift': drift, 'attempts': attempt}


def mean_costs(bench: Bench) -> NDArray[np.float64]:
    """Return what base and full take now on average, in ms."""
    return np.array([bench.at(depth, 4.0).mean() for depth in (SHALLOWEST, DEEPEST)])


def tracked_once(bench: Bench, shares: Sequence[float], seconds: float, base: float,
                 full: float) -> dict[str, float]:
    """Return the relative errors of the mean cost of 30 frames while budgets change."""
    wanted_ms = [float(base + share * (full - base)) for share in shares]
    bench.keep('target_fps', wanted_ms[0], 2.0)
    first = len(bench.costs.frames) + SETTLED
    for budget in wanted_ms:
        bench.keep('target_fps', budget, seconds)
    costs, budgets = bench.costs.of(slice(first, None))
    if len(costs) < 2 * WINDOW:
        raise AnyDepthError(f'only {len(costs)} frames came; raise --seconds')
    depths = [frame.depth for frame in bench.since(first)][:len(costs)]
    window = np.full(WINDOW, 1 / WINDOW)
    kept, wanted, reach = (np.convolve(each, window, 'valid') for each in (
        costs, budgets, in_reach(costs, budgets, depths)))
    errors = np.abs(kept - wanted) / wanted
    return {'error_mean': float(errors.mean()), 'error_p95': float(np.percentile(errors, 95)),
            'of_what_was_in_reach_mean': float(np.mean(np.abs(kept - reach) / wanted)),
            'frames': len(costs), 'base_ms': float(base), 'full_ms': float(full)}


def in_reach(costs: NDArray[np.float64], budgets: NDArray[np.float64],
             depths: Sequence[str]) -> NDArray[np.float64]:
    """Return the budgets, limited to what the cheapest and the dearest depth are known to cost.

    A frame at base over the budget could not be cheaper, one at full below it not dearer.
    """
    ran = np.array(depths)
    stuck = ((ran == SHALLOWEST) & (costs > budgets)) | ((ran == DEEPEST) & (costs < budgets))
    return np.where(stuck, costs, budgets)


def steady(bench: Bench, seconds: float) -> dict[str, float]:
    """Return which share of the frames takes longer than a latency budget."""
    base, full = (bench.taken(depth, seconds / 3) for depth in ('base', 'full'))
    budget = (base + full) / 2
    bench.keep('latency_budget_ms', budget, FOLLOWED_S)
    first = len(bench.costs.frames)
    violations = bench.violations(budget, seconds)
    known = bench.gflops
    gflops, low, high = ([known[frame.depth] for frame in bench.since(first)], known['base'],
                         known['full'])
    return {'violations': violations, 'budget_ms': budget, 'base_p95_ms': base,
            'full_p95_ms': full, 'depth': (float(np.mean(gflops)) - low) / (high - low),
            'frames': len(gflops)}


@dataclass(frozen=True)
class Hogs:
    """Processes that take cores away, and what they do: 95th percentiles and a budget, in ms."""

    count: int
    budget_ms: float
    full_p95_ms: float
    full_p95_ms_hogged: float
    base_p95_ms_hogged: float


def find_hogs(bench: Bench, most: int, seconds: float) -> Hogs:
    """Return the fewest hogs that have to be followed and can be.

    Raises:
        AnyDepthError: there are none: full is not slow enough beside them, or base too slow.
    """
    full, tried = bench.taken('full', seconds), []
    for count in range(1, most + 1):
        with hogging(count):
            slow, base = (bench.taken(depth, seconds) for depth in ('full', 'base'))
        budget = max(full, base) / ROOM
        if slow >= MISSED * budget:
            return Hogs(count, budget, full, slow, base)
        tried.append(f'{count}: {slow:.1f} and {base:.1f} ms')
    raise AnyDepthError(f'full takes {full:.1f} ms alone; beside hogs full and base take '
                        f'{", ".join(tried)}: no budget divides them')


def hogged(bench: Bench, most: int, seconds: float) -> dict[str, float]:
    """Return how soon the depth follows processes that take the cores away, and comes back.

    Raises:
        AnyDepthError: no hogs divide full from base, or they were not felt often enough.
    """
    hogs = find_hogs(bench, most, seconds)
    budget = hogs.budget_ms
    kept, back, over, at_base, come = [], [], [], [], 0
    while len(kept) < HOGS_FELT and come < HOGS_COME:
        come += 1
        bench.keep('latency_budget_ms', budget, seconds)
        before = max(bench.gflops[frame.depth] for frame in bench.since(-WINDOW))
        with hogging(hogs.count):
            first = len(bench.costs.frames)
            bench.keep('latency_budget_ms', budget, FOLLOWED_S)
            violations = bench.violations(budget, seconds)
            frames = bench.since(first)
        first, end = len(bench.costs.frames), time.monotonic()
        bench.keep('latency_budget_ms', budget, seconds)
        if not (lasting := breaches(frames, budget)):
            continue  # full kept the budget beside them this time: nothing to be followed
        kept.append(max(lasting))
        over.append(violations)
        at_base.append(np.mean([frame.total_ms > budget and frame.depth == SHALLOWEST
                                for frame in frames]))
        after = bench.since(first)
        back.append(seconds_until(after, end, [
            bench.gflops[frame.depth] >= before for frame in after]))
    if len(kept) < HOGS_FELT:
        raise AnyDepthError(f'{hogs.count} hogs came {come} times and were felt {len(kept)} '
                            f'times; {HOGS_FELT} are needed')
    return {'felt': len(kept), 'come': come, 'kept_s': float(np.median(kept)),
            'kept_s_worst': max(kept), 'back_s': float(np.median(back)),
            'back_s_worst': max(back), 'violations_meanwhile': float(np.mean(over)),
            'of_these_at_base': float(np.mean(at_base)), **asdict(hogs)}


def breaches(frames: Sequence[Frame], budget_ms: float) -> list[float]:
    """Return how many seconds each time lasts in which a budget is not kept and could be.

    It begins with the start of a frame that is late, as is another of the `KEPT` from it on, and
    ends with the first frame in time from which on at most one of `KEPT` is late. Late is a frame
    over the budget, unless it ran at the shallowest depth, than which nothing is cheaper.
    """
    late = [frame.total_ms > budget_ms and frame.depth != SHALLOWEST for frame in frames]
    lasting, begin = [], None
    for i, frame in enumerate(frames):
        kept = sum(late[i:i + KEPT]) < 2
        if begin is None and late[i] and not kept:
            begin = frame.time_s - frame.total_ms / 1000
        elif begin is not None and kept and not late[i]:
            lasting.append(frame.time_s - begin)
            begin = None
    if begin is not None:
        lasting.append(frames[-1].time_s - begin)
    return lasting


def seconds_until(frames: Sequence[Frame], begin: float, good: Sequence[bool]) -> float:
    """Return the time from `begin` to the first good frame; infinity if none is."""
    return frames[good.index(True)].time_s - begin if True in good else np.inf


@contextmanager
def hogging(count: int) -> Iterator[None]:
    """Let processes take the cores away."""
    processes = [multiprocessing.get_context('fork').Process(target=busy, daemon=True)
                 for _ in range(count)]
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in processes:
            process.kill()


def busy() -> None:
    """Take a core away, as a session of its own."""
    os.setsid()
    while True:
        pass


def plot(rows: Sequence[tuple[Frame, float]], path: Path) -> None:
    """Draw the cost of each frame, the mean of 30, and the budget."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    rows = [(frame, budget) for frame, budget in rows if budget]
    times = np.array([frame.time_s for frame, _ in rows]) - rows[0][0].time_s
    costs = np.array([frame.total_ms for frame, _ in rows])
    figure, axes = pyplot.subplots(figsize=(11, 4), layout='constrained')
    axes.plot(times, costs, '.', markersize=3, color='#0072b2', alpha=0.5, label='one frame')
    axes.plot(times[WINDOW - 1:], np.convolve(costs, np.full(WINDOW, 1 / WINDOW), 'valid'),
              color='#d55e00', label=f'mean of {WINDOW}')
    axes.step(times, [budget for _, budget in rows], where='post', color='black', label='budget')
    axes.set(xlabel='time [s]', ylabel='cost [ms]',
             ylim=(0, 1.5 * max(budget for _, budget in rows)))
    axes.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == '__main__':
    end(main)
