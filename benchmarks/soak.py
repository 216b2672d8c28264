# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Does memory stay where it is? `python benchmarks/soak.py [WEIGHTS] [--backend openvino]`.

Feeds a detector thousands of images of random sizes within bounds, each at a random depth, and
follows what the process occupies: resident memory once freed memory has gone back to the system,
the most it held at any moment, and what Python itself holds (tracemalloc). The first frames warm
up, the rest must not grow: prints the slope of resident memory, exits with 1 if it means more than
`--allow-mb` over all frames, or if some moment needed the room of the weights on top of what the
first frames needed.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import random
import time
import tracemalloc

from command import end

from anydepth_core.commands.arguments import at_least
from anydepth_core.runtime.cores import share_cores

SAMPLES = 50


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('weights', nargs='?', default='scenes', help='a file or packaged weights')
    parser.add_argument('--backend', default='torch')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--input-size', type=int, nargs=2, metavar=('H', 'W'))
    parser.add_argument('--frames', type=at_least(1), default=10_000)
    parser.add_argument('--smallest', type=int, nargs=2, default=(64, 64), metavar=('H', 'W'))
    parser.add_argument('--largest', type=int, nargs=2, default=(1080, 1920), metavar=('H', 'W'))
    parser.add_argument('--warm-up', type=float, default=0.2, help='share of the frames')
    parser.add_argument('--allow-mb', type=float, default=5.0)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--json', type=Path, metavar='FILE')
    args = parser.parse_args()
    share_cores()
    os.environ['OMP_NUM_THREADS'] = str(args.threads)  # before any library reads it
    found = soak(args)
    print(f'{found["model"]} on {found["backend"]}, {found["frames"]} frames in '
          f'{found["seconds"]:.0f} s: resident {found["resident_mb"][0]:.1f} MB after warm-up, '
          f'{found["resident_mb"][-1]:.1f} MB at the end')
    print(f'slope {found["kb_per_1000_frames"]:+.1f} kB (standard error '
          f'{found["standard_error"]:.1f}) per 1000 frames; Python itself '
          f'{found["python_growth_kb"]:+.1f} kB in all')
    print(f'peak {found["peak_growth_mb"]:+.1f} MB above that of the warm-up; the weights are '
          f'{found["weights_mb"]:.1f} MB')
    grown = found['kb_per_1000_frames'] * found['frames'] / 1e6
    found['passed'] = grown <= args.allow_mb and found['peak_growth_mb'] < max(
        args.allow_mb, found['weights_mb'])
    print('no growth' if found['passed'] else 'memory GROWS')
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')
    return int(not found['passed'])


def soak(args: argparse.Namespace) -> dict:
    """Run all frames; return what was found."""
    import numpy as np
    from runtime_memory import settled

    from anydepth_core.models.weights import resolve_weights
    from anydepth_core.runtime.detector import Detector
    from anydepth_core.runtime.memory import forget_peak, peak_bytes

    size = tuple(args.input_size) if args.input_size else None
    detector = Detector.open(args.weights, backend=args.backend, device=args.device,
                             input_size=size)
    rng = random.Random(args.seed)
    # Views of one picture, so that the images themselves cost nothing.
    picture = np.random.default_rng(args.seed).integers(0, 256, (*args.largest, 3), np.uint8)

    def frame() -> None:
        height, width = (rng.randint(*sides) for sides in zip(args.smallest, args.largest))
        top, left = (rng.randint(0, most - side)
                     for most, side in zip(args.largest, (height, width)))
        detector.detect(picture[top:top + height, left:left + width],
                        depth=detector.depths.sample(rng), score_threshold=rng.choice((0.0, 0.3)))

    tracemalloc.start()
    begun = time.perf_counter()
    detector.warm_up()
    forget_peak('cpu')
    warm = round(args.frames * args.warm_up)
    for _ in range(warm):
        frame()
    first_peak, python = peak_bytes('cpu'), tracemalloc.get_traced_memory()[0]
    forget_peak('cpu')
    every = max(1, (args.frames - warm) // SAMPLES)
    counts, resident, peak = [], [], 0
    for count in range(args.frames - warm):
        if count % every == 0:
            peak = max(peak, peak_bytes('cpu'))
            counts.append(count)
            resident.append(settled())
        frame()
    slope, error = line(counts, resident)
    return {'model': detector.model_name, 'backend': detector.backend, 'frames': args.frames,
            'input_size': detector.input_size, 'seconds': time.perf_counter() - begun,
            'resident_mb': [each / 1e6 for each in resident], 'kb_per_1000_frames': slope,
            'standard_error': error,
            'python_growth_kb': (tracemalloc.get_traced_memory()[0] - python) / 1e3,
            'peak_growth_mb': (max(peak, peak_bytes('cpu')) - first_peak) / 1e6,
            'weights_mb': resolve_weights(args.weights).stat().st_size / 1e6}


def line(counts: list[int], values: list[int]) -> tuple[float, float]:
    """Return slope and its standard error of the line through the points, both times one.

    That is: bytes per frame are kilobytes per thousand frames.
    """
    import numpy as np

    (slope, _), covariance = np.polyfit(counts, values, 1, cov=True)
    return float(slope), float(covariance[0, 0] ** 0.5)


if __name__ == '__main__':
    end(main)
