# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a class may be called, in data sets as in weights files. Standard library only."""

from __future__ import annotations

LONGEST = 200
RULE = f'printable text of 1 to {LONGEST} characters'


def is_class_name(name: object) -> bool:
    """Tell whether a class may be called so."""
    return isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST
