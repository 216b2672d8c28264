# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs of seconds for the tests of the trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anydepth_core.train.recipe import Recipe
from anydepth_core.train.recipe_file import parse_recipe

ROOT = Path(__file__).resolve().parents[2]


def values(**changes: object) -> dict[str, Any]:
    """Return the keys of a run of seconds: a tiny network on small scenes."""
    return {'model': 'anydepth-yolo-tiny', 'input_size': [96, 128], 'iterations': 6, 'batch': 2,
            'workers': 0, 'threads': 1, 'device': 'cpu', 'evaluate_every': 100,
            'checkpoint_every': 100, 'log_every': 2,
            'data': {'sizes': [[96, 128]], 'validation_count': 2},
            'optimizer': {'warm_up': 2}} | changes


def recipe(**changes: object) -> Recipe:
    """Return the recipe of such a run."""
    return parse_recipe(values(**changes))


def silent(_line: str) -> None:
    """Swallow a report."""
