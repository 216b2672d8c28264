# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs that differ in a few keys of one recipe, side by side in one table (paper Table 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
import statistics
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from anydepth_core.errors import RecipeError
from anydepth_core.evaluate.files import markdown_table, write_json, write_text
from anydepth_core.models.weights import load_weights
from anydepth_core.train.distributed import join_world
from anydepth_core.train.publish import WEIGHTS
from anydepth_core.train.recipe import Recipe
from anydepth_core.train.recipe_file import load_recipe, read_yaml, validated
from anydepth_core.train.trainer import CHECKPOINT, Trainer

TABLE = 'ablation.md'
RESULTS = 'ablation.json'
Scores = dict[str, list[dict[str, float]]]


@with_config(ConfigDict(extra='forbid'))
@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What is compared.

    Attributes:
        recipe: path of the common recipe, beside this file unless absolute.
        rows: by the name of each row, the `key=value` overrides that make it.
        overrides: of every row.
        seeds: each row is trained once per seed.
    """

    recipe: str
    rows: Annotated[Mapping[str, tuple[str, ...]], Field(min_length=1)]
    overrides: tuple[str, ...] = ()
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)


def load_ablation(path: Path) -> Ablation:
    """Read an ablation from YAML.

    Raises:
        RecipeError: an unreadable file or a wrong key or value.
    """
    ablation: Ablation = validated(TypeAdapter(Ablation), read_yaml(path), '')
    return ablation


def planned_runs(ablation: Ablation, beside: Path) -> dict[str, dict[int, Recipe]]:
    """Return the recipe of every row and seed; RecipeError before anything runs."""
    folders: dict[str, str] = {}
    for row in ablation.rows:
        other = folders.setdefault(_folder_name(row), row)
        if other != row:
            raise RecipeError(f'rows: {other!r} and {row!r} would share the folder '
                              f'{_folder_name(row)!r}; rename one')
    path = beside / ablation.recipe
    return {row: {seed: load_recipe(path, [*ablation.overrides, *overrides, f'seed={seed}'])
                  for seed in ablation.seeds} for row, overrides in ablation.rows.items()}


def run_ablation(runs: Mapping[str, Mapping[int, Recipe]], out: Path,
                 report: Callable[[str], None],
                 around: Callable[[Trainer], AbstractContextManager[None]]) -> Scores:
    """Train what is not trained yet, each run in a folder of its own; return AP by row.

    Args:
        runs: by row and seed.
        out: folder of the ablation; the table in it grows with every finished run.
        report: told one line of text now and then.
        around: makes what surrounds each run, so that a signal can stop it; a stopped run ends
            the ablation, and the next call goes on with it.
    """
    scores: Scores = {}
    for row, seeds in runs.items():
        for seed, recipe in seeds.items():
            folder = out / _folder_name(row) / f'seed{seed}'
            exists = (folder / CHECKPOINT).exists()
            report(f'{row}, seed {seed}: {"going on" if exists else "starting"} in {folder}')
            with join_world(recipe.device) as world:
                trainer = Trainer.resume(folder, report, recipe, world) if exists else \
                    Trainer(recipe, folder, report, world)
                with around(trainer):
                    trainer.run()
            if trainer.stop_requested:
                return scores
            _, info = load_weights(folder / WEIGHTS)
            scores.setdefault(row, []).append(dict(info.ap))
            write_json(out / RESULTS, scores)
            write_text(out / TABLE, table(scores) + '\n')
    return scores


def table(scores: Scores) -> str:
    """Return AP at full and base by row, in percent, as Markdown: mean ± deviation over seeds."""
    return markdown_table(['setting', 'AP full', 'AP base', 'seeds'], [
        [row, *(_cell([100 * run[depth] for run in runs if depth in run])
                for depth in ('full', 'base')), str(len(runs))] for row, runs in scores.items()])


def _cell(values: list[float]) -> str:
    if not values:
        return '-'
    mean = f'{statistics.mean(values):.1f}'
    return mean if len(values) == 1 else f'{mean} ± {statistics.stdev(values):.1f}'


def _folder_name(row: str) -> str:
    return '_'.join(''.join(c if c.isalnum() else ' ' for c in row).split()).lower()
