# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Choices with less to hand over at their borders (docs/decisions/0005).

What crosses the border of an `If` costs time and memory: OpenVINO copies it, on one thread, and
holds it once more for each way; ONNX Runtime turns it into another layout and back. What only a
choice reads can as well be made inside it, in both ways; and two choices of which one makes what
only the other reads can be one choice of four ways. Both are done where less crosses then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import math

from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper

from anydepth_core.runtime.export.parts import (
    fixed_and_others,
    graphs_of,
    reads_of,
    renamed,
    types_of,
)

# All that is inside of two choices is there twice once they are one: it has to save a third.
WORTH_JOINING = 2 / 3


def with_narrow_borders(model: ModelProto) -> ModelProto:
    """Return a model of all depths with less to cross; constants must lie outside of choices."""
    result = ModelProto()
    result.CopyFrom(model)
    fixed, nodes = fixed_and_others(result.graph)
    constants = {each.name for each in result.graph.initializer}
    constants.update(name for node in fixed for name in node.output)
    outer = _Outer(nodes, constants, types_of(result), {each.name for each in result.graph.output})
    for choice in outer.choices():
        outer.take_in(choice)
    choices = outer.choices()
    while len(choices) > 1:
        first, second, *others = choices
        choices = others if outer.join(first, second) else choices[1:]
    result.graph.ClearField('node')
    result.graph.node.extend([*fixed, *outer.nodes])
    return result


class _Outer:
    """The nodes of a graph that depend on its inputs, in the order in which they run."""

    def __init__(self, nodes: Sequence[NodeProto], constants: set[str],
                 types: dict[str, ValueInfoProto], results: set[str]) -> None:
        self.nodes = list(nodes)
        self._constants = constants
        self._types = types
        self._results = results

    def choices(self) -> list[NodeProto]:
        """Return the nodes that are choices."""
        return [node for node in self.nodes if node.op_type == 'If']

    def take_in(self, choice: NodeProto) -> None:
        """Move into both ways of a choice what it alone reads, as far as less crosses then."""
        own = self._read_by_none_but(choice)
        groups = [_with_readers(own[start:]) for start in range(len(own))]
        best = min([[], *groups], key=lambda group: self._bytes(self._reads([*group, choice])))
        for way in graphs_of(choice):
            nodes = [renamed(node, {}) for node in (*best, *way.node)]
            way.ClearField('node')
            way.node.extend(nodes)
        self._remove(best)

    def join(self, first: NodeProto, second: NodeProto) -> bool:
        """Make two choices one where much crosses between them; tell whether it was done."""
        start, end = (_index(self.nodes, node) for node in (first, second))
        if set(first.output) & _all_reads(self.nodes[start + 1:end]):
            return False
        wanted = _all_reads(self.nodes[end + 1:]) | self._results
        made = [*first.output, *second.output]
        joined = _joined(first, second, [self._types[name] for name in made if name in wanted])
        apart = [*self._reads([first]), *self._reads([second]), *made]
        # One choice lies in the other, so what is left crosses two borders.
        if (2 * self._bytes([*self._reads([joined]), *joined.output])
                > WORTH_JOINING * self._bytes(apart)):
            return False
        self.nodes[end] = joined
        self._remove([first])
        return True

    def _read_by_none_but(self, choice: NodeProto) -> list[NodeProto]:
        """Return the nodes of whose results nothing but the ways of a choice comes to know."""
        found, elsewhere = [], self._results | set(choice.input)
        for node in reversed(self.nodes):
            if node is choice:
                continue
            if node.op_type == 'If' or elsewhere.intersection(node.output):
                elsewhere.update(reads_of(node))
            else:
                found.append(node)
        return found[::-1]

    def _reads(self, nodes: Sequence[NodeProto]) -> set[str]:
        """Return what nodes read that none of them makes; no constants."""
        made = {name for node in nodes for name in node.output}
        return _all_reads(nodes) - made - self._constants - {''}

    def _bytes(self, names: Iterable[str]) -> float:
        return sum(_size(self._types[name]) if name in self._types else math.inf
                   for name in names)

    def _remove(self, nodes: Sequence[NodeProto]) -> None:
        self.nodes = [node for node in self.nodes if not any(node is each for each in nodes)]


def _joined(first: NodeProto, second: NodeProto, outputs: Sequence[ValueInfoProto]) -> NodeProto:
    """Return a choice as `first` has it between choices as `second` has them."""
    result = NodeProto(op_type='If', input=first.input, output=[each.name for each in outputs])
    for one in first.attribute:
        names = [f'{one.g.name}.{each.name}' for each in outputs]
        inner = NodeProto(op_type='If', input=second.input, output=names)
        inner.attribute.extend(helper.make_attribute(other.name, _in_a_row(
            one.g, first.output, other.g, second.output, outputs)) for other in second.attribute)
        result.attribute.append(helper.make_attribute(one.name, helper.make_graph(
            [inner], one.g.name, [], [_named(*each) for each in zip(outputs, names)])))
    return result


def _in_a_row(one: GraphProto, made_by_one: Sequence[str], other: GraphProto,
              made_by_other: Sequence[str], outputs: Sequence[ValueInfoProto]) -> GraphProto:
    """Return a way of one choice, and after it a way of the next, as one graph."""
    local = dict(zip(made_by_one, (each.name for each in one.output)))
    ends = local | dict(zip(made_by_other, (each.name for each in other.output)))
    return helper.make_graph([*one.node, *(renamed(node, local) for node in other.node)],
                             f'{one.name}, {other.name}', [],
                             [_named(each, ends[each.name]) for each in outputs])


def _with_readers(nodes: Sequence[NodeProto]) -> list[NodeProto]:
    """Return the first of nodes and all the others that depend on it."""
    found, made = [nodes[0]], set(nodes[0].output)
    for node in nodes[1:]:
        if made.intersection(node.input):
            found.append(node)
            made.update(node.output)
    return found


def _all_reads(nodes: Iterable[NodeProto]) -> set[str]:
    return {name for node in nodes for name in reads_of(node)}


def _index(nodes: Sequence[NodeProto], wanted: NodeProto) -> int:
    return next(index for index, node in enumerate(nodes) if node is wanted)


def _named(value: ValueInfoProto, name: str) -> ValueInfoProto:
    result = ValueInfoProto()
    result.CopyFrom(value)
    result.name = name
    return result


def _size(value: ValueInfoProto) -> int:
    kind = value.type.tensor_type
    number = helper.tensor_dtype_to_np_dtype(kind.elem_type).itemsize
    return number * math.prod(side.dim_value for side in kind.shape.dim)
