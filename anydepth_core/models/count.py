# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How large a model is and how much one image costs at a depth.

There is no one convention for what to count, so published GFLOPs of one network differ by a tenth
and more. `count_operations` counts each kind of operation; Operations adds them up our way and in
the two ways of the paper's tables.
"""

from __future__ import annotations

from collections.abc import Mapping
import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from anydepth_core.depth import Depth
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.nn.conv import ColumnSliceConv2d

aten = torch.ops.aten


@dataclass(frozen=True)
class Operations:
    """What one image costs. A multiply-add counts as two.

    Attributes:
        convolution: of all convolutions.
        sliced: of those of them that use some columns of a wider weight.
        linear: of linear layers.
        product: of the products inside attention.
        batch_norm: elements normalised by batch norms that are not frozen.
        layer_norm: elements normalised by layer norms.
        sampled: elements that deformable attention samples.
    """

    convolution: int
    sliced: int
    linear: int
    product: int
    batch_norm: int
    layer_norm: int
    sampled: int

    @property
    def gflops(self) -> float:
        """Our convention: convolutions and linear layers."""
        return (self.convolution + self.linear) / 1e9

    @property
    def thop_gflops(self) -> float:
        """That of thop, used for YOLO: ours, and 8 for each element of a batch norm."""
        return (self.convolution + self.linear + 8 * self.batch_norm) / 1e9

    @property
    def paper_yolo_gflops(self) -> float:
        """That of thop as the authors ran it, where it does not see the sliced convolutions."""
        return self.thop_gflops - self.sliced / 1e9

    @property
    def fvcore_gflops(self) -> float:
        """Twice that of fvcore, used for DETR.

        Attention counts; each element costs 2 in a batch norm, 5 in a layer norm and 4 in
        sampling, which doubling makes 4, 10 and 8.
        """
        return (self.convolution + self.linear + self.product + 4 * self.batch_norm
                + 10 * self.layer_norm + 8 * self.sampled) / 1e9


def count_parameters(model: nn.Module) -> int:
    """Return how many trained numbers the model has; what two paths share counts once.

    Frozen norms hold buffers, not parameters, and are not counted.
    """
    return sum(parameter.numel() for parameter in model.parameters())


def count_full_path_parameters(model: nn.Module) -> int:
    """Return how many of them the full paths have: the size of the single-depth network."""
    return sum(parameter.numel() for name, parameter in model.named_parameters()
               if '.essential.' not in name)


def count_operations(model: AnyDepthModel, depth: Depth | str,
                     size: tuple[int, int] = (640, 640)) -> Operations:
    """Count what one image costs at one depth.

    Runs on shapes alone, so any size costs the same.

    Args:
        model: stays as it is.
        depth: a depth of `model.depths`, or its text.
        size: (height, width) of the input, multiples of `model.stride`.
    """
    shapes = copy.deepcopy(model).to('meta').eval()
    sliced: list[int] = []

    def note_sliced(module: ColumnSliceConv2d, _: tuple[Tensor, ...], output: Tensor) -> None:
        sliced.append(2 * output.numel() * module.in_channels)

    for module in shapes.modules():
        if isinstance(module, ColumnSliceConv2d):
            module.register_forward_hook(note_sliced)
    with OperationCounter() as counter, torch.no_grad():
        shapes(torch.empty(1, 3, *size, device='meta'), depth)
    return Operations(sliced=sum(sliced), **counter.counts)


class OperationCounter(TorchDispatchMode):
    """Adds up the operations that run inside of it, by their kind; the names are Operations'."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = dict.fromkeys(
            ('convolution', 'linear', 'product', 'batch_norm', 'layer_norm', 'sampled'), 0)

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple[Any, ...] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        """Run one operation and count it."""
        output = operation(*args, **(kwargs or {}))
        kind = operation.overloadpacket
        if kind is aten.convolution:
            self.counts['convolution'] += 2 * output.numel() * args[1][0].numel()
        elif kind is aten.addmm:
            self.counts['linear'] += 2 * output.numel() * args[1].shape[1]
        elif kind is aten.mm:
            self.counts['linear'] += 2 * output.numel() * args[0].shape[1]
        elif kind is aten.bmm:
            self.counts['product'] += 2 * output.numel() * args[0].shape[2]
        elif kind is aten.native_batch_norm:
            self.counts['batch_norm'] += args[0].numel()
        elif kind is aten.native_layer_norm:
            self.counts['layer_norm'] += args[0].numel()
        elif kind is aten.grid_sampler_2d:
            self.counts['sampled'] += output.numel()
        return output


def count_gflops(model: AnyDepthModel, depth: Depth | str,
                 size: tuple[int, int] = (640, 640)) -> float:
    """Return the GFLOPs of one image at one depth: 2 x multiply-adds of convolutions and linears.

    Runs on shapes alone, so any size costs the same. The products inside attention and deformable
    sampling, norms and activations are left out.

    Args:
        model: stays as it is.
        depth: a depth of `model.depths`, or its text.
        size: (height, width) of the input, multiples of `model.stride`.
    """
    return count_operations(model, depth, size).gflops
