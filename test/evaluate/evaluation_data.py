# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Small scenes in batches, and evaluations and events made from them."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from anydepth_core.data.batches import Batch, validation_batches
from anydepth_core.data.dataset import SceneImages
from anydepth_core.evaluate.batches import Evaluation, evaluate_depths
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import load_weights

SIZE = (96, 128)


def tiny_batches(count: int, *, batch: int = 2, size: tuple[int, int] = SIZE) -> Iterator[Batch]:
    """Yield `count` scenes of 120x160 pixels, letterboxed to `size`."""
    return validation_batches(SceneImages(500, count, [(120, 160)]), input_size=size,
                              resize='letterbox', batch=batch, workers=0)


def tiny_model(name: str = 'anydepth-yolo-tiny', classes: int = 8) -> AnyDepthModel:
    """Return a network with random weights, always the same."""
    torch.manual_seed(0)
    return create_model(name, classes).eval()


def real_evaluations(count: int = 4) -> tuple[dict[str, Evaluation], tuple[str, ...]]:
    """Return what the packaged weights find in scenes at full and base, and the class names."""
    model, info = load_weights('scenes')
    data = SceneImages(900, count, [(240, 320)])
    source = validation_batches(data, input_size=(256, 320), resize='letterbox', batch=4,
                                workers=0)
    return evaluate_depths(model, source, ('full', 'base')), info.class_names
