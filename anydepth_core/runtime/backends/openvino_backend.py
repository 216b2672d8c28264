# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO: the network in parts between the choices, each compiled once, chained per frame.

As one graph with `If` it is a quarter slower, because OpenVINO keeps its own layout of maps
within a graph only (docs/decisions/0005). The parts hand maps over in that layout.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
import openvino
import torch

from anydepth_core.depth import Depth
from anydepth_core.errors import BackendError
from anydepth_core.models.base import RawPredictions
from anydepth_core.runtime.cores import thread_count
from anydepth_core.runtime.export.unfold import Condition, Part, split
from anydepth_core.runtime.network import Network

PRECISIONS = {'fp32': 'f32', 'fp16': 'f16', 'bf16': 'bf16'}
# Two threads that ask at once would get one each from the cache alone.
ASKING_FOR_CORE = threading.Lock()


class Step(NamedTuple):
    """A part of the network, or a choice between two, ready to run.

    What it was made of is not kept: OpenVINO has laid the weights out for itself.

    Attributes:
        condition: what a choice asks of a depth; None for a part that always runs.
        request: runs if the condition holds.
        otherwise: runs else; None if the outputs are then the values `unchanged`.
        outputs, unchanged: see Choice.
    """

    condition: Condition | None
    request: Any
    otherwise: Any = None
    outputs: Sequence[str] = ()
    unchanged: Sequence[str] = ()


class OpenVinoBackend:
    """See Backend. Devices are OpenVINO's: 'cpu', 'gpu', 'gpu.1', 'npu', …"""

    name = 'openvino'

    def __init__(self, network: Network, *, device: str, precision: str) -> None:
        name = _resolve(device)
        self.device = name.lower()
        self.precision = precision
        config = _config(name, precision)

        tensors: dict[str, openvino.Tensor] = {}

        def compiled(part: Part) -> Any:
            """Return the request of a part, bound to the tensors it shares with the others."""
            model = core().read_model(part.model.SerializeToString(), b'')
            request = core().compile_model(model, name, config).create_infer_request()
            for port in (*model.inputs, *model.outputs):
                value = port.any_name
                if value not in tensors:
                    tensors[value] = openvino.Tensor(port.element_type, port.shape)
                request.set_tensor(value, tensors[value])
            return request

        self._steps = [
            Step(None, compiled(step)) if isinstance(step, Part) else
            Step(step.condition, compiled(step.yes), step.no and compiled(step.no), step.outputs,
                 step.unchanged)
            for step in split(network.onnx)]
        self._values = {value: tensor.data for value, tensor in tensors.items()}
        # One set of tensors; frames of several threads would share the same cores anyway.
        self._lock = threading.Lock()

    def upload(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (B, H, W, 3) float32 in [0, 1]."""
        # Not by PyTorch, whose threads would have to be woken for so little.
        return np.divide(pixels, np.float32(255), dtype=np.float32)

    def run(self, images: NDArray[np.float32], depth: Depth) -> RawPredictions:
        """Run the network on what `upload` returned, image by image."""
        results = [self._run(image[None], depth) for image in images]
        return RawPredictions(*(torch.cat(column) for column in zip(*results)))

    def _run(self, image: NDArray[np.float32], depth: Depth) -> tuple[torch.Tensor, torch.Tensor]:
        flags = [depth[stage] for stage in depth.space.stages]
        layers = depth.decoder_layers or 0
        values = self._values
        with self._lock:
            values['images'][:] = image
            if 'decoder_layers' in values:
                values['decoder_layers'][:] = layers
            for step in self._steps:
                if step.condition is None or step.condition.holds(flags, layers):
                    step.request.infer()
                elif step.otherwise is not None:
                    step.otherwise.infer()
                else:
                    for name, same in zip(step.outputs, step.unchanged):
                        values[name][:] = values[same]
            # The next frame uses the tensors again.
            logits, boxes = (torch.from_numpy(values[name].copy())
                             for name in RawPredictions._fields)
        return logits, boxes


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
