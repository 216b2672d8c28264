# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The operator of torchvision without torchvision, and that a start has no use for the rest."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest
import torch
import torchvision

from anydepth_core.models import suppression
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import ModelInfo, save_weights
from anydepth_core.runtime.network import read_header


def test_is_that_of_torchvision() -> None:
    generator = torch.Generator().manual_seed(0)
    near, size = torch.rand(2, 300, 2, generator=generator, dtype=torch.float64)
    boxes, scores = torch.cat((near, near + size / 3), 1), torch.rand(300, generator=generator)
    kept = suppression.nms(boxes, scores.double(), 0.5)
    assert 10 < len(kept) < 290
    assert kept.equal(torchvision.ops.nms(boxes, scores.double(), 0.5))


def test_torchvision_is_asked_where_its_operators_are_elsewhere(
        monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(path: str) -> None:
        raise OSError(f'{path}: built for another PyTorch')
    monkeypatch.setattr(torch.ops, 'load_library', no_library)
    assert suppression.load_nms() is torchvision.ops.nms


@pytest.mark.parametrize('name', ['anydepth-yolo-tiny', 'anydepth-detr-tiny'])
@pytest.mark.parametrize('backend', ['torch', 'auto'])
def test_detecting_imports_neither_torchvision_nor_the_compiler(
        name: str, backend: str, tmp_path: Path) -> None:
    path = tmp_path / 'w.safetensors'
    save_weights(path, create_model(name, 3),
                 ModelInfo(model=name, class_names=('a', 'b', 'c'), input_size=(64, 64)))
    # A DETR's embedding on the device 'meta' still brings the compiler in.
    judge = read_header.__name__ if 'yolo' in name else 'len'
    program = f"""
import sys
import numpy as np
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.network import read_header
{judge}({str(path)!r})
detector = Detector.open({str(path)!r}, backend={backend!r})
detector.detect(np.zeros((64, 64, 3), np.uint8), score_threshold=0)
print(sorted({{'torchvision', 'torch._dynamo', 'sympy'}} & set(sys.modules)))"""
    for _ in range(2):  # the first may write what the backend runs
        done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True,
                              check=True)
    assert done.stdout.splitlines()[-1] == '[]'
