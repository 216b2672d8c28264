# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How should waiting threads wait? `python benchmarks/waiting_threads.py` (docs/decisions/0004).

Times PyTorch on this machine's cores, each way to wait in a process of its own, on idle cores and
beside one process that never rests (`hog`): the scenes weights at base from image to detections,
and the network of `anydepth-yolo-n` at 640x640. Prints medians in milliseconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
import json
import os
import statistics
import subprocess
import sys
import time

CHILD = 'ANYDEPTH_WAITING_SECONDS'
VARIABLES = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'OMP_NUM_THREADS')
PAUSE_S = 0.01  # as between two images of a camera
WAYS: Mapping[str, Mapping[str, str]] = {
    'default (300,000 spins)': {},
    **{f'GOMP_SPINCOUNT={count}': {'OMP_WAIT_POLICY': 'PASSIVE', 'GOMP_SPINCOUNT': str(count)}
       for count in (2000, 1000, 500)},
    'OMP_WAIT_POLICY=PASSIVE (0 spins)': {'OMP_WAIT_POLICY': 'PASSIVE'},
    'one thread': {'OMP_NUM_THREADS': '1'},
}


def main() -> int:
    """Run the command; return its exit status."""
    if CHILD in os.environ:
        print(json.dumps(measure(float(os.environ[CHILD]))))
        return 0
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=float, default=5.0, help='of each measurement')
    args = parser.parse_args()
    rows: dict[str, list[float]] = {way: [] for way in WAYS}
    for hogs in (0, 1):
        busy = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(hogs)]
        try:
            for way, variables in WAYS.items():
                rows[way] += child(variables, args.seconds)
        finally:
            for process in busy:
                process.kill()
    print('| | scenes, idle | n, idle | scenes, hog | n, hog |\n|---|---|---|---|---|')
    for way, row in rows.items():
        print(f'| {way} | ' + ' | '.join(f'{value:.1f}' for value in row) + ' |')
    return 0


def child(variables: Mapping[str, str], seconds: float) -> list[float]:
    """Return what another process measures whose threads wait so."""
    inherited = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    done = subprocess.run([sys.executable, __file__], check=True, capture_output=True, text=True,
                          env={**inherited, **variables, CHILD: str(seconds)})
    return [float(value) for value in json.loads(done.stdout)]


def measure(seconds: float) -> list[float]:
    """Return the median milliseconds of a whole small detection and of a larger network."""
    import torch

    from anydepth_core.data.scenes import render_scene
    from anydepth_core.models import create_model
    from anydepth_core.runtime.detector import Detector

    detector, image = Detector.open('scenes', backend='torch'), render_scene(0).image
    torch.manual_seed(0)
    network = create_model('anydepth-yolo-n').at('full').to(memory_format=torch.channels_last)
    images = torch.rand(1, 3, 640, 640).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        return [median_ms(run, seconds) for run in (
            lambda: detector.detect(image, depth='base'), lambda: network(images))]


def median_ms(run: Callable[[], object], seconds: float) -> float:
    """Return the median time of a run, with a pause before each."""
    run()
    times: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or not times:
        time.sleep(PAUSE_S)
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return 1e3 * statistics.median(times)


if __name__ == '__main__':
    sys.exit(main())
