# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One kernel for both paths of a stage where they differ by the scale of their norms only.

A norm is computed into the kernel before it, so two norms make two kernels to hold. Here only the
first path's is; the other path scales what the convolution gives, which OpenVINO does while it
writes it. That rounds each number twice more and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from anydepth_core.runtime.export.parts import graphs_of

# A kernel scaled by this or less loses digits at the end of float32's range.
LEAST_SCALE = 1e-20
# Nothing lies outside; see _scaled.
BOUNDS = {'least': -3e38, 'most': 3e38}
Array = NDArray[np.float32]


class Replacement(NamedTuple):
    """Another kernel, by name, and what its results are to be multiplied with, by channel."""

    kernel: str
    scale: Array


def with_one_kernel(model: ModelProto) -> ModelProto:
    """Return a model of all depths in which a kernel of two paths is one constant.

    Of the products that `export.sharing` leaves outside of the choices, weight times scale, the
    first one of a weight is used for all.
    """
    result = ModelProto()
    result.CopyFrom(model)
    stored = {each.name: numpy_helper.to_array(each) for each in result.graph.initializer}
    added: dict[str, Array] = {name: np.array(bound, np.float32)
                               for name, bound in BOUNDS.items()}
    _replace(result.graph, _replacements(result.graph, stored), stored, added)
    result.graph.initializer.extend(numpy_helper.from_array(value, name)
                                    for name, value in added.items())
    return result


def _replacements(graph: GraphProto, stored: Mapping[str, Array]) -> dict[str, Replacement]:
    """Return, for each kernel that is another one times a scale, what to use instead."""
    first: dict[str, Replacement] = {}
    found = {}
    for node in graph.node:
        if node.op_type != 'Mul' or not all(name in stored for name in node.input):
            continue
        weight, scale = (stored[name] for name in node.input)
        if weight.ndim != 4 or scale.shape != (len(weight), 1, 1, 1):
            continue
        kernel, of_kernel = first.setdefault(node.input[0], Replacement(node.output[0], scale))
        if kernel != node.output[0] and np.abs(of_kernel).min() > LEAST_SCALE:
            found[node.output[0]] = Replacement(kernel, scale / of_kernel)
    return found


def _replace(graph: GraphProto, replacements: Mapping[str, Replacement],
             stored: Mapping[str, Array], added: dict[str, Array]) -> None:
    """Let the convolutions of a graph, and of those inside it, read other kernels, in place."""
    nodes: list[NodeProto] = []
    for node in graph.node:
        for inner in graphs_of(node):
            _replace(inner, replacements, stored, added)
        if (node.op_type == 'Conv' and len(node.input) == 3 and node.input[1] in replacements
                and node.input[2] in stored):
            kernel, scale = replacements[node.input[1]]
            end = node.output[0]
            added[f'{end}.scale'] = scale.reshape(1, -1, 1, 1)
            added[f'{end}.bias'] = stored[node.input[2]].reshape(1, -1, 1, 1)
            nodes += _scaled(node, kernel)
        else:
            nodes.append(node)
    graph.ClearField('node')
    graph.node.extend(nodes)


def _scaled(node: NodeProto, kernel: str) -> list[NodeProto]:
    """Return a convolution with another kernel and what scales its results.

    OpenVINO would compute a scale that follows a convolution into a new kernel. It does not look
    behind a limit to numbers; all of these are done in passing, as an activation is.
    """
    conv, end = NodeProto(), node.output[0]
    conv.CopyFrom(node)
    conv.input[:] = [node.input[0], kernel]
    conv.output[:] = [f'{end}.plain']
    return [conv,
            helper.make_node('Clip', [f'{end}.plain', *BOUNDS], [f'{end}.limited']),
            helper.make_node('Mul', [f'{end}.limited', f'{end}.scale'], [f'{end}.scaled']),
            helper.make_node('Add', [f'{end}.scaled', f'{end}.bias'], [end])]
