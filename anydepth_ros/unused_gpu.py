# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the network runs on the CPU of a machine that has a GPU. No ROS here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# What the drivers of NVIDIA (desktop, Jetson) and AMD leave there.
DRIVERS = ('nvidia0', 'nvhost-gpu', 'kfd')


def drivers(folder: Path = Path('/dev')) -> list[str]:
    """Return the device files of GPUs."""
    return [str(folder / name) for name in DRIVERS if (folder / name).exists()]


def unused_gpu(device: str, available: Sequence[str], drivers: Sequence[str]) -> str:
    """Return one sentence with the fix; empty where all is as it should be.

    Args:
        device: where the network runs.
        available: the devices that PyTorch can use, best first.
        drivers: device files of GPUs.
    """
    if device != 'cpu':
        return ''
    if available and available[0] != 'cpu':
        return (f'the network runs on the CPU although {available[0]} is there: start with '
                f'device:={available[0]}')
    if drivers:
        return (f'the network runs on the CPU although this machine has a GPU ({drivers[0]}): '
                'PyTorch cannot use it; install a PyTorch that is built for it')
    return ''
