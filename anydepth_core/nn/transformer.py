# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Transformer layers of the DETR family: post-norm, no dropout."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from anydepth_core.nn.deformable import DeformableAttention, Shapes


def perceptron(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Return linear layers from the first width to the last with activations in between."""
    layers: list[nn.Module] = []
    for width_in, width_out in itertools.pairwise(widths):
        layers += [nn.Linear(width_in, width_out), activation()]
    return nn.Sequential(*layers[:-1])


class SelfAttention(nn.Module):
    """Multi-head attention among tokens whose positions steer it but are not passed on."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, tokens: Tensor, positions: Tensor, blocked: Tensor | None = None) -> Tensor:
        """Map (B, N, dim) tokens to the same shape.

        Args:
            tokens: (B, N, dim).
            positions: (N, dim) or (B, N, dim), added to queries and keys.
            blocked: (N, N) bool; True where the row's token must not see the column's.
        """
        located = tokens + positions.to(tokens.dtype)
        return self.attention(located, located, tokens, attn_mask=blocked, need_weights=False)[0]


class EncoderLayer(nn.Module):
    """Self-attention and a GELU perceptron, each followed by add and norm."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attention = SelfAttention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.feed_forward = perceptron(dim, hidden, dim, activation=nn.GELU)
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Map (B, N, dim) tokens at (N, dim) positions to the same shape."""
        tokens = self.norm1(tokens + self.self_attention(tokens, positions))
        return self.norm2(tokens + self.feed_forward(tokens))


class DecoderLayer(nn.Module):
    """Self-attention, deformable attention to a pyramid, perceptron; each with add and norm."""

    def __init__(self, dim: int, heads: int, hidden: int, levels: int, points: int) -> None:
        super().__init__()
        self.self_attention = SelfAttention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attention = DeformableAttention(dim, heads, levels, points)
        self.norm2 = nn.LayerNorm(dim)
        self.feed_forward = perceptron(dim, hidden, dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(self, queries: Tensor, positions: Tensor, boxes: Tensor, memory: Tensor,
                shapes: Shapes, blocked: Tensor | None = None) -> Tensor:
        """Map (B, Q, dim) queries to the same shape.

        Args:
            queries: (B, Q, dim).
            positions: (B, Q, dim), added to the queries to find what they should read.
            boxes: (B, Q, 4) as cx cy w h, normalised.
            memory: (B, N, dim) flattened pyramid, see DeformableAttention.
            shapes: (height, width) of its maps.
            blocked: (Q, Q) bool; True where the row's query must not see the column's.
        """
        queries = self.norm1(queries + self.self_attention(queries, positions, blocked))
        located = queries + positions
        queries = self.norm2(queries + self.cross_attention(located, boxes, memory, shapes))
        return self.norm3(queries + self.feed_forward(queries))
