# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How our plots look: colours that stay apart for everyone, quiet axes, no global state.

Matplotlib is imported when the first figure is made. Its pyplot, which keeps figures and picks a
window system, is not used at all.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anydepth_core.errors import AnyDepthError
from anydepth_core.evaluate.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with any colour vision. Blue is full and orange is base
# wherever the two stand together.
BLUE, ORANGE, GREEN, PINK = '#0072B2', '#E69F00', '#009E73', '#CC79A7'
SKY, RED, YELLOW, GREY = '#56B4E9', '#D55E00', '#F0E442', '#777777'
SERIES = (BLUE, ORANGE, GREEN, PINK, SKY, RED, GREY, YELLOW)
MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X', '*')
DPI = 130


def depth_color(depth: str, position: int = 0) -> str:
    """Return the colour of a depth: blue full, orange base, others by their position."""
    return {'full': BLUE, 'base': ORANGE}.get(depth, SERIES[2 + position % 6])


def grid(rows: int, columns: int, *, width: float, height: float, **options: Any,
         ) -> tuple[Figure, list[Axes]]:
    """Return a figure of `width` x `height` inches and its axes, row by row.

    Raises:
        AnyDepthError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise AnyDepthError(f'plots need matplotlib ({error}); pip install matplotlib') from error
    figure = Figure(figsize=(width, height), dpi=DPI, layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for each in axes.flat:
        each.grid(color='#e4e4e4', linewidth=0.7)
        each.set_axisbelow(True)
        each.tick_params(which='both', color='#999999', labelsize=8)
        for side in ('top', 'right'):
            each.spines[side].set_visible(False)
        for side in ('left', 'bottom'):
            each.spines[side].set_color('#999999')
    return figure, list(axes.flat)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the suffix: .png, .svg or .pdf.

    Raises:
        DataError: it cannot be written.
    """
    data = io.BytesIO()
    figure.savefig(data, format=path.suffix.lstrip('.'))
    write_bytes(path, data.getvalue())
