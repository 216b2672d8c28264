# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One process of `benchmarks/runtime.py`: the memory of one session, static or of all depths.

Prints JSON: `after_mb` resident after a few frames, above what the libraries themselves take, and
`growth_mb`, by how much that grew over many frames at random depths.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import random
import sys

import numpy as np
from runtime_cases import network_of, static_run, with_graph

from anydepth_core.runtime.backends import open_backend
from anydepth_core.runtime.measure import resident_bytes
from anydepth_core.runtime.network import Network

MEGABYTE = 1e6


def main() -> None:
    """Measure what the command line says: kind, model, height, width, backend, frames."""
    kind, name, height, width, backend, frames = sys.argv[1:]
    size = (int(height), int(width))
    importlib.import_module(backend)
    network = network_of(name, size)
    network = with_graph(network) if kind == 'any' and backend != 'torch' else network
    space = network.depths
    pixels = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    before = settled()
    if kind == 'static':
        planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32) / 255
        run = static_run(backend, network, space.full, planes)
        assert run is not None, 'PyTorch has no static export'
        for _ in range(5):
            run()
        print(json.dumps({'after_mb': (settled() - before) / MEGABYTE}))
        return
    alone = Network(network.info, network.weights_hash, space, network.decoding,
                    loaded=network.loaded if backend == 'torch' else None, graph=network.graph)
    runner = open_backend(backend, alone, device='cpu', precision='fp32')
    images = runner.upload(pixels)
    rng = random.Random(0)
    for depth in (space.full, space.base, *(space.sample(rng) for _ in range(8))):
        runner.run(images, depth)
    after = settled()
    for _ in range(int(frames)):
        runner.run(images, space.sample(rng))
    print(json.dumps({'after_mb': (after - before) / MEGABYTE,
                      'growth_mb': (settled() - after) / MEGABYTE}))


def settled() -> int:
    """Return the resident bytes once freed memory has gone back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident_bytes()


if __name__ == '__main__':
    main()
