# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Area attention (YOLOv12, arXiv 2502.12524, section 3.2) in the two layouts in the wild."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from anydepth_core.nn.csp import conv, split_conv

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
            self.query_key = split_conv(channels, 2 * channels, 2, activate=False)
            self.value = conv(channels, channels, activate=False)
        else:
            self.query_key_value = split_conv(channels, 3 * channels, 3, self.heads,
                                              activate=False)
        kernel = 5 if layout == 'turbo' else 7
        self.position = conv(channels, channels, kernel, groups=channels, activate=False)
        self.project = conv(channels, channels, activate=False)
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        query, key, value = self._query_key_value(x)
        mixed = functional.scaled_dot_product_attention(
            self._by_head(query), self._by_head(key), self._by_head(value))
        planes_last = mixed.transpose(1, 2).reshape(x.permute(0, 2, 3, 1).shape)
        return self.project(planes_last.permute(0, 3, 1, 2) + self.position(value))

    def _query_key_value(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return three (B, channels, H, W) maps whose channels are grouped by head."""
        if self.layout == 'turbo':
            query, key = self.query_key(x)
            return query, key, self.value(x)
        query, key, value = self.query_key_value(x)
        return query, key, value

    def _by_head(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to (B areas, heads, H W / areas, head channels).

        By way of planes last: so runtimes hold maps, and a pixel's channels of a head stay
        together.
        """
        rows = x.permute(0, 2, 3, 1).unflatten(3, (self.heads, HEAD_CHANNELS)).flatten(1, 2)
        return rows.unflatten(1, (self.areas, -1)).flatten(0, 1).transpose(1, 2)


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
