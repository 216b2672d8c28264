# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime: one session for all depths, on its CPU, CUDA or TensorRT provider."""

from __future__ import annotations

import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
import onnx
import onnxruntime
import torch

from anydepth_core.depth import Depth
from anydepth_core.errors import BackendError
from anydepth_core.models.base import RawPredictions
from anydepth_core.runtime.backends.base import as_batch, loading
from anydepth_core.runtime.cores import thread_count
from anydepth_core.runtime.export.borders import with_narrow_borders
from anydepth_core.runtime.export.check import feeds_of
from anydepth_core.runtime.export.unfold import with_local_constants, with_pixels
from anydepth_core.runtime.export.weights_beside import for_loading
from anydepth_core.runtime.network import Network

PROVIDERS = {'cpu': 'CPUExecutionProvider', 'cuda': 'CUDAExecutionProvider',
             'tensorrt': 'TensorrtExecutionProvider'}
SPIN_US = 50  # docs/decisions/0004


class OnnxRuntimeBackend:
    """See Backend. Devices are 'cpu', 'cuda', 'cuda:N', 'tensorrt' and 'tensorrt:N'."""

    name = 'onnxruntime'

    def __init__(self, network: Network, *, device: str, precision: str) -> None:
        kind, self.device, index = _resolve(device)
        if precision != 'fp32' and (kind, precision) != ('tensorrt', 'fp16'):
            raise BackendError(f"backend 'onnxruntime' on {kind} computes in 'fp32' "
                               f"('fp16' with tensorrt), not {precision!r}")
        self.precision = precision
        # Bytes as input and narrow borders were measured on CPUs only.
        self._on_cpu = kind == 'cpu'
        options = session_options()
        # Planning a frame's memory as one block keeps the blocks of the first frames as well.
        options.enable_mem_pattern = False
        graph = network.onnx
        with loading('ONNX Runtime'):
            if self._on_cpu:
                graph = with_narrow_borders(with_pixels(graph))
            self._session = open_session(graph, options, _providers(kind, index, precision))
        if self._session.get_providers()[0] != PROVIDERS[kind]:
            raise BackendError(f'device {device!r} cannot be used: ONNX Runtime failed to load '
                               f'its {PROVIDERS[kind]} (is its CUDA or TensorRT installed?)')

    def upload(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return (B, 3, H, W): uint8 for the CPU, for others float32 in [0, 1]."""
        batch, height, width, _ = pixels.shape
        images = np.empty((batch, 3, height, width), np.uint8)
        # A seventh of what NumPy's transposition takes.
        for image, planes in zip(pixels, images):
            cv2.split(image, list(planes))
        return images if self._on_cpu else np.divide(images, np.float32(255), dtype=np.float32)

    def run(self, images: NDArray[Any], depth: Depth) -> RawPredictions:
        """Run the network on what `upload` returned, image by image."""
        return as_batch([self._session.run(RawPredictions._fields, feeds_of(depth, image[None]))
                         for image in images])


def session_options(spin_us: int = SPIN_US) -> onnxruntime.SessionOptions:
    """Return options with our number of threads, which spin a while before they sleep.

    Args:
        spin_us: microseconds; 0 for not at all, which is also what an ONNX Runtime before 1.26
            gets, as it knows no duration.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count()
    options.log_severity_level = 3
    spin = spin_us > 0 and tuple(map(int, onnxruntime.__version__.split('.')[:2])) >= (1, 26)
    options.add_session_config_entry('session.intra_op.allow_spinning', str(int(spin)))
    options.add_session_config_entry('session.intra_op.spin_duration_us', str(spin_us))
    return options


def _resolve(device: str) -> tuple[str, str, int]:
    """Return kind, full name and number of a device; BackendError for one that is not here."""
    here = [kind for kind, provider in PROVIDERS.items()
            if provider in onnxruntime.get_available_providers()]
    if device == 'auto':
        device = 'cuda' if 'cuda' in here and torch.cuda.is_available() else 'cpu'
    match = re.fullmatch(r'(cpu)|(cuda|tensorrt)(?::([0-9]{1,3}))?', device)
    if match is None:
        raise BackendError(f"unknown device {device!r}; with backend 'onnxruntime' valid: 'auto', "
                           "'cpu', 'cuda', 'cuda:N', 'tensorrt', 'tensorrt:N'")
    kind = match[1] or match[2]
    if kind not in here:
        raise BackendError(f'device {device!r} is not available: this ONNX Runtime has '
                           f'{" ".join(here)}; pip install onnxruntime-gpu for the others')
    if kind == 'cpu':
        return kind, kind, 0
    return kind, f'{kind}:{match[3] or 0}', int(match[3] or 0)


def open_session(model: onnx.ModelProto, options: onnxruntime.SessionOptions,
                 providers: list[tuple[str, dict[str, Any]]]) -> onnxruntime.InferenceSession:
    """Return a session of `model`, its weights read from a file that lives for a moment.

    Given bytes, a session would keep in every `If` the weights of both ways, too.
    """
    with for_loading(with_local_constants(model)) as source:
        session = onnxruntime.InferenceSession(source, options, providers=providers)
    session.disable_fallback()
    return session


def _providers(kind: str, index: int, precision: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the providers to try, in order; each leaves what it cannot run to the next one."""
    providers: list[tuple[str, dict[str, Any]]] = [(PROVIDERS['cpu'], {})]
    if kind != 'cpu':
        providers.insert(0, (PROVIDERS['cuda'], {'device_id': index}))
    if kind == 'tensorrt':
        providers.insert(0, (PROVIDERS['tensorrt'], {
            'device_id': index, 'trt_fp16_enable': precision == 'fp16'}))
    return providers
