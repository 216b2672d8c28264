# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluations at several depths as tables, records, pictures and COCO result files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anydepth_core.errors import DataError
from anydepth_core.evaluate.batches import Evaluation
from anydepth_core.evaluate.coco import NUMBERS
from anydepth_core.evaluate.confusion import confusion_matrix
from anydepth_core.evaluate.figures import save_figure
from anydepth_core.evaluate.files import markdown_table, score
from anydepth_core.evaluate.pictures import evaluation_picture
from anydepth_core.evaluate.plots import plot_classes, plot_confusion, plot_precision_recall
from anydepth_core.evaluate.results import coco_ids, write_results
from anydepth_core.runtime.images import write_image

TITLES = {'ap': 'AP', 'ap50': 'AP50', 'ap75': 'AP75', 'small': 'AP small', 'medium': 'AP medium',
          'large': 'AP large', 'ar1': 'AR1', 'ar10': 'AR10', 'ar100': 'AR100',
          'ar_small': 'AR small', 'ar_medium': 'AR medium', 'ar_large': 'AR large'}


def score_table(evaluations: Mapping[str, Evaluation]) -> str:
    """Return COCO's twelve numbers in points, a column for each depth (as the paper's Table 6).

    With two depths a third column tells how much the first has over the second.
    """
    depths = list(evaluations)
    rows = []
    for name in NUMBERS:
        values = [each.scores.numbers()[name] for each in evaluations.values()]
        row = [TITLES[name], *map(score, values)]
        if len(depths) == 2:
            row.append('-' if min(values) < 0 else f'{100 * (values[0] - values[1]):+.1f}')
        rows.append(row)
    return markdown_table(['', *depths, *(['difference'] if len(depths) == 2 else [])], rows)


def class_table(evaluations: Mapping[str, Evaluation], class_names: Sequence[str]) -> str:
    """Return AP and AP50 of every class that is there, in points."""
    counts = class_counts(next(iter(evaluations.values())), len(class_names))
    header = ['class', 'objects', *(f'{title} {depth}' for depth in evaluations
                                    for title in ('AP', 'AP50'))]
    return markdown_table(header, [
        [name, str(count), *(score(values[label]) for each in evaluations.values()
                             for values in (each.scores.per_class, each.scores.per_class50))]
        for label, (name, count) in enumerate(zip(class_names, counts)) if count])


def class_counts(evaluation: Evaluation, num_classes: int) -> list[int]:
    """Return how many objects of each class are there, crowds left out."""
    nothing: list[Any] = [np.zeros(0, np.int64)]
    labels = np.concatenate(nothing + [
        objects.labels[~objects.crowd] for objects in evaluation.truth])
    return [int(count) for count in np.bincount(labels, minlength=num_classes)]


def evaluation_records(evaluations: Mapping[str, Evaluation], class_names: Sequence[str],
                       ) -> dict[str, Any]:
    """Return every number by depth, for JSON; scores in [0, 1], -1 where nothing is to find."""
    return {depth: {name: round(value, 5) for name, value in each.scores.numbers().items()} | {
        'per_class': {name: {'ap': round(ap, 5), 'ap50': round(ap50, 5)} for name, ap, ap50
                      in zip(class_names, each.scores.per_class, each.scores.per_class50)}}
            for depth, each in evaluations.items()}


def write_predictions(folder: Path, evaluations: Mapping[str, Evaluation],
                      class_names: Sequence[str], annotations: Path | None) -> list[Path]:
    """Write `DEPTH.json` for each depth in COCO's result format; return the paths.

    Args:
        folder: where to.
        evaluations: by depth.
        class_names: what a label means.
        annotations: the COCO JSON whose ids to use; without one, images are called by their names
            and categories are numbered from 1 on.

    Raises:
        DataError: `annotations` cannot be used, or nothing can be written.
    """
    names = next(iter(evaluations.values())).ids
    images: Sequence[int | str] = names
    categories: Sequence[int] = range(1, len(class_names) + 1)
    if annotations is not None:
        images, categories = coco_ids(annotations, names, class_names)
    paths = {depth: folder / f'{depth}.json' for depth in evaluations}
    for depth, each in evaluations.items():
        write_results(paths[depth], each.found, images, categories)
    return list(paths.values())


def draw_evaluations(folder: Path, evaluations: Mapping[str, Evaluation],
                     class_names: Sequence[str]) -> list[Path]:
    """Draw classes, precision over recall, confusions and predictions; return the paths.

    Raises:
        DataError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f'cannot make {folder}: {error.strerror}') from error
    first = next(iter(evaluations.values()))
    scores = {depth: each.scores for depth, each in evaluations.items()}
    figures = {
        'classes.png': plot_classes(scores, class_names, class_counts(first, len(class_names))),
        'precision_recall.png': plot_precision_recall(scores, class_names),
        'confusion.png': plot_confusion({
            depth: confusion_matrix(each.truth, each.found, len(class_names))
            for depth, each in evaluations.items()}, class_names)}
    for name, figure in figures.items():
        save_figure(figure, folder / name)
    if first.shown:
        write_image(folder / 'predictions.jpg', evaluation_picture(evaluations, class_names))
    return [folder / name for name in (*figures, *(['predictions.jpg'] if first.shown else []))]
