# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A sweep over depths as a table, as JSON, as CSV and as a plot of the trade-off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anydepth_core.errors import DataError
from anydepth_core.evaluate.figures import BLUE, GREY, SERIES, grid
from anydepth_core.evaluate.files import markdown_table, score
from anydepth_core.evaluate.sweep import SweepRow, pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMAT = 'anydepth-sweep'
SCHEMA_VERSION = 1
MAX_BYTES = 64 * 2 ** 20
COSTS = {'gflops': 'GFLOPs of one image', 'latency_ms': 'milliseconds of one image (median)'}
MOST_NUMBERED = 40

Record = Mapping[str, Any]


def sweep_records(rows: Sequence[SweepRow]) -> list[dict[str, Any]]:
    """Return the rows as flat records, each with its place on the two Pareto fronts."""
    records = []
    for row in rows:
        latency = asdict(row.latency) if row.latency else {}
        records.append({
            'setting': row.setting, 'depth': row.depth, 'gflops': round(row.gflops, 4),
            **{name: None if name not in latency else round(latency[name], 3)
               for name in ('total', 'network', 'p95')},
            **{name: round(value, 5) for name, value in row.numbers.items()},
            'above_line': None if row.above_line is None else round(row.above_line, 5)})
    for record in records:
        for name, ours in (('total', 'latency_ms'), ('network', 'network_ms'), ('p95', 'p95_ms')):
            record[ours] = record.pop(name)
    for cost in COSTS:
        front = set(front_of(records, cost))
        for index, record in enumerate(records):
            record[f'pareto_{cost}'] = index in front if record[cost] is not None else None
    return records


def front_of(records: Sequence[Record], cost: str) -> list[int]:
    """Return the indices of the records on the Pareto front of AP over a cost, cheapest first."""
    known = [index for index, record in enumerate(records) if record[cost] is not None]
    front = pareto_front([(records[index][cost], records[index]['ap']) for index in known])
    return [known[position] for position in front]


def sweep_table(records: Sequence[Record]) -> str:
    """Return the records as a Markdown table; a star marks what is on a Pareto front."""
    timed = any(record['latency_ms'] is not None for record in records)
    header = ['setting', 'depth', 'GFLOPs', *(['ms', 'network ms', 'fps'] if timed else []), 'AP',
              'AP50', 'AP75', 'to the line', 'front']
    rows = []
    for record in records:
        times = [_number(record['latency_ms']), _number(record['network_ms']),
                 _number(record['latency_ms'] and 1e3 / record['latency_ms'], 1)]
        above = record['above_line']
        front = [name for name, cost in (('GFLOPs', 'gflops'), ('ms', 'latency_ms'))
                 if record[f'pareto_{cost}']]
        rows.append([record['setting'], record['depth'], _number(record['gflops']),
                     *(times if timed else []),
                     *(score(record[name]) for name in ('ap', 'ap50', 'ap75')),
                     '-' if above is None else f'{100 * above:+.1f}', ' '.join(front)])
    return markdown_table(header, rows)


def read_sweep(path: Path) -> dict[str, Any]:
    """Return a sweep that was written as JSON.

    Raises:
        DataError: missing, or not such a file.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f'{path}: larger than {MAX_BYTES} bytes, so no sweep')
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f'cannot read {path}: {error.strerror}') from error
    except (ValueError, RecursionError) as error:
        raise DataError(f'{path}: not JSON') from error
    if not isinstance(document, dict) or document.get('format') != FORMAT:
        raise DataError(f'{path}: not what training/sweep.py writes as JSON')
    if document.get('schema_version') != SCHEMA_VERSION:
        raise DataError(f'{path}: of another version; make it again with training/sweep.py')
    rows = document.get('rows')
    if not isinstance(rows, list) or not all(
            isinstance(row, dict) and isinstance(row.get('depth'), str)
            and all(isinstance(row.get(name), int | float) for name in ('ap', 'gflops'))
            and isinstance(row.get('latency_ms'), int | float | None) for row in rows):
        raise DataError(f"{path}: 'rows' is damaged; make it again with training/sweep.py")
    return document


def plot_pareto(series: Mapping[str, Sequence[Record]]) -> Figure:
    """Draw AP over GFLOPs, and over latency where it was measured.

    Args:
        series: records by name. Every depth of the first is numbered and listed; of the others
            only the points and the front are drawn.
    """
    first = next(iter(series.values()))
    costs = [cost for cost in COSTS
             if any(record[cost] is not None for record in first)]
    figure, axes = grid(1, len(costs), width=5.2 * len(costs) + 2.4, height=4.8, sharey=True)
    for panel, cost in zip(axes, costs):
        for position, (name, records) in enumerate(series.items()):
            _trade_off(panel, records, cost, BLUE if not position else SERIES[position % 8], name,
                       numbered=not position and len(records) <= MOST_NUMBERED)
        ends = [record for record in first if record['depth'] in ('full', 'base')
                and record[cost] is not None]
        if len(ends) == 2:
            panel.plot([end[cost] for end in ends], [100 * end['ap'] for end in ends], zorder=1,
                       color=GREY, linewidth=1, linestyle='--', label='full and base in turn')
        panel.set_xlabel(COSTS[cost])
    axes[0].set_ylabel('AP')
    if axes[0].get_legend_handles_labels()[1]:
        axes[0].legend(fontsize=8, loc='lower right')
    if len(first) <= MOST_NUMBERED:
        figure.legend(handles=[_nothing() for _ in first], handlelength=0, handletextpad=0,
                      labels=[f'{number}  {record["depth"]}'
                              for number, record in enumerate(first, 1)],
                      loc='outside right center', fontsize=8, frameon=False)
    return figure


def _trade_off(panel: Axes, records: Sequence[Record], cost: str, color: str, name: str, *,
               numbered: bool) -> None:
    front = front_of(records, cost)
    panel.plot([records[index][cost] for index in front],
               [100 * records[index]['ap'] for index in front],
               color=color, linewidth=1.6, zorder=2, label=f'{name}: Pareto front')
    for number, record in enumerate(records, 1):
        if record[cost] is None:
            continue
        best = number - 1 in front
        panel.plot(record[cost], 100 * record['ap'], marker='o', zorder=4 if best else 3,
                   markersize=13 if numbered else 5, color=color if best else 'white',
                   markeredgecolor=color if best else GREY, markeredgewidth=1.0)
        if numbered:
            panel.annotate(str(number), (record[cost], 100 * record['ap']), ha='center',
                           va='center_baseline', fontsize=7, zorder=5,
                           color='white' if best else '#333333')


def _nothing() -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle='none')


def _number(value: float | None, digits: int = 2) -> str:
    return '-' if value is None else f'{value:.{digits}f}'
