# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands read alike."""

from __future__ import annotations

import argparse
import re


def size(text: str) -> tuple[int, int]:
    """Return (height, width) of a text such as 640x480, width first as everywhere in the field."""
    match = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', text)
    if match is None:
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 640x480')
    return int(match[2]), int(match[1])
