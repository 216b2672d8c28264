# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Devices and precisions of PyTorch: what was asked for, or an error that says what there is."""

from __future__ import annotations

import re

import torch

from anydepth_core.errors import BackendError, nearest

PRECISIONS = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}


def available_devices() -> list[str]:
    """Return the names of the devices of this machine, best first."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [*(f'cuda:{index}' for index in range(count)), 'cpu']


def resolve_device(name: str) -> torch.device:
    """Return the device that `name` means: 'auto', 'cpu', 'cuda' or 'cuda:N'.

    Raises:
        BackendError: it is not here; never another one instead.
    """
    available = available_devices()
    if name == 'auto':
        return torch.device(available[0])
    if not re.fullmatch(r'cpu|cuda(:[0-9]{1,3})?', name):
        raise BackendError(f"unknown device {name!r}; valid: 'auto', 'cpu', 'cuda', 'cuda:N'")
    exact = 'cuda:0' if name == 'cuda' else name
    if exact not in available:
        raise BackendError(f'device {name!r} is not available; this machine has '
                           f'{" ".join(available)}')
    return torch.device(exact)


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the number type that `name` ('fp32', 'fp16' or 'bf16') means on a device.

    Raises:
        BackendError: unknown, or the device does not compute in it.
    """
    if name not in PRECISIONS:
        raise BackendError(f'unknown precision {name!r}{nearest(name, PRECISIONS)}; '
                           f'valid: {" ".join(PRECISIONS)}')
    if name == 'fp16' and device.type == 'cpu':
        raise BackendError("precision 'fp16' is for GPUs: CPUs emulate it, slower than 'fp32'")
    if (name == 'bf16' and device.type == 'cuda'
            and torch.cuda.get_device_capability(device) < (8, 0)):
        raise BackendError(f"precision 'bf16' is not in the hardware of {device}; use 'fp16'")
    return PRECISIONS[name]
