# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Good manners of a process on a machine whose cores others use too. Standard library only."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let threads that wait for work sleep; call it before PyTorch is imported.

    By default OpenMP's threads spin while they wait, so with more runnable threads than cores each
    small layer waits for a thread that is not running (docs/decisions/0004). An OMP_WAIT_POLICY of
    the user's stays.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')


def thread_count() -> int:
    """Return how many threads a network may use: OMP_NUM_THREADS, or as many as there are cores.

    Every backend follows the same variable, so that they can be compared and held back alike.
    """
    wanted = os.environ.get('OMP_NUM_THREADS', '')
    return int(wanted) if wanted.isdigit() and int(wanted) else len(os.sched_getaffinity(0))
