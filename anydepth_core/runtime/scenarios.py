# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a policy is simulated with: budget traces, disturbances, and published profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import random

from anydepth_core.depth import STAGES, DepthSpace
from anydepth_core.runtime.profile import Profile, ProfileEntry, ProfileKey

FRAMES = 900
CAMERA_PERIOD_S = 1 / 30
STEPS = (0.30, 0.80, 0.50)
BAND = (0.1, 0.9)

Trace = Callable[[random.Random, int], list[float]]


def step(rng: random.Random, frames: int) -> list[float]:
    """Three levels in turn, as in the authors' schedule."""
    return [STEPS[i * len(STEPS) // frames] for i in range(frames)]


def ramp(rng: random.Random, frames: int) -> list[float]:
    """From the bottom of the band to its top, and back."""
    low, high = BAND
    return [high - (high - low) * abs(2 * i / frames - 1) for i in range(frames)]


def sawtooth(rng: random.Random, frames: int) -> list[float]:
    """Four rises through the band, each ending in a fall; the authors' second schedule."""
    low, high = BAND
    return [low + (high - low) * (4 * i / frames % 1) for i in range(frames)]


def walk(rng: random.Random, frames: int) -> list[float]:
    """A random walk within the band."""
    low, high = BAND
    values = [0.5]
    for _ in range(frames - 1):
        values.append(min(max(values[-1] + rng.gauss(0, 0.02), low), high))
    return values


TRACES: Mapping[str, Trace] = {'step': step, 'ramp': ramp, 'sawtooth': sawtooth, 'walk': walk}


@dataclass(frozen=True)
class Disturbance:
    """How the world departs from the profile, frame by frame.

    Attributes:
        slowdown: factor on all costs of frame i of n.
        period: factor on the camera's period at frame i of n.
        outlier_share: of frames that cost `outlier` times as much.
    """

    slowdown: Callable[[int, int], float] = lambda i, n: 1.0
    period: Callable[[int, int], float] = lambda i, n: 1.0
    outlier_share: float = 0.0
    outlier: float = 4.0


DISTURBANCES: Mapping[str, Disturbance] = {
    'none': Disturbance(),
    'throttle': Disturbance(slowdown=lambda i, n: 1.3 if 0.4 <= i / n < 0.7 else 1.0),
    'spikes': Disturbance(slowdown=lambda i, n: 1.5 if i % 120 >= 105 else 1.0),
    'rate': Disturbance(period=lambda i, n: (1.0, 1.25, 0.8)[3 * i // n]),
    'outliers': Disturbance(outlier_share=0.02),
}


@dataclass(frozen=True)
class Scenario:
    """One trace with one disturbance; the changing camera rate is kept to a budget per second."""

    trace: str
    disturbance: str
    frames: int = FRAMES

    @property
    def name(self) -> str:
        """The trace and the disturbance."""
        return f'{self.trace}/{self.disturbance}'

    @property
    def unit(self) -> str:
        """Of the budget."""
        return 'gflops/s' if self.disturbance == 'rate' else 'ms'


SCENARIOS = tuple(Scenario(trace, disturbance) for trace in TRACES for disturbance in DISTURBANCES)

# Paper Table 2 (AnyDepth-DETR R50 on COCO val): depth, GFLOPs, frames per second, AP.
_PAPER_TABLE_2 = (
    ('full', 134.2, 113.2, 0.533), ('full-p2', 130.6, 114.9, 0.520),
    ('full-p2-p3', 123.4, 119.6, 0.520), ('full-p2-p3-p4', 112.8, 127.3, 0.514),
    ('full-backbone', 109.2, 130.3, 0.513), ('full-pan', 128.9, 116.5, 0.531),
    ('full-neck', 107.8, 120.2, 0.524), ('full@5', 132.2, 118.9, 0.532),
    ('full@4', 130.4, 126.9, 0.531), ('full@3', 128.4, 136.8, 0.526),
    ('full@2', 126.4, 148.0, 0.513), ('full@1', 124.6, 160.0, 0.488),
    ('base', 79.0, 165.3, 0.506))
# AnyDepth-YOLO s as the authors deployed it for their controller: ms at base and full.
_ANCHORS = {'yolo-s rtx-3090': (3.24, 5.20), 'yolo-s orin-576': (14.45, 23.37),
            'yolo-s orin-720': (25.12, 42.12)}
_YOLO_S_GFLOPS = (16.54, 22.63)
# The publications give no quantiles: a spread of 3 % (standard deviation) is assumed.
_SPREAD = 0.03


def published_profiles() -> dict[str, Profile]:
    """Return profiles made of the latencies that the AnyDepth authors published."""
    detr, yolo = DepthSpace(STAGES, 6), DepthSpace(STAGES)
    profiles = {'detr-r50': _profile('detr-r50', tuple(
        _entry(detr, depth, gflops, 1000 / fps, ap) for depth, gflops, fps, ap in _PAPER_TABLE_2))}
    for name, latencies in _ANCHORS.items():
        profiles[name] = _profile(name, tuple(
            _entry(yolo, *row) for row in zip(('base', 'full'), _YOLO_S_GFLOPS, latencies)))
    return profiles


def _profile(name: str, entries: tuple[ProfileEntry, ...]) -> Profile:
    key = ProfileKey(device=f'{name} as published', backend='published', precision='unknown',
                     input_size=(640, 640), weights_hash='0' * 64)
    return Profile(key=key, model=name, entries=entries, frames=1,
                   created_by='published latencies, assumed spread')


def _entry(space: DepthSpace, depth: str, gflops: float, mean_ms: float,
           ap: float | None = None) -> ProfileEntry:
    return ProfileEntry(depth=space.parse(depth), gflops=gflops, mean_ms=mean_ms, p50_ms=mean_ms,
                        p95_ms=mean_ms * (1 + 1.645 * _SPREAD),
                        p99_ms=mean_ms * (1 + 2.326 * _SPREAD), ap=ap)
