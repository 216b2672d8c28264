# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO: one compiled network for all depths, in which maps cross choices as they lie."""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnx
import openvino

from anydepth_core.depth import Depth
from anydepth_core.errors import BackendError
from anydepth_core.models.base import RawPredictions
from anydepth_core.runtime.backends.base import as_batch, loading
from anydepth_core.runtime.cores import thread_count
from anydepth_core.runtime.export.borders import with_narrow_borders
from anydepth_core.runtime.export.check import feeds_of
from anydepth_core.runtime.export.one_kernel import with_one_kernel
from anydepth_core.runtime.export.unfold import with_pixels, with_planes_last
from anydepth_core.runtime.export.weights_beside import for_loading
from anydepth_core.runtime.network import Network

PRECISIONS = {'fp32': 'f32', 'fp16': 'f16', 'bf16': 'bf16'}
# Two threads that ask at once would get one each from the cache alone.
ASKING_FOR_CORE = threading.Lock()


class OpenVinoBackend:
    """See Backend. Devices are OpenVINO's: 'cpu', 'gpu', 'gpu.1', 'npu', …"""

    name = 'openvino'

    def __init__(self, network: Network, *, device: str, precision: str) -> None:
        name = _resolve(device)
        self.device = name.lower()
        self.precision = precision
        config = _config(name, precision)
        graph = network.onnx
        self._on_cpu = name == 'CPU'
        with loading('OpenVINO'):
            self._request = _compiled(_for_cpu(graph, precision) if self._on_cpu else graph, name,
                                      config).create_infer_request()
            self._shapes = [tuple(self._request.get_tensor(output).shape)
                            for output in RawPredictions._fields]
        # One request; frames of several threads would share the same cores anyway.
        self._lock = threading.Lock()

    def upload(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return them as they are for the CPU, for others as (B, H, W, 3) float32 in [0, 1]."""
        return pixels if self._on_cpu else np.divide(pixels, np.float32(255), dtype=np.float32)

    def run(self, images: NDArray[Any], depth: Depth) -> RawPredictions:
        """Run the network on what `upload` returned, image by image."""
        return as_batch([self._run(image[None], depth) for image in images])

    def _run(self, image: NDArray[Any], depth: Depth) -> list[NDArray[np.float32]]:
        results = [np.empty(shape, np.float32) for shape in self._shapes]
        with self._lock:
            for name, result in zip(RawPredictions._fields, results):
                # Written where it stays; of what a request holds itself we would need a copy.
                self._request.set_tensor(name, openvino.Tensor(result, shared_memory=True))
            self._request.infer(feeds_of(depth, image), share_inputs=True, share_outputs=True)
        return results


def _for_cpu(graph: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """Return the graph in the form that was measured on CPUs, and on nothing else."""
    graph = with_pixels(graph)
    # Half precision has not the range for what one kernel of two scales needs.
    return with_narrow_borders(graph if precision == 'fp16' else with_one_kernel(graph))


def _compiled(graph: onnx.ModelProto, device: str, config: dict[str, Any],
              ) -> openvino.CompiledModel:
    with for_loading(with_planes_last(graph)) as source:
        model = core().read_model(source, *([] if isinstance(source, str) else [b'']))
        return core().compile_model(model, device, config)


def core() -> openvino.Core:
    """Return the one OpenVINO of this process, which stays until the process ends.

    Each takes the signal stack of the thread that made it and gives back the one that was there
    before. Of two that go in the order they came, the second gives back the memory that the first
    has already freed, and the next signal kills the process (seen with OpenVINO 2026.4).
    """
    with ASKING_FOR_CORE:
        return _core()


@functools.cache
def _core() -> openvino.Core:
    return openvino.Core()


def _resolve(device: str) -> str:
    """Return OpenVINO's name of a device; BackendError for one that is not here."""
    here = list(core().available_devices)
    if device == 'auto':
        return next((name for name in here if name.startswith('GPU')), 'CPU')
    wanted = device.upper()
    if wanted not in here and f'{wanted}.0' not in here:
        raise BackendError(f'device {device!r} is not available: OpenVINO has '
                           f'{" ".join(name.lower() for name in here)}')
    return wanted


def precisions(device: str) -> list[str]:
    """Return what a device computes in; some processors have 'bf16' in their hardware."""
    capable = {'FP32', *core().get_property(device, 'OPTIMIZATION_CAPABILITIES')}
    return [name for name in PRECISIONS if name.upper() in capable]


def _config(device: str, precision: str) -> dict[str, Any]:
    known = precisions(device)
    if precision not in known:
        raise BackendError(f'precision {precision!r} is not what OpenVINO computes in on '
                           f'{device.lower()}; valid: {" ".join(known)}')
    # Where this is not said OpenVINO computes in bf16 on processors that have it.
    config: dict[str, Any] = {'INFERENCE_PRECISION_HINT': PRECISIONS[precision],
                              'PERFORMANCE_HINT': 'LATENCY'}
    if device == 'CPU':
        config |= {'INFERENCE_NUM_THREADS': thread_count(), 'ENABLE_CPU_PINNING': False}
    return config
