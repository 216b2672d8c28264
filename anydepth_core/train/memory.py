# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Memory from one training step to the next. Standard library only."""

from __future__ import annotations

import contextlib
import ctypes

# Numbers of glibc's <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Let this process keep for its next step what a step frees; does nothing without glibc.

    By default the C library gives tensors of 32 MiB and more, and the end of the heap, back to the
    system when they are freed, which then has to hand out and clear every page anew in each step.
    Both passes at once reach higher than one alone and so paid for it more than twice (docs/
    training.md has the numbers). The greatest use of memory stays what it was.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
