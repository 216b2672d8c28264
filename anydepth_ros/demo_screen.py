# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's table: redrawn in place on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
import math
import time
from typing import TextIO

from anydepth_ros.demo_record import Phase, Summary

COLUMNS = ('depth', 'images', 'images/s', 'p50 ms', 'p95 ms', 'age ms', 'objects/image',
           'dropped', 'lost')
LINE_EVERY_S = 3.0
BOLD, DIM, GREEN, RESET, CLEAR_LINE = '\x1b[1m', '\x1b[2m', '\x1b[32m', '\x1b[0m', '\x1b[2K'


class Screen:
    """Shows how the demo goes."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._live = output.isatty()
        self._drawn = 0
        self._next_line = 0.0

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._erase()
        print(text, file=self._output, flush=True)

    def wait(self, text: str) -> None:
        """Show what is being waited for."""
        if self._live:
            self._draw([f'{DIM}{text}{RESET}'])
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY_S
            self.say(text)

    def show(self, phases: Sequence[Phase], summaries: Sequence[Summary], current: int) -> None:
        """Show the table with the phase `current` marked."""
        if self._live:
            self._draw(self.table(phases, summaries, current))
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY_S
            cells = _cells(phases[current].depth, summaries[current])
            self.say('  '.join(f'{name} {cell}' for name, cell in zip(COLUMNS, cells)))

    def table(self, phases: Sequence[Phase], summaries: Sequence[Summary],
              current: int | None = None) -> list[str]:
        """Return the lines of the table; `current` is the phase that runs."""
        rows = [_cells(phase.depth, summary) for phase, summary in zip(phases, summaries)]
        widths = [max(len(row[i]) for row in (COLUMNS, *rows)) for i in range(len(COLUMNS))]
        lines = [f'{BOLD}{_line(COLUMNS, widths)}{RESET}' if self._live
                 else _line(COLUMNS, widths)]
        for index, row in enumerate(rows):
            text = _line(row, widths)
            if self._live and index == current:
                text = f'{GREEN}{text}{RESET}'
            lines.append(text)
        return lines

    def _draw(self, lines: Sequence[str]) -> None:
        self._erase()
        self._output.write(''.join(f'{CLEAR_LINE}{line}\n' for line in lines))
        self._output.flush()
        self._drawn = len(lines)

    def _erase(self) -> None:
        if self._drawn:
            self._output.write(f'\x1b[{self._drawn}A\x1b[J')
            self._drawn = 0


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return '  '.join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))])


def _cells(depth: str, summary: Summary) -> list[str]:
    if not summary.frames:
        return [depth, *['-'] * (len(COLUMNS) - 1)]
    numbers = (summary.fps, summary.p50_ms, summary.p95_ms, summary.age_p50_ms, summary.per_image)
    return [depth, str(summary.frames), *('-' if math.isnan(x) else f'{x:.1f}' for x in numbers),
            str(summary.dropped), str(summary.lost)]
