# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A profile of the tiny model of these tests, such as a measurement would leave in the cache."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from harness import NODE_VARIABLES

from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.measure import profile_key
from anydepth_core.runtime.profile import Profile, ProfileEntry

# Depth, GFLOPs, milliseconds: what the policies are to see, not what this machine takes.
ROWS = (('base', 1.0, 10.0), ('base+fpn', 2.0, 20.0), ('full', 4.0, 40.0))


def write_profile(path: Path, weights: Path, hash_of: str = '',
                  backend: str = 'auto') -> Path:
    """Write the profile of `weights` on this CPU; with `hash_of`, that of other weights."""
    with mock.patch.dict(os.environ, NODE_VARIABLES):  # a profile holds for so many threads
        detector = Detector.open(weights, device='cpu', backend=backend)
        key = profile_key(detector)
    if hash_of:
        key = type(key)(**{**vars(key), 'weights_hash': hash_of})
    Profile(key=key, model=detector.model_name, frames=10, entries=tuple(
        ProfileEntry(depth=detector.depths.parse(depth), gflops=gflops, mean_ms=ms, p50_ms=ms,
                     p95_ms=ms, p99_ms=ms) for depth, gflops, ms in ROWS)).write(path)
    return path
