# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""An any-depth file in the forms in which runtimes are quick (docs/decisions/0005).

In the file a kernel that two paths share is stored once, outside of the choices, and scaled by
nodes. Runtimes lay kernels out for the processor only where they are constants of the very graph
that uses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnx
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)
from onnx.reference import ReferenceEvaluator

from anydepth_core.runtime.export.recorder import IR_VERSION, OPSET

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


@dataclass(frozen=True)
class Part:
    """A piece of the network that has no choice inside.

    Attributes:
        model: its inputs and outputs bear the names they have in the whole.
    """

    model: ModelProto

    @property
    def inputs(self) -> list[str]:
        """Names of the values it reads."""
        return [each.name for each in self.model.graph.input]

    @property
    def outputs(self) -> list[str]:
        """Names of the values it makes."""
        return [each.name for each in self.model.graph.output]


class Condition(NamedTuple):
    """What a choice asks of a depth.

    Attributes:
        stage: position of the stage in `full_stages` that decides; None for a decoder layer.
        layers: a decoder layer runs if there are more than this many.
    """

    stage: int | None
    layers: int

    def holds(self, full_stages: Sequence[bool], decoder_layers: int) -> bool:
        """Return the answer."""
        return decoder_layers > self.layers if self.stage is None else full_stages[self.stage]


@dataclass(frozen=True)
class Choice:
    """Two parts of which a depth runs one.

    Attributes:
        condition: what decides.
        yes: what runs if it holds.
        no: what runs else; None if the inputs named in `unchanged` are the outputs.
        outputs: names of the values that either way makes.
        unchanged: see `no`.
    """

    condition: Condition
    yes: Part
    no: Part | None
    outputs: list[str]
    unchanged: list[str]


def split(model: ModelProto) -> list[Part | Choice]:
    """Return the network as parts in the order they run; values pass between them by name."""
    whole = with_local_constants(model)
    types = {each.name: each for each in _described(whole)}
    constants = {each.name: each for each in whole.graph.initializer}
    ends = [each.name for each in whole.graph.output]
    asked = {name for node in whole.graph.node if node.op_type == 'If' for name in node.input}
    conditions = {node.output[0]: _condition(node, constants) for node in whole.graph.node
                  if node.output[0] in asked}
    runs: list[list[NodeProto]] = [[]]
    for node in whole.graph.node:
        if node.output[0] in conditions:
            continue
        if node.op_type == 'If':
            runs += [[node], []]
        else:
            runs[-1].append(node)
    steps: list[Part | Choice] = []
    for index, run in enumerate(runs):
        if not run:
            continue
        if run[0].op_type == 'If':
            steps.append(_choice(run[0], conditions[run[0].input[0]], types))
            continue
        read_later = {*ends, *(name for later in runs[index + 1:] for node in later
                               for name in _reads(node))}
        outputs = [name for node in run for name in node.output if name in read_later]
        steps.append(_part(run, constants, outputs, types))
    return steps


def _computed(model: ModelProto) -> tuple[list[NodeProto], dict[str, TensorProto]]:
    """Return the nodes that depend on inputs, and every constant by name."""
    constants = {each.name: each for each in model.graph.initializer}
    fixed, nodes, known = [], [], set(constants)
    for node in model.graph.node:
        if node.op_type != 'If' and node.input and known.issuperset(filter(None, node.input)):
            fixed.append(node)
            known.update(node.output)
        else:
            nodes.append(node)
    made = [name for node in fixed for name in node.output]
    if made:
        graph = helper.make_graph(
            fixed, 'constants', [], [onnx.ValueInfoProto(name=name) for name in made],
            [constants[name] for name in {name for node in fixed for name in node.input}
             if name in constants])
        values = ReferenceEvaluator(helper.make_model(
            graph, opset_imports=model.opset_import)).run(None, {})
        constants |= {name: numpy_helper.from_array(np.ascontiguousarray(value), name)
                      for name, value in zip(made, values)}
    return nodes, constants


def _localise(graph: GraphProto, constants: dict[str, TensorProto], prefix: str = '') -> None:
    """Store in `graph`, and in the graphs inside it, the constants that their nodes read."""
    names = {name: prefix + name for node in graph.node for name in node.input
             if name in constants}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for inner in _graphs(node):
            _localise(inner, constants, f'{inner.name}.')
    for name, local in names.items():
        graph.initializer.add().CopyFrom(constants[name])
        graph.initializer[-1].name = local


