# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of an ONNX graph: graphs inside of it, and what all of them store."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import GraphProto, NodeProto, TensorProto


def graphs_of(node: NodeProto) -> list[GraphProto]:
    """Return the graphs inside a node: the ways of a choice."""
    return [attribute.g for attribute in node.attribute if attribute.HasField('g')]


def tensors_of(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield every stored tensor of a graph and of the graphs inside it."""
    yield from graph.initializer
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField('t'))
        for inner in graphs_of(node):
            yield from tensors_of(inner)
