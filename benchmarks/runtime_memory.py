# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One process of `benchmarks/runtime.py`: the memory of one session, static or of all depths.

Started as `runtime_memory.py {static,any} FILE.onnx HEIGHT WIDTH BACKEND FRAMES`, so that nothing
of the export is in it. Prints JSON: `after_mb` resident after frames that have run all there is,
above what the libraries themselves take, and `growth_mb`, by how much that grew over frames of
random depths.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
from pathlib import Path
import random
import sys

import numpy as np
from runtime_cases import static_run

from anydepth_core.depth import DepthSpace
from anydepth_core.runtime.backends import BACKENDS, Backend, open_backend
from anydepth_core.runtime.measure import resident_bytes
from anydepth_core.runtime.network import open_network

MEGABYTE = 1e6


def main() -> None:
    """Measure what the command line says."""
    kind, file, height, width, backend, frames = sys.argv[1:]
    importlib.import_module(BACKENDS[backend].module)
    before = settled()
    pixels = np.random.default_rng(0).integers(0, 256, (1, int(height), int(width), 3), np.uint8)
    if kind == 'static':
        planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32) / 255
        run = static_run(backend, Path(file), planes)
        for _ in range(5):
            run()
        print(json.dumps({'after_mb': (settled() - before) / MEGABYTE}))
        return
    runner, space = opened(Path(file), backend)
    images = runner.upload(pixels)
    rng = random.Random(0)
    for depth in (*space.covering, *(space.sample(rng) for _ in range(6))):
        runner.run(images, depth)
    after = settled()
    for _ in range(int(frames)):
        runner.run(images, space.sample(rng))
    print(json.dumps({'after_mb': (after - before) / MEGABYTE,
                      'growth_mb': (settled() - after) / MEGABYTE}))


def opened(file: Path, backend: str) -> tuple[Backend, DepthSpace]:
    """Return a backend with a file of all depths, and these; the graph as read is let go."""
    network = open_network(file)
    return open_backend(backend, network, device='cpu', precision='fp32'), network.depths


def settled() -> int:
    """Return the resident bytes once freed memory has gone back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident_bytes()


if __name__ == '__main__':
    main()
