# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Memory: what is free, what a network takes, what a process took at most, giving it back.

The first two are estimates, for a second network beside one that runs. What loading takes at its
height was measured with 7 million parameters at 640x640 on a CPU, which a test repeats: 5 times
the weights with PyTorch, 40 times with OpenVINO where the graph has to be exported first. What a
GPU needs was not measured.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path
import re
import resource

import torch

from anydepth_core.runtime.network import Header

FACTORS = {'torch': 5}
OTHER_FACTOR = 36
ALWAYS_BYTES = 200 * 2**20
USUAL_PIXELS = 640 * 640
CGROUP = Path('/sys/fs/cgroup')


def needed_bytes(header: Header, backend: str) -> int:
    """Return what loading the file and running it may take at most, in bytes."""
    height, width = header.info.input_size
    maps = max(1.0, height * width / USUAL_PIXELS)  # feature maps grow with the input
    return int(header.weights_bytes * FACTORS.get(backend, OTHER_FACTOR) * maps) + ALWAYS_BYTES


def free_bytes(device: str) -> int | None:
    """Return how much memory this process may still take on a device; None if nobody tells."""
    kind, _, index = device.partition(':')
    if kind == 'cuda' and torch.cuda.is_available():
        number = int(index or 0)
        cached = torch.cuda.memory_reserved(number) - torch.cuda.memory_allocated(number)
        return int(torch.cuda.mem_get_info(number)[0]) + cached
    known = [free for free in (_of_machine(), _of_container(), _of_process()) if free is not None]
    return max(0, min(known)) if known else None


def forget_peak(device: str) -> None:
    """Let `peak_bytes` tell what is taken from here on."""
    if device.startswith('cuda'):
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):  # then it stays the most there ever was
        Path('/proc/self/clear_refs').write_text('5', encoding='ascii')


def peak_bytes(device: str) -> int | None:
    """Return the most that this process took since `forget_peak`; None if nobody tells.

    Of a CPU's memory that is all that is resident, libraries too; of a GPU's what PyTorch holds.
    """
    if device.startswith('cuda'):
        return int(torch.cuda.max_memory_reserved(device)) or None
    kilobytes = None if device != 'cpu' else _number(Path('/proc/self/status'), r'VmHWM:\s+(\d+)')
    return None if kilobytes is None else 1024 * kilobytes


def give_back() -> None:
    """Free what is held in cycles, and give the system what is free; for between two frames.

    Nobody has to look through what is still there again before the next call of this: a collection
    of it all at any other moment would hold up every thread for a tenth of a second and more.
    """
    gc.unfreeze()
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()


def _of_machine() -> int | None:
    kilobytes = _number(Path('/proc/meminfo'), r'MemAvailable:\s+(\d+)')
    return None if kilobytes is None else 1024 * kilobytes


def _of_container() -> int | None:
    """Return what the control group leaves, counting pages of files as free."""
    limit = _number(CGROUP / 'memory.max', r'(\d+)')
    used = _number(CGROUP / 'memory.current', r'(\d+)')
    if limit is None or used is None:
        return None
    return limit - used + (_number(CGROUP / 'memory.stat', r'inactive_file (\d+)') or 0)


def _of_process() -> int | None:
    """Return what `ulimit -v` leaves."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    kilobytes = _number(Path('/proc/self/status'), r'VmSize:\s+(\d+)')
    if limit == resource.RLIM_INFINITY or kilobytes is None:
        return None
    return limit - 1024 * kilobytes


def _number(path: Path, pattern: str) -> int | None:
    try:
        match = re.search(pattern, path.read_text(encoding='ascii', errors='replace'))
    except OSError:
        return None
    return int(match[1]) if match else None
