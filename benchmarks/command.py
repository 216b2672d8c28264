# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands of the benchmarks share: how they read a size, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import sys
from typing import NoReturn

from anydepth_core.commands.arguments import size
from anydepth_core.errors import AnyDepthError


def camera_size(text: str) -> str:
    """Return a text such as 640x480 as it is, for argparse, which refuses any other."""
    size(text)
    return text


def end(main: Callable[[], int]) -> NoReturn:
    """Run, and exit with its status; with 2 and one line after an error that the user can mend."""
    try:
        status = main()
    except AnyDepthError as error:
        print(f'{Path(sys.argv[0]).stem}: error: {error}', file=sys.stderr)
        status = 2
    sys.exit(status)
