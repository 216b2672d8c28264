# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Records what PyTorch computes as an ONNX graph, with `If` where there is a choice.

The network runs once, on a real tensor; every operation on a recorded tensor becomes a node, every
other tensor a constant. So sizes are fixed, nothing is left of what does not depend on the input,
and a choice is whatever `choose` is told: both ways run, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import hashlib
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from anydepth_core.errors import AnyDepthError

OPSET = 20
# The oldest version of the container that this opset may come in, for older runtimes.
IR_VERSION = 9
TYPES = {torch.float32: onnx.TensorProto.FLOAT, torch.int64: onnx.TensorProto.INT64,
         torch.bool: onnx.TensorProto.BOOL}
Translation = Callable[..., None]


class Recorder(TorchDispatchMode):
    """A graph in the making; record inside ``with recorder, torch.inference_mode()``.

    Args:
        translations: what to do for each operation of PyTorch, called as
            ``(recorder, output, *args, **kwargs)`` after it has run; it emits nodes and binds the
            output (one that binds nothing declares the output a constant).
    """

    def __init__(self, translations: Mapping[Any, Translation]) -> None:
        super().__init__()
        self._translations = translations
        # The tensors are kept, or another could take the identity of one that is gone.
        self._values: dict[int, tuple[Tensor, str]] = {}
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._names_by_content: dict[bytes, str] = {}
        self._fixed: set[str] = set()
        self._prelude: list[onnx.NodeProto] = []
        self._emitted: dict[bytes, list[str]] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple[Any, ...] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        """Run one operation and record it if it depends on a recorded tensor."""
        kwargs = kwargs or {}
        depends = any(isinstance(leaf, Tensor) and id(leaf) in self._values
                      for leaf in tree_leaves((args, kwargs)))
        translation = self._translations.get(operation.overloadpacket)
        if depends and translation is None:
            with self:
                output = operation.decompose(*args, **kwargs)
            if output is NotImplemented:
                raise AnyDepthError(f'the exporter knows no ONNX form of {operation}')
            return output
        output = operation(*args, **kwargs)
        if depends and translation is not None:
            translation(self, output, *args, **kwargs)
        return output

    def input(self, name: str, example: Tensor) -> None:
        """Declare `example` an input of the graph, of its type and shape."""
        self._inputs.append(_describe(name, example))
        self.bind(example, name)

    def hold(self, weight: Tensor) -> None:
        """Store `weight` as it is, and what is computed from it as nodes.

        Tensors that differ by a cheap computation from one weight then cost no room in the file;
        a runtime computes them once, when it loads the file.
        """
        self.bind(weight, self.name(weight))

    def bind(self, tensor: Tensor, name: str) -> None:
        """Let `tensor` be the value `name` from here on."""
        self._values[id(tensor)] = (tensor, name)

    def name(self, value: Tensor | np.ndarray | float) -> str:
        """Return the name of a tensor's value; what was not recorded becomes a constant."""
        if isinstance(value, Tensor):
            known = self._values.get(id(value))
            if known is not None:
                return known[1]
            value = value.detach().cpu().numpy()
        array = np.ascontiguousarray(
            np.asarray(value, np.float32 if isinstance(value, float) else None)).reshape(
                np.shape(value))
        content = hashlib.sha256(
            f'{array.dtype} {array.shape}'.encode() + array.tobytes()).digest()
        if content not in self._names_by_content:
            name = self._fresh('constant')
            self._names_by_content[content] = name
            self._initializers[name] = numpy_helper.from_array(array, name)
            self._fixed.add(name)
        return self._names_by_content[content]

    def emit(self, kind: str, *inputs: Tensor | np.ndarray | float | str, outputs: int = 1,
             **attributes: Any) -> list[str]:
        """Add a node and return the names of its outputs.

        A node of constants alone is added once, outside of every choice.
        """
        names = [each if isinstance(each, str) else self.name(each) for each in inputs]
        fixed = bool(names) and self._fixed.issuperset(names)
        node = helper.make_node(kind, names, [''] * outputs, **attributes)
        key = node.SerializeToString()
        if fixed and key in self._emitted:
            return self._emitted[key]
        made = [self._fresh(kind.lower()) for _ in range(outputs)]
        node.output[:] = made
        if fixed:
            self._prelude.append(node)
            self._fixed.update(made)
            self._emitted[key] = made
        else:
            self._nodes.append(node)
        return made

    def choose(self, condition: str, yes: Callable[[], Sequence[Tensor]],
               no: Callable[[], Sequence[Tensor]]) -> tuple[Tensor, ...]:
        """Record both ways as one `If` over the value `condition`.

        Returns:
            What `yes` returned, now standing for the outcome of either way.
        """
        results, branches = [], []
        for way in (yes, no):
            with self._branch() as nodes:
                result = tuple(way())
                ends = [helper.make_node('Identity', [self.name(each)], [self._fresh('end')])
                        for each in result]
            results.append(result)
            branches.append(helper.make_graph(
                [*nodes, *ends], self._fresh('way'), [],
                [_describe(end.output[0], each) for end, each in zip(ends, result)]))
        names = self.emit('If', condition, outputs=len(results[0]), then_branch=branches[0],
                          else_branch=branches[1])
        for tensor, name in zip(results[0], names):
            self.bind(tensor, name)
        return results[0]

    def model(self, outputs: Mapping[str, Tensor], metadata: Mapping[str, str],
              ) -> onnx.ModelProto:
        """Return the recorded model with these outputs and this flat metadata."""
        ends = [helper.make_node('Identity', [self.name(each)], [name])
                for name, each in outputs.items()]
        graph = helper.make_graph(
            [*self._prelude, *self._nodes, *ends], 'anydepth', self._inputs,
            [_describe(name, each) for name, each in outputs.items()],
            list(self._initializers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', OPSET)],
                                  ir_version=IR_VERSION, producer_name='anydepth')
        helper.set_model_props(model, dict(metadata))
        return model

    @contextmanager
    def _branch(self) -> Iterator[list[onnx.NodeProto]]:
        outside, self._nodes = self._nodes, []
        try:
            yield self._nodes
        finally:
            self._nodes = outside

    def _fresh(self, stem: str) -> str:
        self._count += 1
        return f'{stem}_{self._count}'


def _describe(name: str, example: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TYPES[example.dtype], list(example.shape))
