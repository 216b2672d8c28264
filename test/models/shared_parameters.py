# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a network shares, for the tests that it stays shared."""

from __future__ import annotations

from torch import nn


def sharing(model: nn.Module) -> list[tuple[str, str]]:
    """Return the pairs of names of one shared parameter."""
    first: dict[int, str] = {}
    return [(first[id(p)], name) for name, p in model.named_parameters(remove_duplicate=False)
            if first.setdefault(id(p), name) != name]
