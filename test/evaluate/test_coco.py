# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Scores equal those of pycocotools on the same things as JSON files."""

from __future__ import annotations

from pathlib import Path

from evaluation_cases import (
    Case,
    detections,
    judged_by_pycocotools,
    objects,
    random_case,
)
import numpy as np
import pytest

from anydepth_core.data.coco import read_coco
from anydepth_core.errors import DataError
from anydepth_core.evaluate.coco import coco_scores
from anydepth_core.evaluate.results import coco_ids, result_rows, write_results


def class_means(case: Case, precision: np.ndarray) -> list[float]:
    """Return the mean over what is known of each class, from pycocotools' own array."""
    known = [precision[..., index] for index in range(len(case.category_ids))]
    return [float(each[each > -1].mean()) if (each > -1).any() else -1.0 for each in known]


@pytest.mark.parametrize('seed', range(60))
def test_equals_pycocotools_on_files(tmp_path: Path, seed: int) -> None:
    case = random_case(seed)
    results = result_rows(case.found, case.image_ids, case.category_ids)
    judge = judged_by_pycocotools(tmp_path, case, results)
    scores = coco_scores(case.truth, case.found, len(case.category_ids))
    assert list(scores.numbers().values()) == judge.stats.tolist()
    precision = judge.eval['precision'][:, :, :, 0, 2]
    assert list(scores.per_class) == class_means(case, precision)
    assert list(scores.per_class50) == class_means(case, precision[0])
    assert np.array_equal(scores.precision50, precision[0])


def test_a_box_without_area_is_no_object(tmp_path: Path) -> None:
    """Nothing can be found in it: the scores are those without it, not those of a miss."""
    case = random_case(0)
    results = result_rows(case.found, case.image_ids, case.category_ids)
    without = judged_by_pycocotools(tmp_path, case, results).stats.tolist()
    case.document['annotations'] += [
        {'id': 1000 + place, 'image_id': case.image_ids[0], 'category_id': case.category_ids[0],
         'iscrowd': 0, 'area': 0, 'bbox': [10, 10, *sides]}
        for place, sides in enumerate(((0, 20), (20, 0), (0, 0)))]
    assert judged_by_pycocotools(tmp_path, case, results).stats[0] < without[0]
    for each in case.image_ids:
        (tmp_path / f'{each}.jpg').touch()
    records = read_coco(tmp_path / 'truth.json', tmp_path)
    truth = [records.objects(index, (480, 640)) for index in range(len(records))]
    scores = coco_scores(truth, case.found, len(case.category_ids))
    assert list(scores.numbers().values()) == without


def test_the_cases_have_what_they_should_test() -> None:
    cases = [random_case(seed) for seed in range(60)]
    images = [each for case in cases for each in case.truth]
    assert sum(each.crowd.any() for each in images) > 20
    assert sum(not len(each.labels) for each in images) > 10
    assert any(len(np.unique(np.diff(case.image_ids))) > 1 for case in cases)
    scores = [coco_scores(case.truth, case.found, len(case.category_ids)) for case in cases]
    for number in ('ap', 'small', 'medium', 'large'):
        assert len({getattr(each, number) for each in scores}) > 10, number


def test_one_object_found_well_one_missed() -> None:
    truth = [objects([[0, 0, 100, 100], [200, 200, 300, 300]], [0, 0])]
    found = [detections([[0, 0, 100, 80]], [0.9], [0])]  # IoU 0.80
    scores = coco_scores(truth, found, 2)
    half = 51 / 101  # recalls 0, 0.01, … 0.50 are reached
    assert scores.ap50 == pytest.approx(half)
    assert scores.ap == pytest.approx(half * 7 / 10)  # at 0.50, 0.55, … 0.80
    assert scores.ar100 == pytest.approx(0.35) and scores.large == scores.ap
    assert scores.small == scores.medium == -1
    assert scores.per_class == (scores.ap, -1)


def test_nothing_found_and_nothing_there() -> None:
    there, empty = objects([[0, 0, 50, 50]], [1]), objects([], [])
    none = detections([], [], [])
    scores = coco_scores([there, empty], [none, none], 2)
    assert (scores.ap, scores.medium, scores.small) == (0, 0, -1)
    assert scores.per_class == (-1, 0)
    scores = coco_scores([empty], [detections([[0, 0, 9, 9]], [1], [0])], 2)
    assert set(scores.numbers().values()) == {-1}
    assert set(coco_scores([], [], 2).numbers().values()) == {-1}


def test_images_without_their_detections_are_refused() -> None:
    with pytest.raises(ValueError, match='truth of 2 images, but detections of 1'):
        coco_scores([objects([], [])] * 2, [detections([], [], [])], 1)


def test_a_crowd_excuses_what_is_found_in_it() -> None:
    truth = objects([[0, 0, 40, 40], [100, 100, 300, 300]], [0, 0], [False, True])
    right = [[0, 0, 40, 40]]
    inside = [[120, 120, 160, 160], [180, 180, 220, 220]]
    with_crowd = coco_scores([truth], [detections(right + inside, [0.5, 0.9, 0.8], [0, 0, 0])], 1)
    assert with_crowd.ap == pytest.approx(1)
    alone = objects([[0, 0, 40, 40]], [0])
    without = coco_scores([alone], [detections(right + inside, [0.5, 0.9, 0.8], [0, 0, 0])], 1)
    assert without.ap == pytest.approx(1 / 3)


def test_result_file_names_images_and_classes_as_the_data_set_does(tmp_path: Path) -> None:
    case = random_case(3)
    (tmp_path / 'truth.json').write_text('{"images": 3}')
    with pytest.raises(DataError, match=r'truth\.json: not COCO JSON'):
        coco_ids(tmp_path / 'truth.json', [], [])
    judged_by_pycocotools(tmp_path, case, result_rows(case.found, case.image_ids,
                                                      case.category_ids))
    names = [f'{each}.jpg' for each in case.image_ids]
    classes = [f'class {each}' for each in case.category_ids]
    assert coco_ids(tmp_path / 'truth.json', names, classes) == (case.image_ids,
                                                                 case.category_ids)
    with pytest.raises(DataError, match=r"knows no 'other.jpg'"):
        coco_ids(tmp_path / 'truth.json', ['other.jpg'], classes)
    with pytest.raises(DataError, match='cannot write'):
        write_results(tmp_path / 'truth.json' / 'x.json', case.found, names, case.category_ids)