def _condition(node: NodeProto, constants: dict[str, TensorProto]) -> Condition:
    number = int(numpy_helper.to_array(constants[node.input[1]]))
    return Condition(number, 0) if node.op_type == 'Gather' else Condition(None, number)


def _choice(node: NodeProto, condition: Condition, types: dict[str, ValueInfoProto]) -> Choice:
    way = {attribute.name: attribute.g for attribute in node.attribute}
    yes, no = way['then_branch'], way['else_branch']
    outputs = list(node.output)
    unchanged = ([each.input[0] for each in no.node]
                 if all(each.op_type == 'Identity' for each in no.node) else [])
    return Choice(condition, _inner(yes, outputs, types),
                  None if unchanged else _inner(no, outputs, types), outputs, unchanged)


def _inner(graph: GraphProto, outputs: list[str], types: dict[str, ValueInfoProto]) -> Part:
    """Return one way of a choice; its outputs get the names they have outside."""
    names = {end.name: outside for end, outside in zip(graph.output, outputs)}
    nodes = [_renamed(node, names) for node in graph.node]
    return _part(nodes, {each.name: each for each in graph.initializer}, outputs, types)


def _part(nodes: list[NodeProto], constants: dict[str, TensorProto], outputs: list[str],
          types: dict[str, ValueInfoProto]) -> Part:
    made = {name for node in nodes for name in node.output}
    read = dict.fromkeys(name for node in nodes for name in node.input if name)
    inputs = [name for name in read if name not in made and name in types]
    maps = {name for name in (*inputs, *outputs) if _is_map(types[name])}
    turned = [_renamed(node, {name: f'{name}.planes' for name in maps}) for node in nodes]
    before = [each for name in inputs if name in maps for each in _turns(
        name, to_planes=True, copied=sum(name in node.input for node in nodes) > 1)]
    makers = {name: node for node in nodes for name in node.output}
    after = [each for name in outputs if name in maps for each in _turns(
        name, to_planes=False, copied=_ends_in_sum(name, makers))]
    graph = helper.make_graph(
        [*before, *turned, *after], 'part', [_turned(types[name]) for name in inputs],
        [_turned(types[name]) for name in outputs],
        [constants[name] for name in read if name in constants])
    return Part(helper.make_model(graph, opset_imports=[helper.make_opsetid('', OPSET)],
                                  ir_version=IR_VERSION))


def _turns(name: str, *, to_planes: bool, copied: bool) -> list[NodeProto]:
    """Return the nodes between a map as parts hand it over and its planes.

    OpenVINO turns a map for free where exactly one node reads it, and where it was not made by a
    sum. Elsewhere a copy in between (a pool of single pixels), which costs a fifth of turning it,
    helps it to see that.
    """
    planes, between = f'{name}.planes', f'{name}.turned' if copied else f'{name}.planes'
    if to_planes:
        turn = helper.make_node('Transpose', [name], [between], perm=PLANES_FIRST)
        copy = helper.make_node('AveragePool', [between], [planes], kernel_shape=[1, 1])
    else:
        turn = helper.make_node('Transpose', [between], [name], perm=PLANES_LAST)
        copy = helper.make_node('AveragePool', [planes], [between], kernel_shape=[1, 1])
    nodes = [turn, copy] if to_planes else [copy, turn]
    return nodes if copied else [turn]


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


def _renamed(node: NodeProto, names: dict[str, str]) -> NodeProto:
    result = NodeProto()
    result.CopyFrom(node)
    result.input[:] = [names.get(name, name) for name in node.input]
    result.output[:] = [names.get(name, name) for name in node.output]
    return result


def _described(model: ModelProto) -> Iterator[ValueInfoProto]:
    """Yield type and shape of every value of the outer graph."""
    for graph in (model.graph, onnx.shape_inference.infer_shapes(model).graph):
        yield from (*graph.input, *graph.output, *graph.value_info)


def _reads(node: NodeProto) -> Iterator[str]:
    """Yield the names that a node or the graphs inside it read."""
    yield from node.input
    for graph in _graphs(node):
        for inner in graph.node:
            yield from _reads(inner)


def _graphs(node: NodeProto) -> Iterable[GraphProto]:
    return [attribute.g for attribute in node.attribute if attribute.HasField('g')]
