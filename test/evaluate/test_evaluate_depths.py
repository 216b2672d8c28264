# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation judges what the detector would find, in pixels of the original images."""

from __future__ import annotations

from collections.abc import Iterator

from evaluation_cases import objects
from evaluation_data import real_evaluations
import numpy as np
import pytest
import torch

from anydepth_core.data.batches import Batch
from anydepth_core.data.dataset import SceneImages
from anydepth_core.depth import DepthSpace
from anydepth_core.evaluate.batches import (
    MAX_DETECTIONS,
    SCORE_THRESHOLD,
    evaluate,
    evaluate_depths,
)
from anydepth_core.models.base import AnyDepthModel, RawPredictions
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.preprocess import place


def test_finds_what_the_detector_finds() -> None:
    evaluations, _ = real_evaluations(3)
    detector = Detector.open('scenes', device='cpu', input_size=(256, 320))
    scenes = SceneImages(900, 3, [(240, 320)])
    for depth, evaluation in evaluations.items():
        for index, found in enumerate(evaluation.found):
            expected = detector.detect(scenes.load(index).image, depth=depth,
                                       score_threshold=SCORE_THRESHOLD,
                                       max_detections=MAX_DETECTIONS)
            assert len(found.scores) == len(expected.scores) > 20
            np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
            np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.02)
            assert np.array_equal(found.labels, expected.labels)
    assert evaluations['full'].ids == ['scene 900', 'scene 901', 'scene 902']
    assert evaluations['full'].scores.ap > 0.2


class Oracle(AnyDepthModel):
    """Predicts given boxes in pixels of the input at full depth, and none at base."""

    family, decoding, num_classes = 'yolo', 'nms', 1

    def __init__(self, boxes: list[list[float]]) -> None:
        super().__init__()
        self.depths = DepthSpace()
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.boxes = torch.tensor(boxes)

    def forward(self, images, depth):
        depth = self.depths.resolve(depth)
        logits = torch.full((len(images), len(self.boxes), 1), 4.0 if depth['p2'] else -20.0)
        assert images.dtype == torch.float32 and float(images.max()) <= 1
        return RawPredictions(logits, self.boxes.expand(len(images), -1, -1))


def oracle_batches(count: int) -> Iterator[Batch]:
    """Yield single images of 100x200 pixels in an input of 96x96, with an object and a crowd."""
    truth = objects([[20, 40, 60, 80], [100, 0, 200, 100]], [0, 0], [False, True])
    for index in range(count):
        yield Batch(torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8), [], [str(index)],
                    [truth], [place((100, 200), (96, 96), 'letterbox')])


def test_boxes_come_back_to_the_image_and_a_crowd_excuses() -> None:
    # Half the scale, 24 rows down: the object, two boxes in the crowd, one outside of the image.
    model = Oracle([[9.6, 43.2, 28.8, 62.4], [60, 30, 70, 40], [75, 50, 90, 60], [0, 0, 40, 20]])
    evaluation = evaluate(model, oracle_batches(2), 'full')
    np.testing.assert_allclose(evaluation.found[0].boxes[0], [20, 40, 60, 80], atol=1e-4)
    assert len(evaluation.found[0].boxes) == 3
    assert evaluation.scores.ap == pytest.approx(1)
    assert evaluate(model, oracle_batches(2), 'base').scores.ap == 0


def test_a_depth_named_twice_is_evaluated_once() -> None:
    model = Oracle([[9.6, 43.2, 28.8, 62.4]])
    found = evaluate_depths(model, oracle_batches(2), ['full-p3-p4', 'full', 'full-p4-p3', 'full'])
    assert list(found) == ['full-p3-p4', 'full']
    for each in found.values():
        assert len(each.found) == 2 and each.scores.ap == pytest.approx(1)


def test_keeps_so_many_images_as_it_is_asked_to() -> None:
    model = Oracle([[0.0, 30, 50, 60]])
    for keep, kept in ((0, 0), (2, 2), (9, 3)):
        evaluation = evaluate(model, oracle_batches(3), 'full', keep=keep)
        assert len(evaluation.shown) == kept
        assert all(image.shape == (96, 96, 3) and placement.top == 24
                   for image, placement in evaluation.shown)


def test_no_images_at_all() -> None:
    evaluation = evaluate(Oracle([[0.0, 30, 50, 60]]), [], 'full')
    assert evaluation.scores.ap == -1 and not evaluation.found


def test_lower_precision_is_told_about_the_same() -> None:
    model = Oracle([[9.6, 43.2, 28.8, 62.4]])
    assert evaluate(model, oracle_batches(1), 'full',
                    dtype=torch.bfloat16).scores.ap == pytest.approx(1)
