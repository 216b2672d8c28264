# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Time us beside what users would pick instead: `python benchmarks/peers.py [yolo-n detr-r18 …]`.

YOLO against the `ultralytics` package (torch, and its own ONNX and OpenVINO exports; its YOLO12 on
both sides), DETR against Hugging Face transformers. Equal weights (random; read by our importer),
equal image, batch 1, fp32, and turns taken in one run, in an order drawn anew each round, so that
ratios hold on a machine that is not quiet. The peers run in a process and an environment of their
own; `--set-up` makes that first, once, and is the only time anything is downloaded. Without them
nothing here needs the network.

Prints the ratio of our time to theirs: the median over the rounds, and the middle half of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import json
import os
from pathlib import Path
import random
import statistics
import subprocess
import tempfile
import time
from typing import Any

from command import end

from anydepth_core.commands.arguments import at_least
from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.cores import share_cores

PEERS = ('yolo-n', 'yolo-s', 'yolo-m', 'yolo-l', 'yolo-x', 'detr-r18', 'detr-r34', 'detr-r50')
USUAL = ('yolo-n', 'yolo-s', 'yolo-l', 'detr-r18', 'detr-r50')
SIDE = 1280
UNMEASURED = 2
Frame = Callable[[], dict[str, float]]


class Peer:
    """The other process: one network of theirs, run frame by frame on request."""

    def __init__(self, python: Path, name: str, folder: Path, variables: dict[str, str]) -> None:
        worker = Path(__file__).with_name('peers_worker.py')
        self.process = subprocess.Popen(
            [str(python), str(worker), *name.split('-'), str(folder)], env=variables, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said = self.answer()

    def answer(self) -> dict[str, Any]:
        """Return the next line that it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AnyDepthError('the process of the peers ended, see above')
        return json.loads(line)

    def frame(self, run: str, threshold: float) -> dict[str, float]:
        """Run one frame and return what it took."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({'run': run, 'threshold': threshold}) + '\n')
        self.process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        """Let it end."""
        self.process.communicate()


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', default=USUAL, metavar='NAME',
                        help=f'of {" ".join(PEERS)}')
    parser.add_argument('--set-up', action='store_true', help='download and install the peers')
    parser.add_argument('--frames', type=at_least(2), default=20, help='of each kind')
    parser.add_argument('--threads', type=at_least(1), default=2)
    parser.add_argument('--pause', type=at_least(0), default=0, metavar='MS',
                        help='before each frame; threads of the frame before may spin so long')
    parser.add_argument('--json', type=Path, metavar='FILE')
    parser.add_argument('--chart', type=Path, metavar='FILE.png')
    args = parser.parse_args()
    if unknown := set(args.names) - set(PEERS):
        parser.error(f'unknown {" ".join(sorted(unknown))}; valid: {" ".join(PEERS)}')
    users = dict(os.environ)
    share_cores()
    os.environ['OMP_NUM_THREADS'] = str(args.threads)  # before any library reads it
    # Some of the runtimes count cores instead.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:args.threads])
    document = compare_all(args, users)
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + '\n', encoding='utf-8')
    if args.chart:
        draw(document['networks'], args.chart)
    return 0


def compare_all(args: argparse.Namespace, users: dict[str, str]) -> dict[str, Any]:
    """Return the measurements of every network named; `users` are the variables the user set."""
    from peers_environment import peers_python, peers_variables, waiting
    from runtime_cases import versions

    from anydepth_core.runtime.measure import hardware_name

    python = peers_python(set_up=args.set_up)
    variables = peers_variables(users)
    policies = {'ours': waiting(os.environ), 'theirs': waiting(variables)}
    document: dict[str, Any] = {'machine': hardware_name('cpu'), 'load': os.getloadavg(),
                                'versions': versions(), 'waiting': policies,
                                'frames': args.frames, 'pause_ms': args.pause, 'networks': {}}
    print(f'{document["machine"]}, load {os.getloadavg()[0]:.1f}, {document["versions"]}')
    print(f'threads wait: ours {policies["ours"]}, theirs {policies["theirs"]}')
    for name in args.names:
        with tempfile.TemporaryDirectory(prefix='anydepth-peers-') as folder:
            found = compare(python, variables, name, Path(folder), args.frames, args.pause)
        document['networks'][name] = found
        show(name, found)
    return document


