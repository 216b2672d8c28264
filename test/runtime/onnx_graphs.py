# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Looks into ONNX graphs."""

from __future__ import annotations


def graphs(outer):
    """Yield a graph and those inside of it."""
    yield outer
    for node in outer.node:
        for attribute in node.attribute:
            if attribute.HasField('g'):
                yield from graphs(attribute.g)


def sides(value):
    """Return the shape of an input, an output or any other value."""
    return [each.dim_value for each in value.type.tensor_type.shape.dim]
