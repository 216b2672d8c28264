# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Losses, assignment and distillation together: scenes learned by heart at both extremes."""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(400)  # a minute of one core
@pytest.mark.parametrize(('family', 'height', 'width', 'steps'),
                         [('yolo', 160, 192, 240), ('detr', 128, 160, 140)])
def test_both_extremes_learn_two_scenes(family: str, height: int, width: int, steps: int) -> None:
    command = [sys.executable, str(ROOT / 'benchmarks/overfit.py'), family, '--scenes', '2',
               '--size', str(height), str(width), '--steps', str(steps), '--threads', '1',
               '--json']
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False,
                            env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert result.stdout, result.stderr
    scores = json.loads(result.stdout)['ap50']
    assert set(scores) == {'full', 'base'}
    assert min(scores.values()) > 0.9, scores
    assert result.returncode == 0
