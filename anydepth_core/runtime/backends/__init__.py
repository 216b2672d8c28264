# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to run a network. The registry is data: a further backend is a row here and a module."""

from __future__ import annotations

from collections.abc import Mapping
import importlib
import importlib.util
from typing import NamedTuple, cast

import torch

from anydepth_core.errors import BackendError, nearest
from anydepth_core.runtime.backends.base import Backend
from anydepth_core.runtime.network import Network


class Row(NamedTuple):
    """Where a backend is: its module, its class there, the packages it needs, how to get them."""

    module: str
    class_name: str
    packages: tuple[str, ...]
    requirement: str


BACKENDS: Mapping[str, Row] = {
    'openvino': Row('anydepth_core.runtime.backends.openvino_backend', 'OpenVinoBackend',
                    ('onnx', 'openvino'), "'anydepth_ros[openvino]'"),
    'onnxruntime': Row('anydepth_core.runtime.backends.onnx_backend', 'OnnxRuntimeBackend',
                       ('onnx', 'onnxruntime'), "'anydepth_ros[onnxruntime]'"),
    'torch': Row('anydepth_core.runtime.backends.torch_backend', 'TorchBackend', ('torch',),
                 'torch'),
}


def installed(registry: Mapping[str, Row] = BACKENDS) -> list[str]:
    """Return the backends whose packages are here, the quickest on a CPU first."""
    return [name for name, row in registry.items()
            if all(importlib.util.find_spec(package) for package in row.packages)]


def best(network: Network, device: str, precision: str) -> str:
    """Return the backend that 'auto' means.

    On a CPU the quickest one that computes in the precision, on GPUs PyTorch.
    """
    here = [name for name in installed() if name != 'torch' or network.graph is None]
    on_cpu = device == 'cpu' or (device == 'auto' and not torch.cuda.is_available())
    if network.graph is None and on_cpu and precision == 'bf16' and 'openvino' in here:
        from anydepth_core.runtime.backends.openvino_backend import precisions

        return 'openvino' if precision in precisions('CPU') else 'torch'
    if network.graph is None and not (on_cpu and precision == 'fp32'):
        return 'torch'
    if not here:
        raise BackendError('no runtime for ONNX files is installed; '
                           f'pip install {BACKENDS["onnxruntime"].requirement}')
    return here[0]


def open_backend(name: str, network: Network, *, device: str, precision: str,
                 registry: Mapping[str, Row] = BACKENDS) -> Backend:
    """Return a backend that runs `network`; 'auto' is the best one there is.

    Raises:
        BackendError: unknown or not installed, or it lacks the device or the precision.
    """
    name = best(network, device, precision) if name == 'auto' else name
    if name not in registry:
        raise BackendError(f'unknown backend {name!r}{nearest(name, registry)}; '
                           f'valid: auto {" ".join(registry)}')
    row = registry[name]
    try:
        module = importlib.import_module(row.module)
    except ImportError as error:
        raise BackendError(f'backend {name!r} is not installed ({error}); '
                           f'pip install {row.requirement}') from error
    return cast(Backend, getattr(module, row.class_name)(network, device=device,
                                                         precision=precision))


__all__ = ['BACKENDS', 'Backend', 'Row', 'best', 'installed', 'open_backend']
