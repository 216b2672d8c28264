# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to run a network. The registry is data: a further backend is a row here and a module."""

from __future__ import annotations

from collections.abc import Mapping
import importlib
from typing import NamedTuple, cast

from anydepth_core.errors import BackendError, nearest
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.runtime.backends.base import Backend


class Row(NamedTuple):
    """Where a backend is: its module, its class there, and what pip must install for it."""

    module: str
    class_name: str
    requirement: str


BACKENDS: Mapping[str, Row] = {
    'torch': Row('anydepth_core.runtime.backends.torch_backend', 'TorchBackend', 'torch'),
}
AUTO = 'torch'


def open_backend(name: str, model: AnyDepthModel, *, device: str, precision: str,
                 registry: Mapping[str, Row] = BACKENDS) -> Backend:
    """Return a backend that runs `model`; 'auto' is the best one there is.

    Raises:
        BackendError: unknown or not installed, or it lacks the device or the precision.
    """
    name = AUTO if name == 'auto' else name
    if name not in registry:
        raise BackendError(f'unknown backend {name!r}{nearest(name, registry)}; '
                           f'valid: auto {" ".join(registry)}')
    row = registry[name]
    try:
        module = importlib.import_module(row.module)
    except ImportError as error:
        raise BackendError(f'backend {name!r} is not installed ({error}); '
                           f'pip install {row.requirement}') from error
    return cast(Backend, getattr(module, row.class_name)(model, device=device,
                                                         precision=precision))


__all__ = ['AUTO', 'BACKENDS', 'Backend', 'Row', 'open_backend']
