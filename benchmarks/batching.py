# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Whether several images in one pass are quicker: `python benchmarks/batching.py [MODEL …]`.

For each model and backend, at full and at base: milliseconds an image, from pixels to detections,
where one, two or three are detected at once, all taken in turn in one run; medians, and beside
them the share of the time of an image alone. A batch of B pays for a robot from a share of
(B + 1) / 2B downwards: then its images are done, on average, no later than one after another.
Weights are random but for `scenes`.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import platform
import statistics
import time
from typing import TYPE_CHECKING

from command import end

from anydepth_core.commands.arguments import at_least
from anydepth_core.runtime.cores import share_cores

if TYPE_CHECKING:
    from anydepth_core.runtime.detector import Detector

MODELS = ('scenes', 'anydepth-yolo-n', 'anydepth-detr-tiny')


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='*', default=MODELS, metavar='MODEL')
    parser.add_argument('--size', type=int, nargs=2, default=(640, 640), metavar=('H', 'W'),
                        help='of the input of models with random weights')
    parser.add_argument('--batches', type=int, nargs='+', default=(1, 2, 3), metavar='B')
    parser.add_argument('--frames', type=at_least(1), default=15, help='passes of each kind')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--backends', nargs='+', help='default: all that are installed')
    parser.add_argument('--device', default='auto')
    parser.add_argument('--json', type=Path, metavar='FILE')
    args = parser.parse_args()
    share_cores()
    os.environ['OMP_NUM_THREADS'] = str(args.threads)  # before any library reads it
    import runtime_cases as cases

    from anydepth_core.runtime.backends import installed
    from anydepth_core.runtime.measure import hardware_name

    print(f'{hardware_name("cpu")}, load {os.getloadavg()[0]:.1f}, {cases.versions()}, '
          f'Python {platform.python_version()}, {time.strftime("%Y-%m-%d")}')
    print(f'{"":36}' + ''.join(f'{f"batch {size}":>17}' for size in args.batches))
    found = []
    for model in args.models:
        for backend in args.backends or installed():
            detector = open_detector(model, backend, args.device, tuple(args.size))
            for depth in ('full', 'base'):
                row = {'model': model, 'backend': backend, 'depth': depth,
                       'ms': image_ms(detector, depth, args.batches, args.frames)}
                found.append(row)
                show(row)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + '\n')
    return 0


def open_detector(model: str, backend: str, device: str, size: tuple[int, int]) -> Detector:
    """Return the detector of packaged weights, or of a model with random weights."""
    import runtime_cases as cases

    from anydepth_core.runtime.backends import open_backend
    from anydepth_core.runtime.detector import Detector

    if not model.startswith('anydepth-'):
        return Detector.open(model, backend=backend, device=device)
    network = cases.network_of(model, size)
    if backend != 'torch':
        network = cases.with_graph(network)
    return Detector(network, open_backend(backend, network, device=device, precision='fp32'))


def image_ms(detector: Detector, depth: str, batches: list[int], frames: int) -> dict[int, float]:
    """Return the median milliseconds an image, by the number of images at once."""
    from runtime_cases import alternate

    from anydepth_core.data.scenes import render_scene

    images = [render_scene(number).image for number in range(max(batches))]
    taken = alternate({str(size): lambda size=size: detector.detect_batch(
        images[:size], depth=depth) for size in batches}, frames)
    return {int(size): statistics.median(times) / int(size) for size, times in taken.items()}


def show(row: dict) -> None:
    """Print the milliseconds an image and their share of the first column."""
    alone = next(iter(row['ms'].values()))
    print(f'{row["model"]:20}{row["backend"]:12}{row["depth"]:4}' + ''.join(
        f'{ms:10.2f} ({ms / alone:.2f})' for ms in row['ms'].values()), flush=True)


if __name__ == '__main__':
    end(main)
