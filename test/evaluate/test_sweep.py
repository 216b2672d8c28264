# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Sweeps: which depths, what each costs, and which are worth it."""

from __future__ import annotations

import json
from pathlib import Path

from evaluation_data import SIZE, tiny_batches, tiny_model
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from anydepth_core.depth import DepthSpace
from anydepth_core.errors import DataError
from anydepth_core.evaluate.figures import save_figure
from anydepth_core.evaluate.sweep import (
    DEPTHS,
    Latency,
    SweepRow,
    measure_latencies,
    pareto_front,
    sweep,
)
from anydepth_core.evaluate.sweep_report import (
    plot_pareto,
    read_sweep,
    sweep_records,
    sweep_table,
)
from anydepth_core.models.count import count_gflops

YOLO, DETR = DepthSpace(), DepthSpace(decoder_layers=6)


def test_rows_are_those_of_the_papers_tables() -> None:
    yolo = [YOLO.parse(text) for text in DEPTHS['paper'](YOLO).values()]
    assert yolo == [YOLO.parse(text) for text in (
        'full', 'full-p2', 'full-p2-p3', 'full-p2-p3-p4', 'full-backbone', 'full-pan', 'full-neck',
        'base')]
    detr = [str(DETR.parse(text)) for text in DEPTHS['paper'](DETR).values()]
    assert detr[7:] == ['full@5', 'full@4', 'full@3', 'full@2', 'full@1', 'base']
    assert 'all essential, 4 decoder layers' in DEPTHS['paper'](DETR)


def test_other_rows() -> None:
    single = [YOLO.parse(text) for text in DEPTHS['single'](YOLO).values()]
    assert len(set(single)) == 18
    assert {len(depth.full_stages) for depth in single} == {0, 1, 7, 8}
    assert len({YOLO.parse(text) for text in DEPTHS['all'](YOLO).values()}) == 256
    few = DepthSpace(('p4', 'p5'))
    assert [str(few.parse(text)) for text in DEPTHS['paper'](few).values()] == [
        'full', 'full-p4', 'base']


def test_front_by_hand() -> None:
    points = [(3, 0.5), (1, 0.2), (2, 0.6), (2, 0.4), (4, 0.6), (1, 0.2), (5, 0.61)]
    assert pareto_front(points) == [1, 2, 6]
    assert pareto_front([]) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    front = pareto_front(points)

    def beaten(index: int) -> bool:
        cost, quality = points[index]
        return any(other != points[index] and other[0] <= cost and other[1] >= quality
                   for other in points)

    assert {points[index] for index in front} == {
        point for index, point in enumerate(points) if not beaten(index)}
    assert [points[index][0] for index in front] == sorted({points[i][0] for i in front})


def rows() -> list[SweepRow]:
    """Return three depths, the middle one above the line from base to full."""
    numbers = {'ap': 0.5, 'ap50': 0.7, 'ap75': 0.5}
    return [SweepRow('all full', 'full', 10.0, Latency(20.0, 15.0, 25.0), numbers, 0.0),
            SweepRow('middle', 'full-p2', 9.0, Latency(21.0, 16.0, 26.0),
                     numbers | {'ap': 0.49}, 0.04),
            SweepRow('all essential', 'base', 8.0, None, numbers | {'ap': 0.4}, 0.0)]


def test_records_table_and_plot(tmp_path: Path) -> None:
    records = sweep_records(rows())
    assert [record['pareto_gflops'] for record in records] == [True, True, True]
    assert [record['pareto_latency_ms'] for record in records] == [True, False, None]
    lines = sweep_table(records).splitlines()
    assert len(lines) == 5 and len({len(line) for line in lines}) == 1
    middle = [cell.strip() for cell in lines[3].strip('|').split('|')]
    assert middle == ['middle', 'full-p2', '9.00', '21.00', '16.00', '47.6', '49.0', '70.0',
                      '50.0', '+4.0', 'GFLOPs']
    for name in ('one.png', 'one.svg'):
        save_figure(plot_pareto({'ours': records, 'other': records[:2]}), tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000


@pytest.mark.parametrize('text', [
    '', '[]', '{"format": "anydepth-sweep"}', '{"format": "x", "schema_version": 1, "rows": []}',
    '{"format": "anydepth-sweep", "schema_version": 1, "rows": [{"depth": "full"}]}',
    '[' * 100_000])
def test_a_file_that_is_no_sweep_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'sweep.json'
    path.write_text(text)
    with pytest.raises(DataError, match=r'sweep\.json'):
        read_sweep(path)
    with pytest.raises(DataError, match='cannot read'):
        read_sweep(tmp_path / 'none.json')


def test_a_written_sweep_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'sweep.json'
    records = sweep_records(rows())
    path.write_text(json.dumps({'format': 'anydepth-sweep', 'schema_version': 1,
                                'rows': records}))
    assert read_sweep(path)['rows'] == records


def test_sweep_of_a_network() -> None:
    model = tiny_model()
    depths = {'all full': 'full', 'essential in P2': 'full-p2', 'all essential': 'base'}
    calls = []

    def source():
        calls.append(1)
        return tiny_batches(2)

    found = sweep(model, depths, source, SIZE, {'full': Latency(1.0, 1.0, 1.0)})
    assert len(calls) == 1  # all depths in one reading of the data
    assert [row.setting for row in found] == list(depths)
    assert [row.gflops for row in found] == [count_gflops(model, text, SIZE)
                                             for text in depths.values()]
    assert found[0].latency is not None and found[1].latency is None
    assert found[0].above_line == pytest.approx(0) and found[-1].above_line == pytest.approx(0)
    assert sweep(model, {'one': 'base'}, source, SIZE)[0].above_line is None


class FakeDetector:
    """Takes notes and tells a time that depends on the depth, with a slow frame in ten."""

    depths = YOLO

    def __init__(self) -> None:
        self.asked: list[str] = []

    def detect(self, image, *, depth):
        self.asked.append(depth)
        slow = 10.0 if self.asked.count(depth) % 10 == 0 else 1.0

        class Found:
            class timing:  # noqa: N801
                total_ms = slow * (3.0 if depth == 'full' else 2.0)
                network_ms = 1.0
        return Found


def test_latencies_take_turns_and_are_medians() -> None:
    detector = FakeDetector()
    image = np.zeros((4, 4, 3), np.uint8)
    measured = measure_latencies(detector, ['full', 'base', 'base'], [image], 20,  # type: ignore
                                 warm_up=3)
    assert list(measured) == ['full', 'base']
    assert (measured['full'].total, measured['base'].total) == (3.0, 2.0)
    assert measured['full'].p95 > 3.0
    assert detector.asked[:4] == ['full', 'base', 'base', 'full']
    assert len(detector.asked) == 2 * 23
