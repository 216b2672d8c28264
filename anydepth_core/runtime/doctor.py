# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What of the environment is really usable: every backend is made to run a small network.

A device that is listed may still fail, so nothing is believed that has not run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import importlib
import importlib.metadata
import importlib.util
import os
from pathlib import Path

import numpy as np
import torch

from anydepth_core.errors import AnyDepthError
from anydepth_core.models.model_info import ModelInfo
from anydepth_core.models.registry import create_model
from anydepth_core.runtime.backends import BACKENDS, best, installed, open_backend
from anydepth_core.runtime.cores import thread_count
from anydepth_core.runtime.devices import available_devices
from anydepth_core.runtime.measure import hardware_name
from anydepth_core.runtime.network import Network, cache_folder, of_model

SIZE = (64, 64)
MODEL = 'anydepth-yolo-tiny'


@dataclass(frozen=True)
class BackendCheck:
    """One backend on one device.

    Attributes:
        backend, device: names, as `Detector.open` takes them.
        hardware: what the device is; empty if it is not usable.
        problem: what is wrong and what to do, one line; empty if it ran.
    """

    backend: str
    device: str
    hardware: str = ''
    problem: str = ''


@dataclass(frozen=True)
class Environment:
    """What was found.

    Attributes:
        versions: of the packages that matter, '' for one that is not installed.
        threads: that a network will use on the CPU.
        backends: every backend on every device that it lists.
        automatic: the backend that 'auto' is on a CPU.
        cache: where exported graphs are kept, and whether that can be written.
    """

    versions: dict[str, str]
    threads: int
    backends: list[BackendCheck]
    automatic: str
    cache: tuple[str, bool]


def examine_environment() -> Environment:
    """Run a small network on every backend and device, and look at the rest."""
    torch.manual_seed(0)
    info = ModelInfo(model=MODEL, class_names=('thing',), input_size=SIZE)
    network = of_model(create_model(MODEL, 1).eval(), info, '0' * 64)
    if importlib.util.find_spec('onnx'):
        from anydepth_core.runtime.export.graph import any_depth_graph

        graph = any_depth_graph(network.model, SIZE, {})
        network = Network(info, network.weights_hash, network.depths, network.decoding,
                          loaded=network.model, graph=graph)
    automatic = best(Network(info, network.weights_hash, network.depths, network.decoding,
                             loaded=network.model), 'cpu', 'fp32')
    packages = ('torch', 'torchvision', 'numpy', 'opencv-python-headless', 'onnx', 'onnxruntime',
                'openvino')
    return Environment({name: package_version(name) for name in packages}, thread_count(),
                       list(_checks(network)), automatic, _cache())


def package_version(name: str) -> str:
    """Return the installed version of a package; '' if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ''


def describe(found: Environment) -> str:
    """Return the findings as lines of text."""
    lines = [f'{name:24}{version or "not installed"}' for name, version in found.versions.items()]
    lines.append(f'{"threads":24}{found.threads} (OMP_NUM_THREADS chooses another number)')
    for each in found.backends:
        state = f'usable: {each.hardware}' if not each.problem else f'NOT usable: {each.problem}'
        lines.append(f'{each.backend + " " + each.device:24}{state}')
    lines.append(f'{"auto, on a CPU":24}{found.automatic}')
    folder, writable = found.cache
    lines.append(f'{"cache":24}{folder}' + (
        '' if writable else ' (cannot be written; each start exports again)'))
    return '\n'.join(lines)


def _checks(network: Network) -> Iterator[BackendCheck]:
    for backend, row in BACKENDS.items():
        if backend not in installed():
            missing = [name for name in row.packages if not importlib.util.find_spec(name)]
            yield BackendCheck(backend, '', problem=f'{" ".join(missing)} not installed; '
                                                    f'pip install {row.requirement}')
            continue
        for device in _devices(backend):
            yield _check(network, backend, device)


def _devices(backend: str) -> list[str]:
    if backend == 'torch':
        return available_devices()
    if backend == 'onnxruntime':
        from anydepth_core.runtime.backends.onnx_backend import PROVIDERS

        providers = importlib.import_module('onnxruntime').get_available_providers()
        return [kind for kind, provider in PROVIDERS.items() if provider in providers]
    from anydepth_core.runtime.backends.openvino_backend import core

    return [name.lower() for name in core().available_devices]


def _check(network: Network, backend: str, device: str) -> BackendCheck:
    """Run all there is once; whatever a broken driver raises is a finding, not a crash."""
    try:
        runner = open_backend(backend, network, device=device, precision='fp32')
        images = runner.upload(np.zeros((1, *SIZE, 3), np.uint8))
        for depth in network.depths.covering:
            if not torch.isfinite(runner.run(images, depth).logits).all():
                return BackendCheck(backend, device, problem='computes NaN or infinity')
        return BackendCheck(backend, device, hardware_name(device))
    except (AnyDepthError, RuntimeError, ValueError, OSError) as error:
        return BackendCheck(backend, device, problem=str(error).strip().split('\n')[0][:300])


def _cache() -> tuple[str, bool]:
    folder = cache_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return str(folder), Path(existing).is_dir() and os.access(existing, os.W_OK)
