# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Plots of a run over its iterations: every term of the loss, and the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anydepth_core.evaluate.figures import GREY, MARKERS, SERIES, depth_color, grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, float]
GROUPS = {'full': 'full pass: truth', 'base': 'base pass: truth',
          'distill': 'base pass: distillation', 'mixture': 'pass of a random depth: truth',
          'distill_mixture': 'pass of a random depth: distillation'}
SMOOTH = 40  # a curve is averaged over a 40th of its length


def plot_losses(rows: Sequence[Row]) -> Figure:
    """Draw the terms of the loss: a panel for each of GROUPS that there is, and one of the sums.

    Args:
        rows: with 'iteration', 'learning_rate' and terms such as 'full/box', as `losses.csv`
            holds them.
    """
    terms = {group: [name for name in dict.fromkeys(name for row in rows for name in row)
                     if name.startswith(f'{group}/')] for group in GROUPS}
    terms = {group: names for group, names in terms.items() if names}
    lines = (len(terms) + 2) // 2
    figure, axes = grid(lines, 2, width=11, height=3.5 * lines, sharex=True)
    iterations = _column(rows, 'iteration')
    for panel, (group, names) in zip(axes, terms.items()):
        for color, name in zip(itertools.cycle(SERIES), names):
            _curve(panel, iterations, _column(rows, name), color, name.partition('/')[2])
        _finish(panel, GROUPS[group])
    sums = axes[len(terms)]
    for color, (group, names) in zip(itertools.cycle(SERIES), terms.items()):
        total = np.nansum([_column(rows, name) for name in names], axis=0)
        _curve(sums, iterations, total, color, GROUPS[group])
    _finish(sums, 'sums, and the learning rate (dotted)')
    rate = sums.twinx()
    rate.plot(iterations, _column(rows, 'learning_rate'), color=GREY, linestyle=':', linewidth=1)
    rate.tick_params(labelsize=7, color='#999999')
    rate.spines['top'].set_visible(False)
    for spine in rate.spines.values():
        spine.set_color('#999999')
    for panel in axes[len(terms) + 1:]:
        panel.set_axis_off()
    for panel in axes[-2:]:
        panel.set_xlabel('iteration')
    return figure


def plot_scores(rows: Sequence[Row]) -> Figure:
    """Draw AP and AP50 of every depth over the iterations.

    Args:
        rows: with 'iteration' and 'DEPTH/ap', 'DEPTH/ap50', as `scores.csv` holds them.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    depths = [name.partition('/')[0] for name in names if name.endswith('/ap')]
    figure, axes = grid(1, 2, width=11, height=4)
    iterations = _column(rows, 'iteration')
    for panel, number in zip(axes, ('ap', 'ap50')):
        for position, depth in enumerate(depths):
            values = 100 * _column(rows, f'{depth}/{number}')
            panel.plot(iterations, values, marker=MARKERS[position % len(MARKERS)], markersize=4,
                       color=depth_color(depth, position), label=f'{depth}: {values[-1]:.1f}')
        _finish(panel, number.upper(), logarithmic=False)
        panel.set_xlabel('iteration')
    return figure


def smoothed(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the mean around each value, `width` values wide, fewer near the ends."""
    if width <= 1:
        return values
    known = np.isfinite(values)
    kernel = np.ones(width)
    sums = np.convolve(np.where(known, values, 0), kernel, mode='same')
    counts = np.convolve(known, kernel, mode='same')
    return np.where(known, sums / np.maximum(counts, 1), np.nan)


def _curve(panel: Axes, iterations: NDArray[np.float64], values: NDArray[np.float64], color: str,
           name: str) -> None:
    panel.plot(iterations, values, color=color, linewidth=0.6, alpha=0.3)
    even = smoothed(values, min(len(values), len(values) // SMOOTH + 1))
    marker = 'o' if len(values) == 1 else None
    last = f' {even[-1]:.3g}' if len(even) and np.isfinite(even[-1]) else ''
    panel.plot(iterations, even, color=color, linewidth=1.6, marker=marker, label=name + last)


def _finish(panel: Axes, title: str, *, logarithmic: bool = True) -> None:
    panel.set_title(title, fontsize=10)
    if logarithmic and any((np.asarray(line.get_ydata()) > 0).any()
                           for line in panel.get_lines()):
        panel.set_yscale('log')
    if panel.get_legend_handles_labels()[1]:
        panel.legend(fontsize=8)


def _column(rows: Sequence[Row], name: str) -> NDArray[np.float64]:
    return np.array([row.get(name, np.nan) for row in rows], np.float64)
