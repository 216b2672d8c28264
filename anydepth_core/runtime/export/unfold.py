# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""An any-depth file in the forms in which runtimes are quick (docs/decisions/0005).

In the file a kernel that two paths share is stored once, outside of the choices, and scaled by
nodes. Runtimes lay kernels out for the processor only where they are constants of the very graph
that uses them.
"""

from __future__ import annotations

import numpy as np
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from anydepth_core.runtime.export.parts import (
    fixed_and_others,
    graphs_of,
    reads_of,
    renamed,
    types_of,
    values_of,
)

PLANES_FIRST = (0, 3, 1, 2)
PLANES_LAST = (0, 2, 3, 1)


def with_local_constants(model: ModelProto) -> ModelProto:
    """Return the model with what depends on constants alone computed, each where it is used."""
    nodes, constants = _computed(model)
    result = ModelProto()
    result.CopyFrom(model)
    result.graph.ClearField('node')
    result.graph.ClearField('initializer')
    result.graph.node.extend(nodes)
    _localise(result.graph, constants)
    return result


def with_pixels(model: ModelProto) -> ModelProto:
    """Return the model with `images` as bytes from 0 to 255, which it makes floating itself.

    A runtime does that on all of its threads, and a choice that images cross copies a quarter. The
    graph must read them outside of choices, so this comes before `with_narrow_borders`.
    """
    result = ModelProto()
    result.CopyFrom(model)
    images = next(each for each in result.graph.input if each.name == 'images')
    images.type.tensor_type.elem_type = TensorProto.UINT8
    ready = 'images / 255'
    nodes = [helper.make_node('Cast', ['images'], ['images as floats'], to=TensorProto.FLOAT),
             helper.make_node('Div', ['images as floats', 'largest'], [ready]),
             *(renamed(node, {'images': ready}) for node in result.graph.node)]
    result.graph.ClearField('node')
    result.graph.node.extend(nodes)
    result.graph.initializer.append(numpy_helper.from_array(np.float32(255), 'largest'))
    return result


def with_planes_last(model: ModelProto) -> ModelProto:
    """Return the same with maps that come into choices, or out of them, in (1, H, W, C).

    So is the input `images`. OpenVINO computes with planes last, but hands over what crosses the
    border of an `If` as its shape says.
    """
    result = with_local_constants(model)
    types = types_of(result)
    choices = [node for node in result.graph.node if node.op_type == 'If']
    given = {each.name for each in result.graph.input} | {
        name for node in choices for name in node.output}
    read = {name for node in choices for name in reads_of(node)}
    maps = {name for name in given | read if name in types and _is_map(types[name])}
    for choice in choices:
        _turn_ways(choice, maps)
    _hand_over(result.graph, maps & given, maps - given)
    inputs = [_turned(each) for each in result.graph.input]
    result.graph.ClearField('input')
    result.graph.input.extend(inputs)
    return result


def _computed(model: ModelProto) -> tuple[list[NodeProto], dict[str, TensorProto]]:
    """Return the nodes that depend on inputs, and every constant by name."""
    constants = {each.name: each for each in model.graph.initializer}
    fixed, nodes = fixed_and_others(model.graph)
    stored = [constants[name] for name in {name for node in fixed for name in node.input}
              if name in constants]
    constants |= {name: numpy_helper.from_array(np.ascontiguousarray(value), name)
                  for name, value in values_of(fixed, stored, model).items()}
    return nodes, constants


def _localise(graph: GraphProto, constants: dict[str, TensorProto], prefix: str = '') -> None:
    """Store in `graph`, and in the graphs inside it, the constants that their nodes read."""
    names = {name: prefix + name for node in graph.node for name in node.input
             if name in constants}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for inner in graphs_of(node):
            _localise(inner, constants, f'{inner.name}.')
    for name, local in names.items():
        graph.initializer.add().CopyFrom(constants[name])
        graph.initializer[-1].name = local


def _turn_ways(choice: NodeProto, maps: set[str]) -> None:
    """Let the ways of a choice, and of choices inside them, read `maps` and end planes last."""
    for way in graphs_of(choice):
        inner = [node for node in way.node if node.op_type == 'If']
        for node in inner:
            _turn_ways(node, maps)
        made = {each.name for each in way.output if _is_map(each)}
        if inner and (len(way.node) > 1 or not made <= set(inner[0].output)):
            raise ValueError(f'{way.name} holds a choice and more')
        _hand_over(way, maps, made)
        ends = [_turned(each) for each in way.output]
        way.ClearField('output')
        way.output.extend(ends)


def _hand_over(graph: GraphProto, incoming: set[str], outgoing: set[str]) -> None:
    """Let maps come and go with planes last, in place; the nodes see them with planes first."""
    makers = {name: node for node in graph.node for name in node.output}
    inside = {name: f'{graph.name}.{name}' for name in incoming | outgoing}
    result: list[NodeProto] = []
    turned: set[str] = set()
    for node in graph.node:
        if node.op_type == 'If':
            result.append(node)
            continue
        for name in node.input:
            if name in incoming and name not in turned:
                turned.add(name)
                result.append(helper.make_node('Transpose', [name], [inside[name]],
                                               perm=PLANES_FIRST))
        result.append(renamed(node, inside))
        for name in outgoing.intersection(node.output):
            source = inside[name]
            if _ends_in_sum(name, makers):
                # OpenVINO turns what a sum made for free only with a copy in between, which costs
                # a fifth of turning: a pool of single pixels.
                result.append(helper.make_node('AveragePool', [source], [f'{source}.copy'],
                                               kernel_shape=[1, 1]))
                source = f'{source}.copy'
            result.append(helper.make_node('Transpose', [source], [name], perm=PLANES_LAST))
    graph.ClearField('node')
    graph.node.extend(result)


def _ends_in_sum(name: str, makers: dict[str, NodeProto]) -> bool:
    node = makers[name]
    while node.op_type in ('Identity', 'Relu') and node.input[0] in makers:
        node = makers[node.input[0]]
    return node.op_type == 'Add'


def _is_map(value: ValueInfoProto) -> bool:
    return len(value.type.tensor_type.shape.dim) == 4


def _turned(value: ValueInfoProto) -> ValueInfoProto:
    """Return a description with the planes of a map last; of anything else, as it is."""
    if not _is_map(value):
        return value
    sides = [each.dim_value for each in value.type.tensor_type.shape.dim]
    return helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type,
                                         [sides[index] for index in PLANES_LAST])
