# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks have in common: how many of something to measure, and how they end."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
import sys
from typing import NoReturn

from anydepth_core.errors import AnyDepthError


def at_least(least: int) -> Callable[[str], int]:
    """Return what reads an argument that is a whole number from `least` on."""
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from {least} on')
        return int(text)
    return read


def end(main: Callable[[], int]) -> NoReturn:
    """Run, and exit with its status; with 2 and one line after an error that the user can mend."""
    try:
        status = main()
    except AnyDepthError as error:
        print(f'{Path(sys.argv[0]).stem}: error: {error}', file=sys.stderr)
        status = 2
    sys.exit(status)
