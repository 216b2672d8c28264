# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Fills a profile: runs depths in turn on this machine and writes down what each costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
import os
from pathlib import Path
import re

import numpy as np
from numpy.typing import NDArray
import torch

from anydepth_core.depth import GROUPS, Depth, DepthSpace
from anydepth_core.errors import AnyDepthError
from anydepth_core.models.count import count_gflops
from anydepth_core.models.registry import create_model
from anydepth_core.runtime.cores import thread_count
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.memory import forget_peak, peak_bytes
from anydepth_core.runtime.profile import Profile, ProfileEntry, ProfileKey

FEWEST_FRAMES = 10


def usual_depths(space: DepthSpace) -> list[Depth]:
    """Return depths worth measuring: the extremes; each stage, backbone and neck changed alone."""
    alone = [*((stage,) for stage in space.stages), GROUPS['backbone'], GROUPS['neck']]
    counts = {space.full.decoder_layers, space.base.decoder_layers}
    found = []
    for layers in sorted(counts, key=lambda count: count or 0):
        found += [space.make(full, layers) for full in ((), *alone)]
        found += [space.make(set(space.stages) - set(essential), layers)
                  for essential in ((), *alone)]
    return list(dict.fromkeys(found))


def profile_key(detector: Detector) -> ProfileKey:
    """Return what a profile of this detector on this machine holds for."""
    return ProfileKey(device=hardware_name(detector.device), backend=detector.backend,
                      precision=detector.precision, input_size=detector.input_size,
                      weights_hash=detector.weights_hash)


def hardware_name(device: str) -> str:
    """Return the hardware a detector's device stands for; for a CPU with the number of threads."""
    kind, _, index = device.partition(':')
    if kind in ('cuda', 'tensorrt'):
        return torch.cuda.get_device_name(int(index or 0))
    if kind == 'cpu':
        return f'{_processor()}, {thread_count()} threads'
    from anydepth_core.runtime.backends.openvino_backend import core

    return str(core().get_property(device.upper(), 'FULL_DEVICE_NAME'))


def measure(detector: Detector, depths: Sequence[Depth], image: NDArray[np.uint8], *,
            frames: int = 50, created_by: str = '',
            progress: Callable[[int, int], None] = lambda done, count: None) -> Profile:
    """Measure depths in turn, frame by frame, so that a drift of the machine meets all alike.

    Args:
        detector: as it will run.
        depths: which; each once.
        image: (H, W, 3) uint8 RGB such as the detector will see.
        frames: how many of each depth.
        created_by: for people.
        progress: called with the number of rounds done and all of them.

    Raises:
        AnyDepthError: no depths, or too few frames for a 95th percentile.
    """
    if not depths or frames < FEWEST_FRAMES:
        raise AnyDepthError(f'a profile needs at least one depth and {FEWEST_FRAMES} frames')
    detector.warm_up(depths)
    taken: dict[Depth, list[float]] = {depth: [] for depth in depths}
    peaks: dict[Depth, int] = {}
    for done in range(frames):
        for depth in depths:
            forget_peak(detector.device)
            taken[depth].append(detector.detect(image, depth=depth).timing.total_ms)
            peaks[depth] = max(peaks.get(depth, 0), peak_bytes(detector.device) or 0)
        progress(done + 1, frames)
    model = create_model(detector.model_name, len(detector.class_names))
    entries = tuple(
        _entry(depth, taken[depth], count_gflops(model, depth, detector.input_size),
               detector.info.ap.get(str(depth)), peaks[depth]) for depth in depths)
    return Profile(key=profile_key(detector), model=detector.model_name, entries=entries,
                   frames=frames, created_by=created_by)


def worth_choosing(profile: Profile) -> Profile:
    """Return the profile with the entries alone that nothing cheaper equals in quality.

    Base and full stay in any case: they are the limits that users name, and on a busy machine a
    few slow frames make either look as if nobody needed it.
    """
    extremes = (profile.space.base, profile.space.full)
    best = profile.pareto(lambda entry: entry.mean_ms)
    kept = tuple(sorted((entry for entry in profile.entries
                         if entry in best or entry.depth in extremes),
                        key=lambda entry: entry.mean_ms))
    return Profile(key=profile.key, model=profile.model, entries=kept, frames=profile.frames,
                   created_by=profile.created_by)


def resident_bytes() -> int:
    """Return how much memory this process occupies now."""
    pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


def _entry(depth: Depth, milliseconds: Iterable[float], gflops: float, ap: float | None,
           peak: int) -> ProfileEntry:
    values = np.array(list(milliseconds))
    p50, p95, p99 = (float(each) for each in np.percentile(values, (50, 95, 99)))
    return ProfileEntry(depth=depth, gflops=gflops, mean_ms=float(values.mean()), p50_ms=p50,
                        p95_ms=p95, p99_ms=p99, ap=ap, memory_mb=peak / 1e6 or None)


def _processor() -> str:
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace')
    except OSError:
        text = ''
    # ARM kernels name no model there, but the board's device tree does.
    match = re.search(r'^model name\s*: (.+)$', text, re.MULTILINE)
    board = Path('/proc/device-tree/model')
    if match is None and board.is_file():
        return board.read_text(encoding='ascii', errors='replace').strip('\0 \n')
    return match[1].strip() if match else os.uname().machine
