# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Every packaged weights file finds objects, at both extremes, in pictures it was not shown."""

from __future__ import annotations

from drawn_pitch import DrawnPitches
import pytest

from anydepth_core.data.batches import validation_batches
from anydepth_core.data.dataset import DetectionDataset, SceneImages
from anydepth_core.data.scenes import CLASS_NAMES
from anydepth_core.evaluate.batches import evaluate
from anydepth_core.models.weights import load_weights, packaged_weights, resolve_weights

FIRST_SEED = 700_000  # neither trained on nor used to choose anything
COUNT = 40
FLOORS = {'scenes': {'full': 0.58, 'base': 0.56}, 'robocup': {'full': 0.8, 'base': 0.8}}  # AP50


def generated(name: str, class_names: tuple[str, ...]) -> DetectionDataset:
    """Return pictures of what the weights know; for real ones, drawings of what they look like."""
    if name == 'robocup':
        return DrawnPitches(FIRST_SEED, COUNT, class_names)
    assert class_names == CLASS_NAMES
    return SceneImages(FIRST_SEED, COUNT, [(480, 640)])


def test_every_packaged_file_has_a_floor() -> None:
    assert set(packaged_weights()) == set(FLOORS)


@pytest.mark.parametrize('name', sorted(FLOORS))
def test_finds_what_is_in_generated_pictures(name: str) -> None:
    model, info = load_weights(name)
    data = generated(name, info.class_names)
    for depth, floor in FLOORS[name].items():
        batches = validation_batches(data, input_size=info.input_size, resize=info.resize,
                                     batch=8, workers=0)
        assert evaluate(model, batches, depth).scores.ap50 >= floor, depth


@pytest.mark.parametrize('name', sorted(FLOORS))
def test_says_what_it_is_and_stays_small(name: str) -> None:
    _, info = load_weights(name)
    assert info.licence and info.description and info.created_by
    assert set(info.ap) >= {'full', 'base'}
    assert resolve_weights(name).stat().st_size < 15e6
