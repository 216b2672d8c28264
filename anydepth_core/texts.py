# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Texts from files of strangers: read as YAML, taken as names of classes, fit to be printed."""

from __future__ import annotations

from typing import Any

import yaml

LONGEST_CLASS_NAME = 200
CLASS_NAME_RULE = f'printable text of 1 to {LONGEST_CLASS_NAME} characters'


def load_yaml(text: str) -> Any:
    """Return what a YAML text holds.

    Raises:
        ValueError: it is not YAML, or holds what is no value (2026-02-30, `!!bool x`), for which
            PyYAML has no error of its own.
    """
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError,
            TypeError, ValueError) as error:
        raise ValueError(' '.join(str(error).split())) from None


def is_class_name(name: object) -> bool:
    """Tell whether a class may be called so, in data sets as in weights files."""
    return isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST_CLASS_NAME


def printable(text: str) -> str:
    """Return a text of any lines with '?' for what a terminal would obey or cannot write."""
    return ''.join(letter if letter.isprintable() or letter == '\n' else '?' for letter in text)
