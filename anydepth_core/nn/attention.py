# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Area attention (YOLOv12, arXiv 2502.12524, section 3.2) in the two layouts in the wild."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from anydepth_core.nn.csp import conv

HEAD_CHANNELS = 32
Layout = Literal['turbo', 'ultralytics']


class AreaAttention(nn.Module):
    """Self-attention inside each of `areas` equal bands of the map, plus a positional branch.

    Args:
        channels: a multiple of 32, the width of one head.
        areas: bands of rows that attend to themselves only; 1 is global attention. H x W must be
            a multiple of it.
        layout: 'turbo' projects queries and keys together (all queries first), values apart, and
            adds a 5x5 depthwise convolution of the values; 'ultralytics' projects all three in
            one convolution, ordered (query, key, value) within each head, and adds a 7x7 one.
    """

    def __init__(self, channels: int, areas: int, layout: Layout) -> None:
        super().__init__()
        self.areas = areas
        self.heads = channels // HEAD_CHANNELS
        if layout == 'turbo':
            self.query_key = conv(channels, 2 * channels, activate=False)
            self.value = conv(channels, channels, activate=False)
        else:
            self.query_key_value = conv(channels, 3 * channels, activate=False)
        kernel = 5 if layout == 'turbo' else 7
        self.position = conv(channels, channels, kernel, groups=channels, activate=False)
        self.project = conv(channels, channels, activate=False)
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        query, key, value = self._query_key_value(x)
        mixed = functional.scaled_dot_product_attention(
            self._split(query), self._split(key), self._split(value))
        mixed = mixed.mT.unflatten(0, (-1, self.areas))  # B, areas, heads, channels, N / areas
        mixed = mixed.permute(0, 2, 3, 1, 4).reshape(x.shape)
        return self.project(mixed + self.position(value))

    def _query_key_value(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return three (B, channels, H, W) maps whose channels are grouped by head."""
        if self.layout == 'turbo':
            query, key = self.query_key(x).chunk(2, dim=1)
            return query, key, self.value(x)
        by_head = self.query_key_value(x).unflatten(1, (self.heads, 3 * HEAD_CHANNELS))
        query, key, value = by_head.chunk(3, dim=2)
        return query.flatten(1, 2), key.flatten(1, 2), value.flatten(1, 2)

    def _split(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to (B areas, heads, H W / areas, head channels)."""
        batch, _, height, width = x.shape
        x = x.reshape(batch, self.heads, HEAD_CHANNELS, self.areas, height * width // self.areas)
        # Rows stay whole until the last step, which a product of matrices does in passing.
        return x.permute(0, 3, 1, 2, 4).flatten(0, 1).mT


class AttentionBlock(nn.Module):
    """Area attention and a two-layer perceptron of 1x1 convolutions, each added to its input."""

    def __init__(self, channels: int, areas: int, mlp_ratio: float, layout: Layout) -> None:
        super().__init__()
        hidden = int(channels * mlp_ratio)
        self.attention = AreaAttention(channels, areas, layout)
        self.mlp = nn.Sequential(conv(channels, hidden), conv(hidden, channels, activate=False))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        x = x + self.attention(x)
        return x + self.mlp(x)
