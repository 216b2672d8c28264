# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The ONNX form of every PyTorch operation that the models use. Shapes are those of the run."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anydepth_core.runtime.export.recorder import Recorder, Translation

aten = torch.ops.aten


def _pair(value: Sequence[int]) -> list[int]:
    """Return the two sides of a kernel, a step or a padding that may be given as one."""
    return [*value] if len(value) == 2 else [value[0], value[0]]


def _integers(values: Sequence[int]) -> np.ndarray:
    return np.array(values, np.int64)


def _plain(kind: str) -> Translation:
    """Return the translation of an operation that ONNX has under another name."""
    def translate(r: Recorder, output: Tensor, x: Tensor, *_: Any, **__: Any) -> None:
        r.bind(output, r.emit(kind, x)[0])
    return translate


def _same(r: Recorder, output: Tensor, x: Tensor, *_: Any, **__: Any) -> None:
    """A copy, or another layout in memory."""
    r.bind(output, r.name(x))


def _reshaped(r: Recorder, output: Tensor, x: Tensor, *_: Any, **__: Any) -> None:
    r.bind(output, r.emit('Reshape', x, _integers(output.shape))[0])


def _expanded(r: Recorder, output: Tensor, x: Tensor, *_: Any, **__: Any) -> None:
    if output.shape == x.shape:
        r.bind(output, r.name(x))
    else:
        r.bind(output, r.emit('Expand', x, _integers(output.shape))[0])


def _arithmetic(kind: str, *, swapped: bool = False) -> Translation:
    """Return the translation of an operation on two tensors or a tensor and a number."""
    def translate(r: Recorder, output: Tensor, x: Any, y: Any, alpha: float = 1) -> None:
        if alpha != 1:
            raise NotImplementedError(f'{kind} with a factor')
        sides = [torch.tensor(side, dtype=output.dtype) if not isinstance(side, Tensor)
                 else side if side.dtype == output.dtype else side.to(output.dtype)
                 for side in (x, y)]
        r.bind(output, r.emit(kind, *(sides[::-1] if swapped else sides))[0])
    return translate


def _greater(r: Recorder, output: Tensor, x: Tensor, y: int) -> None:
    r.bind(output, r.emit('Greater', x, np.array(y))[0])


def _convolution(r: Recorder, output: Tensor, x: Tensor, weight: Tensor,
                 bias: Tensor | None = None, stride: Sequence[int] = (1,),
                 padding: Sequence[int] = (0,), dilation: Sequence[int] = (1,),
                 groups: int = 1) -> None:
    inputs = [x, weight] if bias is None else [x, weight, bias]
    r.bind(output, r.emit('Conv', *inputs, strides=_pair(stride), pads=_pair(padding) * 2,
                          dilations=_pair(dilation), group=groups,
                          kernel_shape=list(weight.shape[2:]))[0])


def _linear(r: Recorder, output: Tensor, x: Tensor, weight: Tensor,
            bias: Tensor | None = None) -> None:
    product = r.emit('MatMul', x, weight.t().contiguous())[0]
    r.bind(output, product if bias is None else r.emit('Add', product, bias)[0])


def _silu(r: Recorder, output: Tensor, x: Tensor) -> None:
    r.bind(output, r.emit('Mul', x, r.emit('Sigmoid', x)[0])[0])


def _gelu(r: Recorder, output: Tensor, x: Tensor, *, approximate: str = 'none') -> None:
    r.bind(output, r.emit('Gelu', x, approximate=approximate)[0])


def _softmax(r: Recorder, output: Tensor, x: Tensor, dim: int, *_: Any) -> None:
    r.bind(output, r.emit('Softmax', x, axis=dim)[0])


def _attention(r: Recorder, output: Tensor, query: Tensor, key: Tensor, value: Tensor,
               mask: Tensor | None = None, dropout: float = 0.0, causal: bool = False,
               **_: Any) -> None:
    if mask is not None or causal or dropout:
        raise NotImplementedError('attention with a mask, causality or dropout')
    turned = r.emit('Transpose', key, perm=[*range(key.dim() - 2), key.dim() - 1, key.dim() - 2])
    scaled = r.emit('Mul', query, 1 / math.sqrt(query.shape[-1]))
    weights = r.emit('Softmax', r.emit('MatMul', scaled[0], turned[0])[0], axis=-1)
    r.bind(output, r.emit('MatMul', weights[0], value)[0])


