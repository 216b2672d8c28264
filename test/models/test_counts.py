# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes and costs of every published network, equal to what was published."""

from __future__ import annotations

import functools
import json

import pytest
import torch

from anydepth_core import cli
from anydepth_core.commands import tables
from anydepth_core.commands.tables import count_rows
from anydepth_core.models import create_model, list_models
from anydepth_core.models.count import (
    count_full_path_parameters,
    count_operations,
    count_parameters,
)

# Parameters with 80 classes, and of single-depth networks: counted on the authors' own code.
ANY_DEPTH = {
    'anydepth-yolo-n': 3_310_944,
    'anydepth-yolo-s': 7_443_808,
    'anydepth-yolo-s-outer': 7_443_008,
    'anydepth-yolo-m': 19_711_360,
    'anydepth-yolo-l': 27_349_504,
    'anydepth-yolo-l-outer': 27_347_712,
    'anydepth-yolo-x': 61_268_512,
    'anydepth-yolo-x-outer': 61_265_824,
    'anydepth-detr-r50': 42_885_068,
    'anydepth-detr-r101': 76_556_364,
}
SINGLE_DEPTH = {
    'anydepth-yolo-n-turbo': 2_553_904,
    'anydepth-yolo-s-turbo': 9_127_424,
    'anydepth-yolo-m-turbo': 19_670_784,
    'anydepth-yolo-l-turbo': 26_506_496,
    'anydepth-yolo-x-turbo': 59_414_176,
    'anydepth-yolo-n-ultralytics': 2_602_288,
    'anydepth-yolo-s-ultralytics': 9_284_096,
    'anydepth-yolo-m-ultralytics': 20_199_168,
    'anydepth-yolo-l-ultralytics': 26_450_784,
    'anydepth-yolo-x-ultralytics': 59_210_784,
}
# GFLOPs at 640x640 in thop's convention: full, base, and base without the sliced convolutions.
# Those of l and x are in the paper's tables, see below.
THOP = {
    'anydepth-yolo-n': (7.70, 6.55, None),
    'anydepth-yolo-s': (22.63, 17.97, 17.34),
    'anydepth-yolo-s-outer': (22.63, 16.54, 14.57),
    'anydepth-yolo-m': (60.42, 53.44, None),
    'anydepth-yolo-l-outer': (83.27, 59.37, 51.50),
    'anydepth-yolo-n-turbo': (6.15, None, None),
    'anydepth-yolo-s-turbo': (19.74, None, None),
}
# The table that comes with the package, rounded to its one digit.
ULTRALYTICS = {'n': 6.7, 's': 21.7, 'm': 68.1, 'l': 89.7}
# What each stage of AnyDepth-YOLO-L saves on its essential path, in GFLOPs of convolutions.
SAVINGS = {'p2': 1.887, 'p3': 1.887, 'p4': 6.793, 'p5': 1.698,
           'fpn4': 2.726, 'fpn3': 2.726, 'pan4': 2.726, 'pan5': 0.472}
MIXTURES = ('base', 'full-p2', 'base+p4+pan5', 'full-fpn3-p5')


@functools.cache
def meta(name: str, classes: int = 80):
    """A model without numbers, the same for all tests: none changes it, and it takes a second."""
    with torch.device('meta'):
        return create_model(name, classes)


@pytest.mark.parametrize(('name', 'parameters'), ANY_DEPTH.items())
def test_parameters(name: str, parameters: int) -> None:
    assert count_parameters(meta(name)) == parameters


@pytest.mark.parametrize(('name', 'parameters'), SINGLE_DEPTH.items())
def test_parameters_of_the_full_path(name: str, parameters: int) -> None:
    assert count_full_path_parameters(meta(name)) == parameters


@pytest.mark.parametrize(('name', 'published'), THOP.items())
def test_thop_gflops(name: str, published: tuple[float, float | None, float | None]) -> None:
    model = meta(name)
    full, base, sliced_unseen = published
    assert count_operations(model, 'full').thop_gflops == pytest.approx(full, abs=0.0051)
    if base is not None:
        counted = count_operations(model, 'base')
        assert counted.thop_gflops == pytest.approx(base, abs=0.0051)
        if sliced_unseen is not None:
            assert counted.paper_yolo_gflops == pytest.approx(sliced_unseen, abs=0.0051)


@pytest.mark.parametrize(('size', 'published'), ULTRALYTICS.items())
def test_gflops_of_the_ultralytics_layout(size: str, published: float) -> None:
    counted = count_operations(meta(f'anydepth-yolo-{size}-ultralytics'), 'full').thop_gflops
    assert counted == pytest.approx(published, abs=0.0501)


def test_savings_of_the_stages_add_up() -> None:
    model = meta('anydepth-yolo-l')
    full = count_operations(model, 'full').gflops
    for text in MIXTURES:
        depth = model.depths.parse(text)
        saving = sum(SAVINGS[stage] for stage in SAVINGS if not depth[stage])
        counted = full - count_operations(model, depth).gflops
        assert counted == pytest.approx(saving, abs=3e-3), text


def test_every_row_of_the_papers_tables() -> None:
    counts = list(count_rows())
    assert {count.row.table for count in counts} == {1, 2, 9}
    others = (tables.LABELLED, tables.UNFUSED.keywords['remark'])
    for count in counts:
        # A table can be no more exact than its last digit.
        digit = 0.5 if count.row.gflops == int(count.row.gflops) and count.row.table == 1 else 0.05
        tolerance = max(0.003 * count.row.gflops, digit)
        off = abs(count.counted_gflops - count.row.gflops)
        if count.row.remark in others:
            assert off > 0.1, 'the paper counted like this after all'
        else:
            assert off <= tolerance, str(count)
        assert abs(count.difference) <= 0.003 or count.row.remark, f'not explained: {count}'
        if count.row.millions is not None:
            assert count.parameters / 1e6 == pytest.approx(count.row.millions, rel=0.03)
    # Each row counted in another way stands beside one that agrees.
    kinds = [(count.row.setting, count.row.remark in others) for count in counts]
    assert all((setting, False) in kinds for setting, other in kinds if other)


def test_tables_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
                        ) -> None:
    monkeypatch.setattr(tables, 'ROWS', tables.ROWS[-2:])
    assert cli.main(['tables', '--json']) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row['row']['depth'] for row in document['rows']] == ['full-pan', 'full-neck']
    assert cli.main(['tables']) == 0
    printed = capsys.readouterr().out
    assert 'Table 9' in printed and f'[1] {tables.SLICED}' in printed


@pytest.mark.parametrize('name', list_models())
def test_every_registered_model_builds(name: str) -> None:
    model = meta(name, 3)
    assert 0 < count_full_path_parameters(model) < count_parameters(model)
    assert model.num_classes == 3
    logits, boxes = model.at('base')(torch.empty(1, 3, 32, 64, device='meta'))
    assert logits.shape[-1] == 3 and boxes.shape[-1] == 4
    assert logits.shape[:2] == boxes.shape[:2]