def compare(python: Path, variables: dict[str, str], name: str, folder: Path, frames: int,
            pause: int) -> dict[str, Any]:
    """Time one network on both sides, in turn."""
    import numpy as np

    from anydepth_core.data.scenes import render_scene

    image = render_scene(0, size=(SIDE, SIDE)).image
    np.save(folder / 'image.npy', image)
    peer = Peer(python, name, folder, variables)
    try:
        ours, threshold, automatic = our_frames(Path(peer.said['checkpoint']), folder, image)
        runs: dict[str, Frame] = {**ours, **{
            f'their {run}': lambda run=run: peer.frame(run, threshold)
            for run in peer.said['runs']}}
        taken: dict[str, list[dict[str, float]]] = {run: [] for run in runs}
        order, rng = list(runs), random.Random(0)
        for _ in range(frames + UNMEASURED):
            # Whose frame comes just before costs some: what waits, spins, and fills the caches.
            rng.shuffle(order)
            for run in order:
                time.sleep(pause / 1e3)
                taken[run].append(runs[run]())
    finally:
        peer.end()
    taken = {run: each[UNMEASURED:] for run, each in taken.items()}
    return {'package': peer.said['package'], 'automatic': automatic,
            'best_score': {run: each[-1]['best'] for run, each in taken.items()},
            'ms': {run: {what: quartiles([frame[what] for frame in each])
                         for what in ('network_ms', 'total_ms')} for run, each in taken.items()},
            'ratios': ratios(taken, peer.said['runs'], automatic)}


def our_frames(checkpoint: Path, folder: Path, image: Any) -> tuple[dict[str, Frame], float, str]:
    """Return our frames at full and base on every backend, the threshold, and what auto is."""
    from anydepth_core.models.importers import import_weights, plan_import, read_checkpoint
    from anydepth_core.models.weights import save_weights
    from anydepth_core.runtime.backends import installed
    from anydepth_core.runtime.detector import Detector

    loaded = read_checkpoint(checkpoint)
    weights = folder / 'ours.safetensors'
    save_weights(weights, *import_weights(loaded, plan_import(loaded)))
    os.environ['XDG_CACHE_HOME'] = str(folder)  # the exported graph goes when the folder does
    detectors = {name: Detector.open(weights, backend=name, device='cpu')
                 for name in installed()}
    first = next(iter(detectors.values()))
    # As many objects as a detector returns in a full scene.
    threshold = float(first.detect(image, score_threshold=0, max_detections=100).scores[-1])

    def frame(detector: Detector, depth: str) -> dict[str, float]:
        begun = time.perf_counter()
        found = detector.detect(image, depth=depth, score_threshold=threshold, nms_iou=0.7,
                                max_detections=100)
        return {'network_ms': found.timing.network_ms, 'best': float(found.scores.max(initial=0)),
                'total_ms': 1e3 * (time.perf_counter() - begun)}

    return ({f'our {name} {depth}': lambda detector=detector, depth=depth: frame(detector, depth)
             for name, detector in detectors.items() for depth in ('full', 'base')},
            threshold, installed()[0])


def ratios(taken: dict[str, list[dict[str, float]]], theirs: list[str], automatic: str,
           ) -> dict[str, dict[str, float]]:
    """Return what our time is of theirs: the network on each runtime, and whole calls."""
    def over(what: str, one: str, other: str) -> dict[str, float]:
        return quartiles([a[what] / b[what] for a, b in zip(taken[one], taken[other])])

    found = {}
    for depth in ('full', 'base'):
        for run in theirs:
            if f'our {run} full' in taken:
                found[f'network, {run}, {depth}'] = over('network_ms', f'our {run} {depth}',
                                                         f'their {run}')
        found[f'image to detections, our {automatic}, their torch, {depth}'] = over(
            'total_ms', f'our {automatic} {depth}', 'their torch')
    return found


def quartiles(values: list[float]) -> dict[str, float]:
    """Return the median, the quartiles and the least."""
    low, middle, high = statistics.quantiles(values, n=4)
    return {'median': middle, 'low': low, 'high': high, 'least': min(values)}


def show(name: str, found: dict[str, Any]) -> None:
    """Print one network's findings."""
    print(f'\n{name} beside {found["package"]}')
    for run, row in found['ms'].items():
        print(f'  {run:24}' + '   '.join(
            f'{what} {each["median"]:7.1f} ms ({each["low"]:.1f} to {each["high"]:.1f})'
            for what, each in row.items()) + f'   best score {found["best_score"][run]:.4f}')
    for title, each in found['ratios'].items():
        print(f'  {title:58}{each["median"]:.3f}  ({each["low"]:.3f} to {each["high"]:.3f})')


def draw(networks: dict[str, Any], path: Path) -> None:
    """Draw whole calls of every network as bars, with the middle half of the rounds."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(networks), squeeze=False, layout='constrained',
                                   figsize=(4.5 * len(networks), 4))
    for axis, (name, found) in zip(axes[0], networks.items()):
        rows = {run: each['total_ms'] for run, each in found['ms'].items()}
        middle = [each['median'] for each in rows.values()]
        spread = [[each['median'] - each['low'] for each in rows.values()],
                  [each['high'] - each['median'] for each in rows.values()]]
        colours = ['tab:orange' if run.startswith('their') else 'tab:blue' for run in rows]
        axis.barh(list(rows), middle, xerr=spread, color=colours)
        axis.invert_yaxis()
        axis.set(title=f'{name}\nbeside {found["package"]}', xlabel='ms, image to detections')
    figure.savefig(path, dpi=120)


if __name__ == '__main__':
    end(main)
