# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The node `detector` on a machine where batches pay, whatever this one would measure."""

from __future__ import annotations

from anydepth_core.runtime import batching
from anydepth_ros.executable import run


def found(detector: object, most: int, stop: object = None) -> batching.Batching:
    """Return what a large GPU would."""
    return batching.Batching(most, {most: 0.5})


if __name__ == '__main__':
    # Before the module that takes it is imported.
    batching.measure_batching = found
    run('detector', 'anydepth_ros.detector_lifecycle')
