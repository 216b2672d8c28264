# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Small detectors of both families with random weights."""

from __future__ import annotations

import pytest
from runtime_models import NAMES, lively_model

from anydepth_core.cli import main
from anydepth_core.models.weights import ModelInfo, save_weights
from anydepth_core.runtime.detector import Detector


@pytest.fixture(scope='session', params=['anydepth-yolo-tiny', 'anydepth-detr-tiny'])
def weights_file(request, tmp_path_factory):
    model = lively_model(request.param)
    path = tmp_path_factory.mktemp('weights') / f'{request.param}.safetensors'
    save_weights(path, model, ModelInfo(model=request.param, class_names=NAMES,
                                        input_size=(96, 128)))
    return path


@pytest.fixture(scope='session')
def detector(weights_file):
    return Detector.open(weights_file, backend='torch', device='cpu')


@pytest.fixture(scope='session')
def exported(weights_file, tmp_path_factory):
    target = tmp_path_factory.mktemp('export') / 'all.onnx'
    assert main(['export', str(weights_file), str(target)]) == 0
    return target
