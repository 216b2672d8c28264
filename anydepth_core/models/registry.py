# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Models by name. A builder function is registered under a name and called to create the model."""

from __future__ import annotations

from collections.abc import Callable
import fnmatch
import importlib
from typing import TypeVar

from anydepth_core.errors import AnyDepthError, nearest
from anydepth_core.models.base import AnyDepthModel

Builder = TypeVar('Builder', bound=Callable[..., AnyDepthModel])
FAMILIES = ('rtdetr', 'yolo')
_BUILDERS: dict[str, Callable[..., AnyDepthModel]] = {}


def register(name: str, builder: Builder) -> Builder:
    """Make `create_model(name)` call `builder(num_classes=…)`; ValueError if the name is taken."""
    if name in _BUILDERS:
        raise ValueError(f'model {name!r} is registered twice')
    _BUILDERS[name] = builder
    return builder


def list_models(pattern: str = '*') -> list[str]:
    """Return the registered names that match a shell pattern, sorted."""
    return sorted(fnmatch.filter(_builders(), pattern))


def create_model(name: str, num_classes: int = 80) -> AnyDepthModel:
    """Return a new model with random weights.

    Raises:
        AnyDepthError: no model of that name, or a class count below one.
    """
    builders = _builders()
    if name not in builders:
        raise AnyDepthError(f'unknown model {name!r}{nearest(name, builders)}; '
                            "'anydepth models' lists them")
    if num_classes < 1:
        raise AnyDepthError(f'a model needs at least one class, not {num_classes}')
    return builders[name](num_classes=num_classes)


def _builders() -> dict[str, Callable[..., AnyDepthModel]]:
    """Import the families, which register their models, at the first question."""
    for family in FAMILIES:
        importlib.import_module(f'anydepth_core.models.{family}')
    return _BUILDERS
