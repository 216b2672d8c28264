# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The two detector families, their registry and their weights."""

from anydepth_core.models.base import AnyDepthModel, RawPredictions, StaticModel
from anydepth_core.models.registry import create_model, list_models

__all__ = ['AnyDepthModel', 'RawPredictions', 'StaticModel', 'create_model', 'list_models']
