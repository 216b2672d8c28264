# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Object detection whose depth is chosen per call. Everything here works without ROS.

The names below are the public interface. Those that need NumPy or PyTorch load it at first use, so
that ``import anydepth_core`` and the help of the command line stay cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from anydepth_core.depth import Depth, DepthSpace
from anydepth_core.errors import AnyDepthError

if TYPE_CHECKING:
    from anydepth_core.detections import Detections, FrameTiming
    from anydepth_core.models.registry import create_model, list_models
    from anydepth_core.models.weights import (
        ModelInfo,
        load_weights,
        packaged_weights,
        save_weights,
    )
    from anydepth_core.runtime.detector import Detector
    from anydepth_core.runtime.draw import draw_detections

_LAZY = {
    'Detections': 'anydepth_core.detections',
    'Detector': 'anydepth_core.runtime.detector',
    'FrameTiming': 'anydepth_core.detections',
    'ModelInfo': 'anydepth_core.models.model_info',
    'create_model': 'anydepth_core.models.registry',
    'draw_detections': 'anydepth_core.runtime.draw',
    'list_models': 'anydepth_core.models.registry',
    'load_weights': 'anydepth_core.models.weights',
    'packaged_weights': 'anydepth_core.models.weights',
    'save_weights': 'anydepth_core.models.weights',
}

__all__ = [
    'AnyDepthError',
    'Depth',
    'DepthSpace',
    'Detections',
    'Detector',
    'FrameTiming',
    'ModelInfo',
    'create_model',
    'draw_detections',
    'list_models',
    'load_weights',
    'packaged_weights',
    'save_weights',
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
