# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Plots show what they are given; tables and files hold together."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from evaluation_cases import detections, objects
import numpy as np
import pytest

from anydepth_core.errors import DataError
from anydepth_core.evaluate.coco import coco_scores
from anydepth_core.evaluate.confusion import confusion_matrix
from anydepth_core.evaluate.curves import plot_losses, plot_scores, smoothed
from anydepth_core.evaluate.figures import SERIES
from anydepth_core.evaluate.files import markdown_table, score, write_csv, write_json
from anydepth_core.evaluate.plots import plot_classes, plot_confusion, plot_precision_recall

NAMES = ('ball', 'robot', 'post')
HERE, THERE = [0, 0, 100, 100], [200, 200, 300, 300]


def labels(panel) -> list[str]:
    """Return what the legend of a panel lists."""
    return [text.get_text() for text in panel.get_legend().get_texts()]


def test_losses_have_a_panel_for_each_group_that_there_is() -> None:
    rows = [{'iteration': 10 * step, 'learning_rate': 0.1, 'full/box': 1.0, 'full/classes': 2.0,
             'distill/features': float(step), 'images_per_second': 3.0, 'seconds/data': 0.5}
            for step in range(1, 5)]
    figure = plot_losses(rows)
    titles = [panel.get_title() for panel in figure.axes]
    assert titles[:3] == ['full pass: truth', 'base pass: distillation',
                          'sums, and the learning rate (dotted)']
    assert labels(figure.axes[0]) == ['box 1', 'classes 2']
    assert labels(figure.axes[2]) == ['full pass: truth 3', 'base pass: distillation 4']
    assert figure.axes[1].get_lines()[0].get_ydata().tolist() == [1, 2, 3, 4]
    assert len(plot_losses([{'iteration': 1, 'learning_rate': 0.1}]).axes) == 3


def test_scores_over_iterations() -> None:
    figure = plot_scores([{'iteration': 5, 'full/ap': 0.25, 'full/ap50': 0.5},
                          {'iteration': 9, 'full/ap': 0.5, 'full/ap50': 0.75, 'base/ap': 0.4}])
    assert labels(figure.axes[0]) == ['full: 50.0', 'base: 40.0']
    assert figure.axes[0].get_lines()[0].get_ydata().tolist() == [25, 50]


def test_smoothing_by_hand() -> None:
    values = np.array([0, 3, 6, np.nan, 12])
    assert smoothed(values, 1) is values
    assert np.array_equal(smoothed(values, 3), [1.5, 3, 4.5, np.nan, 12], equal_nan=True)


def test_precision_recall_classes_and_confusion() -> None:
    truth = [objects([HERE, THERE], [0, 1])]
    full = [detections([HERE, THERE], [0.9, 0.8], [0, 1])]
    base = [detections([HERE], [0.9], [0])]
    scores = {'full': coco_scores(truth, full, 3), 'base': coco_scores(truth, base, 3)}
    figure = plot_precision_recall(scores, NAMES)
    assert [panel.get_title() for panel in figure.axes] == ['full: AP50 100.0', 'base: AP50 50.0']
    assert labels(figure.axes[1]) == ['ball', 'robot', 'mean']  # no post is there
    (panel,) = plot_classes(scores, NAMES, [1, 1, 0]).axes
    assert [text.get_text() for text in panel.get_yticklabels()] == ['post (0)', 'ball (1)',
                                                                      'robot (1)']
    assert panel.get_lines()[1].get_xdata() == pytest.approx([100, 0])
    counts = {depth: confusion_matrix(truth, found, 3)
              for depth, found in (('full', full), ('base', base))}
    figure = plot_confusion(counts, NAMES)
    assert [text.get_text() for text in figure.axes[1].texts] == ['1', '1']
    assert figure.axes[1].texts[1].get_position() == (3, 1)  # the robot was missed


def test_colours_are_distinct_for_everyone() -> None:
    """Any two of the first six differ in lightness or along the blue to yellow axis."""
    def seen(color: str) -> tuple[float, float]:
        red, green, blue = (int(color[i:i + 2], 16) / 255 for i in (1, 3, 5))
        return 0.3 * red + 0.59 * green + 0.11 * blue, (red + green) / 2 - blue

    for index, one in enumerate(SERIES[:6]):
        for other in SERIES[:index]:
            assert max(abs(a - b) for a, b in zip(seen(one), seen(other))) > 0.04, (one, other)


def test_table_is_aligned_and_numbers_stand_right() -> None:
    table = markdown_table(['name', 'AP', 'note'], [['a', '1.5', 'x'], ['longer', '-', '']])
    assert table.splitlines() == [
        '| name   |  AP | note |',
        '| ------ | --: | ---- |',
        '| a      | 1.5 | x    |',
        '| longer |   - |      |']
    assert (score(0.4567), score(-1)) == ('45.7', '-')


def test_files_are_whole_or_an_error(tmp_path: Path) -> None:
    write_csv(tmp_path / 'new' / 'a.csv', [{'a': 1}, {'a': 2, 'b': 'x,y'}])
    with (tmp_path / 'new' / 'a.csv').open(newline='') as file:
        assert list(csv.DictReader(file)) == [{'a': '1', 'b': ''}, {'a': '2', 'b': 'x,y'}]
    write_json(tmp_path / 'a.json', {'é': [1]})
    assert json.loads((tmp_path / 'a.json').read_text(encoding='utf-8')) == {'é': [1]}
    with pytest.raises(DataError, match=r'cannot write .*a\.json/b\.csv'):
        write_csv(tmp_path / 'a.json' / 'b.csv', [{'a': 1}])
    assert sorted(path.name for path in tmp_path.rglob('*')) == ['a.csv', 'a.json', 'new']
