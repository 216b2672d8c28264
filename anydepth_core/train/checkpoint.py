# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Training checkpoints: everything a killed run needs to go on as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
import pickle
from typing import Any

import torch

from anydepth_core.errors import RecipeError
from anydepth_core.files import whole_file

SCHEMA = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` so that `path` is at every moment either the old or the new checkpoint.

    Raises:
        RecipeError: it cannot be written; the old one stays.
    """
    with whole_file(path, RecipeError) as file:
        torch.save({'schema': SCHEMA, **state}, file)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without executing anything in it.

    Raises:
        RecipeError: missing, damaged, or of another version.
    """
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecipeError(f'cannot resume from {path}: {reason}') from None
    if not isinstance(state, dict) or state.get('schema') != SCHEMA:
        raise RecipeError(f'cannot resume from {path}: not a checkpoint of this version')
    return state
