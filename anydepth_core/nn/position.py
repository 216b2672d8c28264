# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Constant tensors that depend on the size of a feature map only, made once per size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import functools
from typing import TypeVar

import torch
from torch import Tensor

Made = TypeVar('Made')
SIZES_REMEMBERED = 64


def remembered(make: Callable[..., Made]) -> Callable[..., Made]:
    """Remember what a pure function of hashable arguments made; safe under threads.

    While a graph is compiled, exported or recorded nothing is remembered, because tensors are not
    real then, or live in the memory of the graph.
    The tensors are ordinary ones even when first asked for in inference mode, so that training may
    use them afterwards.
    """
    memory = functools.lru_cache(SIZES_REMEMBERED)(make)

    @functools.wraps(make)
    def recall(*arguments: object) -> Made:
        if torch.compiler.is_compiling() or _recording(arguments):
            return make(*arguments)
        with torch.inference_mode(False):
            return memory(*arguments)

    return recall


def _recording(arguments: Iterable[object]) -> bool:
    """Return whether a CUDA graph is being recorded on the device among the arguments."""
    return (any(isinstance(each, torch.device) and each.type == 'cuda' for each in arguments)
            and torch.cuda.is_current_stream_capturing())


@remembered
def sine_positions(height: int, width: int, dim: int, device: torch.device) -> Tensor:
    """Return (height * width, dim) sine and cosine embeddings of row and column, row by row.

    The channels are four quarters: sine of the row, cosine of the row, sine and cosine of the
    column, at frequencies from 1 down to 1 / 10000. On a square map this is RT-DETR's embedding
    (arXiv 2304.08069), whose rows and columns are mixed up on any other.
    """
    frequencies = 10000.0 ** (-torch.arange(dim // 4, device=device) / (dim // 4))
    rows = torch.arange(height, device=device).repeat_interleave(width)[:, None] * frequencies
    columns = torch.arange(width, device=device).repeat(height)[:, None] * frequencies
    return torch.cat((rows.sin(), rows.cos(), columns.sin(), columns.cos()), dim=1)
