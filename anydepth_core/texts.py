# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Texts that quote files of strangers, made fit to print. Standard library only."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text of any lines with '?' for what a terminal would obey or cannot write."""
    return ''.join(letter if letter.isprintable() or letter == '\n' else '?' for letter in text)
