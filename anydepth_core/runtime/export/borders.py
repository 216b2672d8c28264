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
from dataclasses import dataclass
import math

from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper

from anydepth_core.runtime.export.parts import (
    fixed_and_others,
    graphs_of,
    reads_of,
    renamed,
    types_of,
)

# How many bytes a frame joining has to save: what is inside of two choices is compiled twice then,
# which for small networks takes a third of a second. 640x640 saves 8 MB and more.
WORTH_JOINING = 4_000_000


def with_narrow_borders(model: ModelProto) -> ModelProto:
    """Return a model of all depths in which less crosses.

    The model is one of `any_depth_graph`, in which no choice holds constants or other choices, and
    no two nodes, wherever they are, make the same name.
    """
    result = ModelProto()
    result.CopyFrom(model)
    fixed, nodes = fixed_and_others(result.graph)
    constants = {each.name for each in result.graph.initializer}
    constants.update(name for node in fixed for name in node.output)
    outer = _Outer([_Step.of(node) for node in nodes], constants, types_of(result),
                   {each.name for each in result.graph.output})
    for choice in outer.choices():
        outer.take_in(choice)
    choices = outer.choices()
    while len(choices) > 1:
        first, second, *others = choices
        choices = others if outer.join(first, second) else choices[1:]
    result.graph.ClearField('node')
    result.graph.node.extend([*fixed, *(step.node for step in outer.steps)])
    return result


@dataclass(frozen=True, eq=False)
class _Step:
    """A node, and what it or the graphs inside it read from around it."""

    node: NodeProto
    reads: set[str]

    @classmethod
    def of(cls, node: NodeProto) -> _Step:
        return cls(node, {name for name in reads_of(node) if name})


class _Outer:
    """The nodes of a graph that depend on its inputs, in the order in which they run."""

    def __init__(self, steps: list[_Step], constants: set[str], types: dict[str, ValueInfoProto],
                 results: set[str]) -> None:
        self.steps = steps
        self._constants = constants
        self._types = types
        self._results = results

    def choices(self) -> list[_Step]:
        """Return the steps that are choices."""
        return [step for step in self.steps if step.node.op_type == 'If']

    def take_in(self, choice: _Step) -> None:
        """Move into both ways of a choice what it alone reads, as far as less crosses then."""
        own = self._read_by_none_but(choice)
        groups = [_with_readers(own[start:]) for start in range(len(own))]
        best = min([[], *groups], key=lambda group: self._bytes(_coming_in([*group, choice])))
        for way in graphs_of(choice.node):
            nodes = [*(step.node for step in best), *way.node]
            way.ClearField('node')
            way.node.extend(nodes)
        self.steps[self.steps.index(choice)] = _Step.of(choice.node)
        self.steps = [step for step in self.steps if step not in best]

    def join(self, first: _Step, second: _Step) -> bool:
        """Make two choices one where much crosses between them; tell whether it was done."""
        start, end = self.steps.index(first), self.steps.index(second)
        between = [*second.node.input, *(name for step in self.steps[start + 1:end]
                                         for name in step.reads)]
        if set(first.node.output).intersection(between):
            return False
        wanted = self._results.union(*(step.reads for step in self.steps[end + 1:]))
        made = [*first.node.output, *second.node.output]
        kept = [name for name in made if name in wanted]
        # One choice lies in the other, so what is left crosses two borders.
        joined = 2 * self._bytes([*_coming_in([first, second]), *kept])
        apart = self._bytes([*first.reads, *second.reads, *made])
        if not apart - joined >= WORTH_JOINING:  # neither where a size is not known
            return False
        self.steps[end] = _Step.of(_joined(first.node, second.node,
                                           [self._types[name] for name in kept]))
        del self.steps[start]
        return True

    def _read_by_none_but(self, choice: _Step) -> list[_Step]:
        """Return the steps of whose results nothing but the ways of a choice comes to know."""
        at = self.steps.index(choice)
        found: list[_Step] = []
        elsewhere = self._results.union(choice.node.input,
                                        *(step.reads for step in self.steps[at + 1:]))
        for step in reversed(self.steps[:at]):
            if step.node.op_type == 'If' or elsewhere.intersection(step.node.output):
                elsewhere |= step.reads
            else:
                found.append(step)
        return found[::-1]

    def _bytes(self, names: Iterable[str]) -> float:
        return sum(_size(self._types[name]) if name in self._types else math.inf
                   for name in names if name not in self._constants)


def _coming_in(steps: Sequence[_Step]) -> set[str]:
    """Return what steps read that none of them makes."""
    made = {name for step in steps for name in step.node.output}
    return {name for step in steps for name in step.reads} - made


def _with_readers(steps: Sequence[_Step]) -> list[_Step]:
    """Return the first of steps and all the others that depend on it."""
    found, made = [steps[0]], set(steps[0].node.output)
    for step in steps[1:]:
        if made & step.reads:
            found.append(step)
            made.update(step.node.output)
    return found


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


def _named(value: ValueInfoProto, name: str) -> ValueInfoProto:
    result = ValueInfoProto()
    result.CopyFrom(value)
    result.name = name
    return result


def _size(value: ValueInfoProto) -> float:
    kind = value.type.tensor_type
    if not all(side.HasField('dim_value') for side in kind.shape.dim):
        return math.inf
    number = helper.tensor_dtype_to_np_dtype(kind.elem_type).itemsize
    return number * math.prod(side.dim_value for side in kind.shape.dim)
