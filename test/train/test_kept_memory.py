# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a step frees stays with the process."""

from __future__ import annotations

from pathlib import Path
import platform
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES_OF_A_PASS = 100 * 2**20 // 4096
# Two passes' worth of large and small arrays, twice; prints the page faults of the second time.
PROGRAM = """
import resource, sys
from anydepth_core.train.memory import keep_freed_memory
if sys.argv[1] == 'keep':
    keep_freed_memory()
def step():
    held = [b'x' * (size << 20) for size in (40, 60, 20, 20, 10, 5, 5, 40)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(step() - begun)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='glibc alone has the settings')
@pytest.mark.parametrize('kept', [True, False])
def test_the_second_step_takes_the_memory_of_the_first(kept: bool) -> None:
    result = subprocess.run([sys.executable, '-c', PROGRAM, 'keep' if kept else 'as it is'],
                            cwd=ROOT, capture_output=True, text=True, check=True)
    faults = int(result.stdout)
    assert faults < 1000 if kept else faults > PAGES_OF_A_PASS
