# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Plots of an evaluation: precision and recall, each class, confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anydepth_core.evaluate.coco import CocoScores
from anydepth_core.evaluate.figures import GREY, MARKERS, SERIES, depth_color, grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW_CLASSES = 8  # with more, lines of single classes can no longer be told apart
SOME_CLASSES = 24  # with more, numbers in a matrix can no longer be read
RECALLS = np.linspace(0, 1, 101)


def plot_precision_recall(scores: Mapping[str, CocoScores], class_names: Sequence[str]) -> Figure:
    """Draw precision over recall at IoU 0.50, one panel for each depth.

    Args:
        scores: by depth.
        class_names: what a label means.
    """
    figure, axes = grid(1, len(scores), width=4.4 * len(scores) + 1.6, height=4.2, sharey=True)
    for panel, (depth, each) in zip(axes, scores.items()):
        _precision_recall(panel, each, class_names)
        panel.set_title(f'{depth}: AP50 {_points(each.ap50)}', fontsize=10)
        panel.set_xlabel('recall')
    axes[0].set_ylabel('precision at IoU 0.50')
    axes[-1].legend(fontsize=7, loc='upper left', bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def _precision_recall(panel: Axes, scores: CocoScores, class_names: Sequence[str]) -> None:
    curves = scores.precision50
    known = [label for label in range(len(class_names)) if curves[0, label] > -1]
    many = len(known) > FEW_CLASSES
    for position, label in enumerate(known):
        color = '#bbbbbb' if many else SERIES[position % len(SERIES)]
        panel.plot(RECALLS, curves[:, label], color=color, linewidth=0.7 if many else 1.4,
                   label=None if many else class_names[label])
    if known:
        panel.plot(RECALLS, curves[:, known].mean(axis=1), color='black', linewidth=2.2,
                   linestyle='--',
                   label='mean' + (f' of {len(known)} classes' if many else ''))
    panel.set(xlim=(0, 1), ylim=(0, 1.02))


def plot_classes(scores: Mapping[str, CocoScores], class_names: Sequence[str],
                 counts: Sequence[int]) -> Figure:
    """Draw AP of every class at every depth, best class first.

    Args:
        scores: by depth.
        class_names: what a label means.
        counts: how many objects of each class there are.
    """
    first = next(iter(scores.values())).per_class
    order = sorted(range(len(class_names)), key=lambda label: first[label])
    figure, (panel,) = grid(1, 1, width=7.5, height=1.4 + 0.24 * len(order))
    rows = np.arange(len(order))
    for position, (depth, each) in enumerate(scores.items()):
        values = np.array([each.per_class[label] for label in order])
        known = values > -1
        panel.plot(100 * values[known], rows[known], linestyle='none',
                   marker=MARKERS[position % len(MARKERS)], markersize=6,
                   color=depth_color(depth, position), label=f'{depth}: {_points(each.ap)}')
    panel.set_yticks(rows, [f'{class_names[label]} ({counts[label]})' for label in order],
                     fontsize=8)
    panel.set(xlim=(0, 100), ylim=(-0.7, len(order) - 0.3), xlabel='AP (number of objects)')
    panel.legend(fontsize=8, loc='lower right')
    return figure


def plot_confusion(counts: Mapping[str, NDArray[np.int64]], class_names: Sequence[str]) -> Figure:
    """Draw confusion matrices, one for each depth: what is there goes to the right.

    Args:
        counts: by depth, as `confusion_matrix` returns them.
        class_names: what a label means.
    """
    size = len(class_names) + 1
    side = min(9.0, max(3.6, 0.52 * size))
    figure, axes = grid(1, len(counts), width=(side + 0.8) * len(counts) + 1.2, height=side + 1.2)
    image: Any = None
    for panel, (depth, matrix) in zip(axes, counts.items()):
        image = _confusion(panel, matrix)
        panel.set_title(depth, fontsize=10)
        panel.set_xticks(range(size), [*class_names, 'missed'], rotation=90,
                         fontsize=_size_of_names(size))
        panel.set_xlabel('found')
        panel.set_yticks(range(size), [*class_names, 'nothing'], fontsize=_size_of_names(size))
    axes[0].set_ylabel('there')
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label('share of what is there (of the row)', fontsize=8)
    return figure


def _confusion(panel: Axes, counts: NDArray[np.int64]) -> Any:
    totals = counts.sum(axis=1, keepdims=True)
    share = counts / np.maximum(totals, 1)
    image = panel.imshow(share, vmin=0, vmax=1, cmap='Blues')
    panel.grid(False)
    panel.axhline(len(counts) - 1.5, color=GREY, linewidth=0.8)
    panel.axvline(len(counts) - 1.5, color=GREY, linewidth=0.8)
    if len(counts) <= SOME_CLASSES:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                panel.text(column, row, str(count), ha='center', va='center', fontsize=7,
                           color='white' if share[row, column] > 0.55 else 'black')
    return image


def _size_of_names(size: int) -> float:
    return 8 if size <= SOME_CLASSES else 4.5


def _points(value: float) -> str:
    return '-' if value < 0 else f'{100 * value:.1f}'
