# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How should waiting threads wait? `python benchmarks/waiting_threads.py` (docs/decisions/0004).

Times PyTorch and ONNX Runtime on this machine's cores, each way to wait in a process of its own,
on idle cores and beside one process that never rests (`hog`): the networks of the scenes weights
at base and of `anydepth-yolo-n` at full and 640x640. Prints medians in milliseconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anydepth_core.models import AnyDepthModel

CHILD = 'ANYDEPTH_WAITING_CHILD'
VARIABLES = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'OMP_NUM_THREADS')
Run = Callable[[], object]
PAUSE_S = 0.01  # as between two images of a camera
SIDE = 640
TORCH: Mapping[str, Mapping[str, str]] = {
    'PyTorch, default (300,000 spins)': {},
    **{f'PyTorch, GOMP_SPINCOUNT={count}': {'OMP_WAIT_POLICY': 'PASSIVE',
                                            'GOMP_SPINCOUNT': str(count)}
       for count in (2000, 1000, 500)},
    'PyTorch, OMP_WAIT_POLICY=PASSIVE (0 spins)': {'OMP_WAIT_POLICY': 'PASSIVE'},
    'PyTorch, one thread': {'OMP_NUM_THREADS': '1'},
}
ONNX_SPINS_US = (1000, 200, 50, 20, 0)
# What each way is called, its environment, and how long the threads of ONNX Runtime spin in it.
WAYS: Mapping[str, tuple[Mapping[str, str], int | None]] = {
    **{name: (variables, None) for name, variables in TORCH.items()},
    **{f'ONNX Runtime, {spin} us': ({}, spin) for spin in ONNX_SPINS_US},
    'ONNX Runtime, one thread': ({'OMP_NUM_THREADS': '1'}, 0),
}


def main() -> int:
    """Run the command; return its exit status."""
    if CHILD in os.environ:
        print(json.dumps(measure(**json.loads(os.environ[CHILD]))))
        return 0
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=float, default=5.0, help='of each measurement')
    args = parser.parse_args()
    rows: dict[str, list[float]] = {way: [] for way in WAYS}
    for hogs in (0, 1):
        busy = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(hogs)]
        try:
            for way, (variables, spin_us) in WAYS.items():
                rows[way] += child(variables, {'seconds': args.seconds, 'spin_us': spin_us})
        finally:
            for process in busy:
                process.kill()
    print('| | scenes, idle | n, idle | scenes, hog | n, hog |\n|---|---|---|---|---|')
    for way, row in rows.items():
        print(f'| {way} | ' + ' | '.join(f'{value:.1f}' for value in row) + ' |')
    return 0


def child(variables: Mapping[str, str], wanted: Mapping[str, object]) -> list[float]:
    """Return what another process measures whose threads wait so."""
    inherited = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    done = subprocess.run([sys.executable, __file__], check=True, capture_output=True, text=True,
                          env={**inherited, **variables, CHILD: json.dumps(wanted)})
    return [float(value) for value in json.loads(done.stdout)]


def measure(seconds: float, spin_us: int | None) -> list[float]:
    """Return the median milliseconds of a small network and of a larger one.

    Args:
        seconds: for each.
        spin_us: how long the threads of ONNX Runtime spin; None for PyTorch instead.
    """
    import torch

    from anydepth_core.models import create_model
    from anydepth_core.runtime.network import open_network

    scenes = open_network('scenes', None)
    torch.manual_seed(0)
    cases = ((scenes.model, scenes.info.input_size, 'base'),
             (create_model('anydepth-yolo-n'), (SIDE, SIDE), 'full'))
    make = torch_run if spin_us is None else functools.partial(onnx_run, spin_us=spin_us)
    with torch.inference_mode():
        return [median_ms(make(*case), seconds) for case in cases]


def torch_run(model: AnyDepthModel, size: tuple[int, int], depth: str) -> Run:
    """Return one run of the network on PyTorch."""
    import torch

    static = model.at(depth).to(memory_format=torch.channels_last)
    images = torch.rand(1, 3, *size).to(memory_format=torch.channels_last)
    return lambda: static(images)


def onnx_run(model: AnyDepthModel, size: tuple[int, int], depth: str, *, spin_us: int) -> Run:
    """Return one run of the any-depth graph on ONNX Runtime."""
    import torch

    from anydepth_core.runtime.backends.onnx_backend import open_session, session_options
    from anydepth_core.runtime.export.check import feeds_of
    from anydepth_core.runtime.export.graph import any_depth_graph

    session = open_session(any_depth_graph(model, size, {}), session_options(spin_us),
                           [('CPUExecutionProvider', {})])
    feeds = feeds_of(model.depths.resolve(depth), torch.rand(1, 3, *size).numpy())
    return lambda: session.run(None, feeds)


def median_ms(run: Run, seconds: float) -> float:
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
