# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Power and temperature of NVIDIA GPUs, where the optional package nvidia-ml-py is installed."""

from __future__ import annotations

from collections.abc import Callable
import importlib
from pathlib import Path
from typing import Any

from anydepth_core.runtime.energy.source import Found, Source, celsius, watts

DRIVER = 'module/nvidia'  # below /sys, where the driver of GPUs that NVML knows is loaded


def find_nvml(root: Path, nvml: Any = None) -> Found:
    """Return the sensors of all NVIDIA GPUs.

    Args:
        root: /sys, which tells whether there is a driver, to say that the package is missing.
        nvml: the module pynvml; None imports it.
    """
    found = Found()
    if nvml is None:
        try:
            nvml = importlib.import_module('pynvml')
        except ImportError:
            if (root / DRIVER).exists():
                found.notes.append('NVIDIA GPUs tell nothing without nvidia-ml-py; '
                                   'pip install nvidia-ml-py')
            return found
    try:
        nvml.nvmlInit()
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        if (root / DRIVER).exists():
            found.notes.append(f'NVML: {error}')
        return found
    for index in range(count):
        _find_gpu(nvml, index, found)
    return found


def _find_gpu(nvml: Any, index: int, found: Found) -> None:
    try:
        gpu = nvml.nvmlDeviceGetHandleByIndex(index)
        name = nvml.nvmlDeviceGetName(gpu)
    except nvml.NVMLError as error:
        found.notes.append(f'NVML GPU {index}: {error}')
        return
    name = name.decode(errors='replace') if isinstance(name, bytes) else name

    def add(sources: list[Source], what: str, ask: Callable[[], float]) -> None:
        def read() -> float:
            try:
                return ask()
            except nvml.NVMLError as error:
                raise OSError(str(error)) from error

        try:
            read()
        except (OSError, ValueError) as error:
            found.notes.append(f'{name} tells no {what} ({error})')
        else:
            sources.append(Source(name, read))

    add(found.part_w, 'power', lambda: watts(nvml.nvmlDeviceGetPowerUsage(gpu) / 1e3))
    add(found.celsius, 'temperature', lambda: celsius(float(
        nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU))))