def _layer_norm(r: Recorder, output: Tensor, x: Tensor, shape: Sequence[int], weight: Tensor,
                bias: Tensor, eps: float = 1e-5, *_: Any) -> None:
    r.bind(output, r.emit('LayerNormalization', x, weight, bias, axis=-len(shape),
                          epsilon=eps)[0])


def _matmul(r: Recorder, output: Tensor, x: Tensor, y: Tensor) -> None:
    r.bind(output, r.emit('MatMul', x, y)[0])


def _cat(r: Recorder, output: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> None:
    r.bind(output, r.emit('Concat', *tensors, axis=dim)[0])


def _stack(r: Recorder, output: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> None:
    dim %= output.dim()
    r.bind(output, r.emit('Concat', *(r.emit('Unsqueeze', each, _integers([dim]))[0]
                                      for each in tensors), axis=dim)[0])


def _split(r: Recorder, outputs: Sequence[Tensor], x: Tensor, _: Any, dim: int = 0) -> None:
    sizes = _integers([each.shape[dim] for each in outputs])
    for output, name in zip(outputs, r.emit('Split', x, sizes, outputs=len(outputs), axis=dim)):
        r.bind(output, name)


def _unbind(r: Recorder, outputs: Sequence[Tensor], x: Tensor, dim: int = 0) -> None:
    for index, output in enumerate(outputs):
        _select(r, output, x, dim, index)


def _select(r: Recorder, output: Tensor, x: Tensor, dim: int, index: int) -> None:
    r.bind(output, r.emit('Gather', x, np.array(index % x.shape[dim]), axis=dim)[0])


def _slice(r: Recorder, output: Tensor, x: Tensor, dim: int = 0, start: int | None = None,
           end: int | None = None, step: int = 1) -> None:
    if output.shape == x.shape:
        r.bind(output, r.name(x))
        return
    start, stop, _ = slice(start, end).indices(x.shape[dim])
    bounds = [_integers([each]) for each in (start, stop, dim, step)]
    r.bind(output, r.emit('Slice', x, *bounds)[0])


def _permute(r: Recorder, output: Tensor, x: Tensor, dims: Sequence[int]) -> None:
    perm = [each % x.dim() for each in dims]
    moved = [each for each in perm if x.shape[each] > 1]
    if moved == sorted(moved):
        _reshaped(r, output, x)
    else:
        r.bind(output, r.emit('Transpose', x, perm=perm)[0])


def _transpose(r: Recorder, output: Tensor, x: Tensor, one: int, other: int) -> None:
    dims = list(range(x.dim()))
    dims[one], dims[other] = dims[other], dims[one]
    _permute(r, output, x, dims)


def _upsample(r: Recorder, output: Tensor, x: Tensor, *_: Any) -> None:
    scales = np.array([to / of for to, of in zip(output.shape, x.shape)], np.float32)
    r.bind(output, r.emit('Resize', x, '', scales, mode='nearest', nearest_mode='floor',
                          coordinate_transformation_mode='asymmetric')[0])


def _max_pool(r: Recorder, output: Tensor, x: Tensor, kernel: Sequence[int],
              stride: Sequence[int] = (), padding: Sequence[int] = (0,), *_: Any) -> None:
    r.bind(output, r.emit('MaxPool', x, kernel_shape=_pair(kernel),
                          strides=_pair(stride or kernel), pads=_pair(padding) * 2)[0])


def _average_pool(r: Recorder, output: Tensor, x: Tensor, kernel: Sequence[int],
                  stride: Sequence[int] = (), padding: Sequence[int] = (0,), *_: Any) -> None:
    r.bind(output, r.emit('AveragePool', x, kernel_shape=_pair(kernel),
                          strides=_pair(stride or kernel), pads=_pair(padding) * 2,
                          count_include_pad=1)[0])


def _clamp(r: Recorder, output: Tensor, x: Tensor, low: float | None = None,
           high: float | None = None) -> None:
    r.bind(output, r.emit('Clip', x, *('' if side is None else float(side)
                                       for side in (low, high)))[0])


def _reduce(kind: str) -> Translation:
    def translate(r: Recorder, output: Tensor, x: Tensor, dims: Any, keep: bool = False,
                  **_: Any) -> None:
        axes = _integers([dims] if isinstance(dims, int) else dims)
        r.bind(output, r.emit(kind, x, axes, keepdims=int(keep))[0])
    return translate


def _top_k(r: Recorder, outputs: tuple[Tensor, Tensor], x: Tensor, count: int, dim: int = -1,
           *_: Any, **__: Any) -> None:
    names = r.emit('TopK', x, _integers([count]), outputs=2, axis=dim)
    for output, name in zip(outputs, names):
        r.bind(output, name)


def _index_select(r: Recorder, output: Tensor, x: Tensor, dim: int, index: Tensor) -> None:
    r.bind(output, r.emit('Gather', x, index, axis=dim)[0])


def _gather(r: Recorder, output: Tensor, x: Tensor, dim: int, index: Tensor, **_: Any) -> None:
    r.bind(output, r.emit('GatherElements', x, index, axis=dim)[0])


def _grid_sample(r: Recorder, output: Tensor, x: Tensor, grid: Tensor, mode: int, padding: int,
                 corners: bool) -> None:
    if mode or padding:
        raise NotImplementedError('sampling that is not bilinear, zero outside')
    r.bind(output, r.emit('GridSample', x, grid, mode='linear', padding_mode='zeros',
                          align_corners=int(corners))[0])


def _pad(r: Recorder, output: Tensor, x: Tensor, pads: Sequence[int], *_: Any) -> None:
    before, after = [0] * x.dim(), [0] * x.dim()
    for index in range(len(pads) // 2):
        before[-1 - index], after[-1 - index] = pads[2 * index], pads[2 * index + 1]
    r.bind(output, r.emit('Pad', x, _integers(before + after))[0])


def _constant(r: Recorder, output: Tensor, *_: Any, **__: Any) -> None:
    """The output depends on the shape of the input only."""


TRANSLATIONS: dict[Any, Translation] = {
    aten.add: _arithmetic('Add'), aten.sub: _arithmetic('Sub'), aten.mul: _arithmetic('Mul'),
    aten.div: _arithmetic('Div'), aten.rsub: _arithmetic('Sub', swapped=True),
    aten.gt: _greater, aten.index_select: _index_select,
    aten.relu: _plain('Relu'), aten.relu_: _plain('Relu'), aten.sigmoid: _plain('Sigmoid'),
    aten.log: _plain('Log'), aten.silu: _silu, aten.gelu: _gelu,
    aten.conv2d: _convolution, aten.linear: _linear, aten.matmul: _matmul, aten.bmm: _matmul,
    aten.softmax: _softmax, aten._softmax: _softmax, aten.layer_norm: _layer_norm,
    aten.scaled_dot_product_attention: _attention,
    aten.cat: _cat, aten.stack: _stack, aten.split: _split, aten.split_with_sizes: _split,
    aten.chunk: _split, aten.unbind: _unbind, aten.select: _select, aten.slice: _slice,
    aten.permute: _permute, aten.transpose: _transpose,
    aten.view: _reshaped, aten._unsafe_view: _reshaped, aten.reshape: _reshaped,
    aten.flatten: _reshaped, aten.unflatten: _reshaped, aten.squeeze: _reshaped,
    aten.unsqueeze: _reshaped, aten.expand: _expanded,
    aten.clone: _same, aten.contiguous: _same, aten.to: _same, aten.detach: _same,
    aten.alias: _same, aten.dropout: _same,
    aten.upsample_nearest2d: _upsample, aten.max_pool2d: _max_pool,
    aten.avg_pool2d: _average_pool, aten.clamp: _clamp, aten.amax: _reduce('ReduceMax'),
    aten.sum: _reduce('ReduceSum'), aten.topk: _top_k, aten.gather: _gather,
    aten.grid_sampler: _grid_sample, aten.pad: _pad, aten.new_zeros: _constant,
}
