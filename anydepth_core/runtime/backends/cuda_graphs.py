# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs: the hundreds of small kernels of one depth, launched as one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
import threading
from typing import Any

import torch
from torch import Tensor

from anydepth_core.depth import Depth
from anydepth_core.models.base import RawPredictions

# A graph holds a few megabytes of descriptions of kernels; the maps are in memory that all share.
MOST_GRAPHS = 64
# Libraries choose algorithms and allocate in the first runs, which must not be recorded.
RUNS_BEFORE = 3
# CUDA records one graph at a time in a process.
ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Recorded:
    """One depth at one shape: fill `images`, replay `graph`, read `outputs`."""

    graph: Any
    images: Tensor
    outputs: RawPredictions


class DepthGraphs:
    """Records a forward pass once for each depth and shape, then replays it.

    What is recorded must be the same kernels for every image: no step of it may ask the device
    for a number. Warm every depth up that will run; recording takes several runs. The graph that
    was used longest ago goes when there are more than `MOST_GRAPHS`.

    Args:
        forward: called with images on the device and a depth.
        device: a CUDA device.
    """

    def __init__(self, forward: Callable[[Tensor, Depth], RawPredictions],
                 device: torch.device) -> None:
        self._forward = forward
        self._device = device
        self._recorded: OrderedDict[tuple[Depth, torch.Size], Recorded] = OrderedDict()
        self._stream = torch.cuda.Stream(device)
        self._pool: Any = None
        # The graphs write to the same memory, so one frame at a time.
        self._lock = threading.Lock()

    def run(self, images: Tensor, depth: Depth) -> RawPredictions:
        """Return what `forward` returns; the work is queued on the current stream."""
        key = (depth, images.shape)
        with self._lock, torch.cuda.device(self._device):
            if key not in self._recorded:
                self._recorded[key] = self._record(images, depth)
                if len(self._recorded) > MOST_GRAPHS:
                    self._recorded.popitem(last=False)
            self._recorded.move_to_end(key)
            held = self._recorded[key]
            held.images.copy_(images)
            held.graph.replay()
            return RawPredictions(*(each.clone() for each in held.outputs))

    def _record(self, images: Tensor, depth: Depth) -> Recorded:
        images = images.clone()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(RUNS_BEFORE):
                self._forward(images, depth)
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on copying images meanwhile.
        with ONE_AT_A_TIME, torch.cuda.graph(graph, pool=self._pool, stream=self._stream,
                                             capture_error_mode='thread_local'):
            outputs = self._forward(images, depth)
        self._pool = self._pool or graph.pool()
        return Recorded(graph, images, outputs)
