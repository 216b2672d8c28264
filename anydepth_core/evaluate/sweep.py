# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What every depth costs and achieves: AP, GFLOPs and latency, and which depths are worth it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
import itertools
from statistics import median

import numpy as np
from numpy.typing import NDArray
import torch

from anydepth_core.data.batches import Batch
from anydepth_core.depth import STAGES, Depth, DepthSpace
from anydepth_core.evaluate.batches import evaluate_depths
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.count import count_gflops
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.profile import pareto

AT_ONCE = 16  # depths whose detections are held in memory together


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one image at batch size one.

    Attributes:
        total: median from the image array to the detections.
        network: median of the network alone.
        p95: of the total.
    """

    total: float
    network: float
    p95: float


@dataclass(frozen=True)
class SweepRow:
    """One depth.

    Attributes:
        setting: what the paper calls it.
        depth: canonical text.
        gflops: of one image, 2 x multiply-adds of convolutions and linear layers.
        latency: measured; None if it was not.
        numbers: COCO's, by name.
        above_line: AP above the straight line from base to full over GFLOPs, which alternating
            between the two would reach; None where there is no such line.
    """

    setting: str
    depth: str
    gflops: float
    latency: Latency | None
    numbers: dict[str, float]
    above_line: float | None = None

    @property
    def ap(self) -> float:
        """Average precision in [0, 1]."""
        return self.numbers['ap']


def paper_depths(space: DepthSpace) -> dict[str, str]:
    """Return the rows of the paper's Tables 2 and 9 that this space has: setting to depth."""
    rows = {'all full': 'full'}
    backbone = [stage for stage in STAGES[:4] if stage in space.stages]
    for count in range(1, len(backbone) + 1):
        chosen = backbone[:count]
        rows[f'essential in {", ".join(chosen).upper()}'] = 'full-' + '-'.join(chosen)
    if {'pan4', 'pan5'} <= set(space.stages):
        rows['essential in PAN'] = 'full-pan'
    if set(STAGES[4:]) <= set(space.stages):
        rows['essential in FPN + PAN'] = 'full-neck'
    for count in range((space.decoder_layers or 0) - 1, 0, -1):
        rows[f'{count} decoder layer{"s" if count > 1 else ""}'] = f'full@{count}'
    rows = {setting: text for setting, text in rows.items() if space.parse(text) != space.base}
    layers = space.base_decoder_layers
    return rows | {f'all essential{f", {layers} decoder layers" if layers else ""}': 'base'}


def single_depths(space: DepthSpace) -> dict[str, str]:
    """Return the depths that differ from an extreme in one stage: setting to depth."""
    rows = {'all full': 'full'}
    rows |= {f'essential in {stage.upper()} only': f'full-{stage}' for stage in space.stages}
    rows |= {f'full in {stage.upper()} only': f'base+{stage}' for stage in space.stages}
    return rows | {'all essential': 'base'}


def all_depths(space: DepthSpace) -> dict[str, str]:
    """Return every depth of the space, from full to the shallowest."""
    return {str(depth): str(depth) for depth in reversed(list(space))}


DEPTHS: dict[str, Callable[[DepthSpace], dict[str, str]]] = {
    'paper': paper_depths, 'single': single_depths, 'all': all_depths}


def sweep(model: AnyDepthModel, depths: dict[str, str], batches: Callable[[], Iterable[Batch]],
          size: tuple[int, int], latencies: dict[str, Latency] | None = None, *,
          dtype: torch.dtype = torch.float32) -> list[SweepRow]:
    """Evaluate depths and count what they cost.

    Args:
        model: stays as it is; runs where its weights are.
        depths: settings and their depths.
        batches: makes the batches to evaluate on; called once for every 16 depths.
        size: (height, width) of the network input.
        latencies: by the canonical text of the depth.
        dtype: torch.bfloat16 or torch.float16 for autocast.
    """
    resolved = {setting: model.depths.resolve(text) for setting, text in depths.items()}
    distinct = list(dict.fromkeys(resolved.values()))
    numbers: dict[Depth, dict[str, float]] = {}
    for group in in_groups(distinct, AT_ONCE):
        evaluations = evaluate_depths(model, batches(), group, dtype=dtype)
        numbers |= {depth: evaluations[str(depth)].scores.numbers() for depth in group}
    gflops = {depth: count_gflops(model, depth, size) for depth in distinct}
    full, base = model.depths.full, model.depths.base
    rows = []
    for setting, depth in resolved.items():
        above = None
        if full in numbers and base in numbers and gflops[full] > gflops[base]:
            share = (gflops[depth] - gflops[base]) / (gflops[full] - gflops[base])
            line = share * numbers[full]['ap'] + (1 - share) * numbers[base]['ap']
            above = numbers[depth]['ap'] - line
        rows.append(SweepRow(setting, str(depth), gflops[depth],
                             (latencies or {}).get(str(depth)), numbers[depth], above))
    return rows


def measure_latencies(detector: Detector, depths: Iterable[str],
                      images: Sequence[NDArray[np.uint8]], rounds: int, *,
                      warm_up: int = 5) -> dict[str, Latency]:
    """Return the latency of each depth, by its canonical text.

    The depths take turns within every round, and each round starts with another one, so that a
    machine that slows down slows them all.

    Args:
        detector: what runs them.
        depths: at least one.
        images: (H, W, 3) uint8 RGB, used in turn.
        rounds: measured frames of each depth.
        warm_up: frames of each depth before these.
    """
    chosen = [str(detector.depths.resolve(depth)) for depth in dict.fromkeys(depths)]
    totals: dict[str, list[float]] = {depth: [] for depth in chosen}
    networks: dict[str, list[float]] = {depth: [] for depth in chosen}
    for number in range(warm_up + rounds):
        image = images[number % len(images)]
        start = number % len(chosen)
        for depth in chosen[start:] + chosen[:start]:
            timing = detector.detect(image, depth=depth).timing
            if number >= warm_up:
                totals[depth].append(timing.total_ms)
                networks[depth].append(timing.network_ms)
    return {depth: Latency(median(totals[depth]), median(networks[depth]),
                           float(np.percentile(totals[depth], 95))) for depth in chosen}


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which of the (cost, quality) points nothing as cheap equals, cheapest first."""
    return pareto(range(len(points)), lambda index: points[index][0],
                  lambda index: points[index][1])


def in_groups(items: Sequence[Depth], size: int) -> Iterator[list[Depth]]:
    """Yield the items in lists of `size`."""
    iterator = iter(items)
    while group := list(itertools.islice(iterator, size)):
        yield group
