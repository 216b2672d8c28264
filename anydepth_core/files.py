# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Files that appear whole or not at all. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
from pathlib import Path
from typing import BinaryIO

from anydepth_core.errors import AnyDepthError


@contextlib.contextmanager
def whole_file(path: Path, error: type[AnyDepthError]) -> Iterator[BinaryIO]:
    """Open a file to write; until the block has ended well, `path` is what it was.

    A kill or a loss of power leaves the old file or the new one.

    Raises:
        AnyDepthError: of the kind `error`, if the file cannot be written.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        try:
            with temporary.open('wb') as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as reason:
        raise error(f'cannot write {path}: {reason.strerror}') from reason
