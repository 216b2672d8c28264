# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Good manners of a process on a machine whose cores others use too. Standard library only."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let threads that wait for work fall asleep soon; call it before PyTorch is imported.

    By default OpenMP's threads spin while they wait, so with more runnable threads than cores each
    small layer waits for a thread that is not running. Where they sleep at once, waking them costs
    more than a small layer; a short spin is the middle (docs/decisions/0004). A policy that the
    user has set stays.
    """
    if 'OMP_WAIT_POLICY' not in os.environ:
        os.environ['OMP_WAIT_POLICY'] = 'PASSIVE'
        os.environ.setdefault('GOMP_SPINCOUNT', '1000')


def thread_count() -> int:
    """Return how many threads a network may use: OMP_NUM_THREADS, or as many as there are cores.

    Every backend follows the same variable, so that they can be compared and held back alike.
    """
    wanted = os.environ.get('OMP_NUM_THREADS', '')
    return int(wanted) if wanted.isdigit() and int(wanted) else len(os.sched_getaffinity(0))
