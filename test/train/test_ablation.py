# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Ablations: rows times seeds, one table, nothing trained twice."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from tiny_runs import ROOT, silent, values
import yaml

from anydepth_core.errors import RecipeError
from anydepth_core.train.ablation import (
    RESULTS,
    TABLE,
    load_ablation,
    planned_runs,
    run_ablation,
    table,
)


def ablation_file(folder: Path, **changes: object) -> Path:
    """Write an ablation of two rows of a tiny run."""
    (folder / 'recipe.yaml').write_text(yaml.safe_dump(values(iterations=2)))
    path = folder / 'ablation.yaml'
    path.write_text(yaml.safe_dump({
        'recipe': 'recipe.yaml', 'seeds': [0, 1],
        'rows': {'naive joint': ['distillation.alpha=1'], 'ours': []}} | changes))
    return path


def test_rows_and_seeds_become_one_table(tmp_path: Path) -> None:
    path = ablation_file(tmp_path)
    runs = planned_runs(load_ablation(path), tmp_path)
    scores = run_ablation(runs, tmp_path / 'out', silent, lambda _trainer: nullcontext())
    assert {row: len(each) for row, each in scores.items()} == {'naive joint': 2, 'ours': 2}
    assert (tmp_path / 'out' / TABLE).read_text().strip() == table(scores)
    written = (tmp_path / 'out' / RESULTS).read_bytes()
    weights = sorted((tmp_path / 'out').rglob('weights.safetensors'))
    assert len(weights) == 4
    stamps = [file.stat().st_mtime_ns for file in weights]
    assert run_ablation(runs, tmp_path / 'out', silent, lambda _trainer: nullcontext()) == scores
    assert (tmp_path / 'out' / RESULTS).read_bytes() == written
    assert [file.stat().st_mtime_ns for file in weights] == stamps


def test_a_stopped_ablation_goes_on(tmp_path: Path) -> None:
    runs = planned_runs(load_ablation(ablation_file(tmp_path)), tmp_path)
    started = []

    def stop_the_second(trainer):
        started.append(trainer)
        if len(started) == 2:
            trainer.request_stop()
        return nullcontext()

    scores = run_ablation(runs, tmp_path / 'out', silent, stop_the_second)
    assert sum(map(len, scores.values())) == 1
    assert len(started) == 2
    scores = run_ablation(runs, tmp_path / 'out', silent, lambda _trainer: nullcontext())
    assert sum(map(len, scores.values())) == 4


def test_the_table_gives_mean_and_deviation() -> None:
    lines = table({'a': [{'full': 0.50, 'base': 0.40}, {'full': 0.52, 'base': 0.44}],
                   'b': [{'base': 0.1}]}).splitlines()
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    assert cells[2] == ['a', '51.0 ± 1.4', '42.0 ± 2.8', '2']
    assert cells[3] == ['b', '-', '10.0', '1']


@pytest.mark.parametrize('changes', [{'rows': {}}, {'seeds': []}, {'row': {}}, {'rows': 3}])
def test_wrong_ablations_are_refused(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(RecipeError):
        load_ablation(ablation_file(tmp_path, **changes))


def test_a_wrong_override_is_refused_before_anything_runs(tmp_path: Path) -> None:
    path = ablation_file(tmp_path, rows={'a': [], 'b': ['bach=3']})
    with pytest.raises(RecipeError, match='bach'):
        planned_runs(load_ablation(path), tmp_path)


def test_rows_of_one_folder_are_refused_before_anything_runs(tmp_path: Path) -> None:
    path = ablation_file(tmp_path, rows={'p4+p5': [], 'ours': [], 'P4, p5': []})
    with pytest.raises(RecipeError, match=r"'P4, p5' and 'p4\+p5'.*'p4_p5'"):
        planned_runs(load_ablation(path), tmp_path)


@pytest.mark.parametrize('path', sorted((ROOT / 'training/ablations').glob('*.yaml')),
                         ids=lambda path: path.name)
def test_shipped_ablations_load(path: Path) -> None:
    runs = planned_runs(load_ablation(path), path.parent)
    assert all(runs.values())
