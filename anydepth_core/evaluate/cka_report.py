# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Stage similarities of several weights as a table and as a plot (the paper's Table 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from anydepth_core.evaluate.cka import READINGS
from anydepth_core.evaluate.figures import MARKERS, SERIES, grid
from anydepth_core.evaluate.files import markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Similarity = Mapping[str, Mapping[str, float]]
TITLES = {'pass': 'whole passes (base pass against full pass)',
          'stage': 'this stage alone (both paths fed by the full pass)'}


def similarity_table(similarities: Mapping[str, Similarity]) -> str:
    """Return one row a stage and one column for each weights file and reading.

    Args:
        similarities: what `stage_similarity` returned, by name.
    """
    header = ['stage', *(f'{name}: {reading}' for reading in READINGS for name in similarities)]
    stages = dict.fromkeys(stage for each in similarities.values() for stage in each['stage'])
    rows = [[stage, *(_text(each[reading].get(stage)) for reading in READINGS
                      for each in similarities.values())] for stage in stages]
    return markdown_table(header, rows)


def plot_similarity(similarities: Mapping[str, Similarity]) -> Figure:
    """Draw the CKA of every stage boundary, a panel for each reading, a line for each name."""
    figure, axes = grid(1, len(READINGS), width=11, height=4.2, sharey=True)
    stages = list(dict.fromkeys(
        stage for each in similarities.values() for stage in each['stage']))
    for panel, reading in zip(axes, READINGS):
        for position, (name, each) in enumerate(similarities.items()):
            values = [each[reading].get(stage, np.nan) for stage in stages]
            panel.plot(range(len(stages)), values, color=SERIES[position % len(SERIES)],
                       marker=MARKERS[position % len(MARKERS)], linewidth=1.5, markersize=6,
                       label=name)
        panel.set_title(TITLES[reading], fontsize=10)
        panel.set_xticks(range(len(stages)), [stage.upper() for stage in stages])
        panel.set_ylim(min(0.0, panel.get_ylim()[0]), 1.02)
    axes[0].set_ylabel('linear CKA of essential and full path')
    axes[0].legend(fontsize=8, loc='lower left')
    return figure


def _text(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'
