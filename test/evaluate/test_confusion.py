# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Confusion matrices counted by hand."""

from __future__ import annotations

from evaluation_cases import detections, objects, random_case
import numpy as np
import pytest

from anydepth_core.evaluate.confusion import confusion_matrix, match, overlaps

HERE, NEAR, AWAY = [0, 0, 100, 100], [0, 0, 100, 90], [300, 300, 400, 400]


def test_counted_by_hand() -> None:
    truth = [
        objects([HERE, [200, 0, 300, 100]], [0, 1]),  # one right, one taken for class 0
        objects([HERE], [1]),                         # missed, and something invented
        objects([HERE, AWAY], [0, 0], [False, True]),  # found twice, once more in a crowd
        objects([], []),                              # invented, but with too low a score
    ]
    found = [
        detections([NEAR, [200, 0, 300, 80]], [0.9, 0.8], [0, 0]),
        detections([AWAY], [0.5], [1]),
        detections([HERE, NEAR, [310, 310, 340, 340]], [0.9, 0.8, 0.7], [0, 0, 0]),
        detections([HERE], [0.2], [0]),
    ]
    assert confusion_matrix(truth, found, 2).tolist() == [
        [2, 0, 0],  # class 0: both found
        [1, 0, 1],  # class 1: one taken for class 0, one missed
        [1, 1, 0],  # nothing there: the second box on an object, and the invented one
    ]


def test_the_right_class_goes_before_the_greater_overlap() -> None:
    truth = [objects([HERE], [1])]
    found = [detections([HERE, NEAR], [0.9, 0.5], [0, 1])]
    counts = confusion_matrix(truth, found, 2)
    assert counts[1, 1] == 1 and counts[2, 0] == 1 and counts.sum() == 2


def test_a_crowd_excuses_its_own_class_only() -> None:
    truth = [objects([AWAY], [0], [True])]
    found = [detections([AWAY, AWAY], [0.9, 0.9], [0, 1])]
    assert confusion_matrix(truth, found, 2).tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize('seed', range(20))
def test_every_object_and_every_detection_counts_once(seed: int) -> None:
    case = random_case(seed)
    classes = len(case.category_ids)
    counts = confusion_matrix(case.truth, case.found, classes, score_threshold=0.3)
    labels = np.concatenate([each.labels[~each.crowd] for each in case.truth])
    assert counts[:-1].sum(axis=1).tolist() == np.bincount(labels, minlength=classes).tolist()
    seen = sum((each.scores >= 0.3).sum() for each in case.found)
    assert counts[:, :-1].sum() <= seen
    if not any(each.crowd.any() for each in case.truth):
        assert counts[:, :-1].sum() == seen


def test_overlaps() -> None:
    one = objects([[0, 0, 10, 10]], [0]).boxes
    other = objects([[5, 0, 10, 20], HERE], [0, 0]).boxes
    np.testing.assert_allclose(overlaps(one, other), [[50 / 150, 0.01]])
    np.testing.assert_allclose(overlaps(one, other, crowd=True), [[0.5, 0.01]])
    assert overlaps(one[:0], other).shape == (0, 2)


def test_match_takes_the_greatest_first() -> None:
    overlap = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert match(overlap, 0.5) == [(0, 0)]
    assert sorted(match(np.array([[0.8, 0.9], [0.85, 0.1]]), 0.5)) == [(0, 1), (1, 0)]
