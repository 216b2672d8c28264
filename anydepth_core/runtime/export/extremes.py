# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Full and base as graphs of their own inside the graph of all depths.

Every `If` copies the maps that cross its border, and a runtime plans what lies between two of them
by itself. The extremes, which run most, are chosen once, in front: either then runs like a file of
that depth alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper, numpy_helper

from anydepth_core.depth import Depth, DepthSpace
from anydepth_core.runtime.export.check import Feeds, flags_of
from anydepth_core.runtime.export.parts import fixed_and_others, renamed, values_of


def with_extremes_apart(model: ModelProto, space: DepthSpace) -> ModelProto:
    """Return a model of all depths of `space` with its extremes as graphs of their own."""
    full, base = space.full, space.base
    fixed, nodes = fixed_and_others(model.graph)
    outputs = model.graph.output
    ways = [_graph(str(depth), *_chosen(model, nodes, depth), outputs) for depth in (full, base)]
    apart = _graph('apart', [_choice(f'is {full}', *ways)], (), outputs)
    result = ModelProto()
    result.CopyFrom(model)
    result.graph.ClearField('node')
    result.graph.node.extend([
        *fixed, *_is(full), *_is(base),
        helper.make_node('Or', [f'is {full}', f'is {base}'], ['is apart']),
        _choice('is apart', apart, _graph('any', nodes, (), outputs))])
    return result


def _choice(condition: str, yes: GraphProto, no: GraphProto) -> NodeProto:
    return helper.make_node('If', [condition], ['logits', 'boxes'], then_branch=yes,
                            else_branch=no)


def _chosen(model: ModelProto, nodes: Iterable[NodeProto], depth: Depth,
            ) -> tuple[list[NodeProto], list[onnx.TensorProto]]:
    """Return the nodes that run at a depth, and what its flags alone decide as constants."""
    decided = _decided(model, flags_of(depth))
    local = {each: f'{depth}.{each}' for each in decided}
    result: list[NodeProto] = []
    for node in nodes:
        if node.op_type == 'If' and node.input[0] in decided:
            wanted = 'then_branch' if decided[node.input[0]] else 'else_branch'
            way = next(each.g for each in node.attribute if each.name == wanted)
            result.extend(renamed(each, local) for each in way.node)
            result.extend(helper.make_node('Identity', [inner.name], [outer])
                          for inner, outer in zip(way.output, node.output))
        elif not set(node.output) <= decided.keys():
            result.append(renamed(node, local))
    read = {name for node in result for name in node.input}
    return result, [numpy_helper.from_array(value, local[each])
                    for each, value in decided.items() if local[each] in read]


def _decided(model: ModelProto, flags: Feeds) -> dict[str, NDArray[Any]]:
    """Return the flags and every value that depends on them and on stored constants alone."""
    stored = {each.name: each for each in model.graph.initializer}
    decided, nodes = set(flags), []
    for node in model.graph.node:
        reads = set(node.input)
        if node.op_type != 'If' and reads & decided and reads <= decided | stored.keys():
            nodes.append(node)
            decided.update(node.output)
    constants = [numpy_helper.from_array(value, name) for name, value in flags.items()]
    constants += [stored[name] for name in {name for node in nodes for name in node.input}
                  if name in stored]
    return {**flags, **{name: np.asarray(value)
                        for name, value in values_of(nodes, constants, model).items()}}


def _is(depth: Depth) -> list[NodeProto]:
    """Return nodes that make `is DEPTH`: whether all flags are those of the depth."""
    name, nodes, found = str(depth), [], []
    for flag, value in flags_of(depth).items():
        wanted, same, least = (f'{name}: {what} {flag}' for what in ('wanted', 'same', 'least'))
        nodes += [helper.make_node('Constant', [], [wanted],
                                   value=numpy_helper.from_array(value)),
                  helper.make_node('Equal', [flag, wanted], [f'{same} bool']),
                  helper.make_node('Cast', [f'{same} bool'], [same], to=onnx.TensorProto.INT32),
                  helper.make_node('ReduceMin', [same], [least], keepdims=0)]
        found.append(least)
    total = found[0]
    for other in found[1:]:
        nodes.append(helper.make_node('Mul', [total, other], [f'{total} and {other}']))
        total = f'{total} and {other}'
    nodes.append(helper.make_node('Cast', [total], [f'is {name}'], to=onnx.TensorProto.BOOL))
    return nodes


def _graph(name: str, nodes: Iterable[NodeProto], constants: Sequence[onnx.TensorProto],
           outputs: Sequence[ValueInfoProto]) -> GraphProto:
    """Return a way of an `If`, whose outputs have names of their own."""
    names = {each.name: f'{name}.{each.name}' for each in outputs}
    ends = []
    for each in outputs:
        end = ValueInfoProto()
        end.CopyFrom(each)
        end.name = names[each.name]
        ends.append(end)
    return helper.make_graph([renamed(node, names) for node in nodes], name, [], ends, constants)
