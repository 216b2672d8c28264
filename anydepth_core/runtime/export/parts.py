# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of ONNX graphs: what is inside, read, stored, fixed, and of what value and type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from onnx.reference import ReferenceEvaluator


def graphs_of(node: NodeProto) -> list[GraphProto]:
    """Return the graphs inside a node: the ways of a choice."""
    return [attribute.g for attribute in node.attribute if attribute.HasField('g')]


def reads_of(node: NodeProto) -> Iterator[str]:
    """Yield the names that a node, or the graphs inside it, read from around it."""
    yield from node.input
    for graph in graphs_of(node):
        inside = {name for inner in graph.node for name in inner.output}
        inside.update(each.name for each in graph.initializer)
        for inner in graph.node:
            yield from (name for name in reads_of(inner) if name not in inside)


def renamed(node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    """Return a copy of a node that reads and makes other names; graphs inside stay as they are."""
    result = NodeProto()
    result.CopyFrom(node)
    result.input[:] = [names.get(name, name) for name in node.input]
    result.output[:] = [names.get(name, name) for name in node.output]
    return result


def fixed_and_others(graph: GraphProto) -> tuple[list[NodeProto], list[NodeProto]]:
    """Return the nodes that depend on stored constants alone, and the others."""
    known = {each.name for each in graph.initializer}
    fixed, others = [], []
    for node in graph.node:
        if node.op_type != 'If' and node.input and known.issuperset(filter(None, node.input)):
            known.update(node.output)
            fixed.append(node)
        else:
            others.append(node)
    return fixed, others


def values_of(nodes: Sequence[NodeProto], constants: Iterable[TensorProto], model: ModelProto,
              ) -> dict[str, NDArray[Any]]:
    """Return what nodes of a model compute from constants alone, by name."""
    made = [name for node in nodes for name in node.output]
    graph = helper.make_graph(nodes, 'constants', [], [ValueInfoProto(name=each) for each in made],
                              list(constants))
    runner = ReferenceEvaluator(helper.make_model(graph, opset_imports=model.opset_import))
    return dict(zip(made, runner.run(None, {})))


def tensors_of(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield every stored tensor of a graph and of the graphs inside it."""
    yield from graph.initializer
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField('t'))
        for inner in graphs_of(node):
            yield from tensors_of(inner)


def types_of(model: ModelProto) -> dict[str, ValueInfoProto]:
    """Return type and shape of each value of the outer graph for which they can be inferred."""
    light = ModelProto()
    light.CopyFrom(model)
    for tensor in tensors_of(light.graph):
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1:
            tensor.ClearField('raw_data')  # no shape hangs on it, and inference copies the model
    graph = onnx.shape_inference.infer_shapes(light).graph
    return {each.name: each for each in (*graph.input, *graph.output, *graph.value_info)}
