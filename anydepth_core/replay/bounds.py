# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Bounds on what a bag may unpack to, which the library rosbags does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anydepth_core.errors import DataError

MAX_CHUNK_BYTES = 1 << 30
MAX_METADATA_BYTES = 1 << 24


def bound_chunks() -> None:
    """Let chunks of MCAP files unpack to the size they tell, which is `MAX_CHUNK_BYTES` at most.

    Holds for this process from now on: readers that take turns cannot undo it for one another.
    """
    from lz4.frame import LZ4FrameDecompressor
    from rosbags.rosbag2 import storage_mcap

    storage_mcap.DECOMPRESSORS.update({
        'lz4': lambda data, size: _unpacked(LZ4FrameDecompressor(), data, size),
        'zstd': lambda data, size: _unpacked(storage_mcap.zstd.ZstdDecompressor(), data, size)})


def _unpacked(decompressor: Any, data: bytes, size: int) -> bytes:
    """Return `size` bytes; ValueError for any other number of them, before they are unpacked."""
    if not 0 <= size <= MAX_CHUNK_BYTES:
        raise ValueError(f'a chunk of {size} bytes, more than {MAX_CHUNK_BYTES >> 20} MiB')
    raw: bytes = decompressor.decompress(data, max_length=size + 1)
    if len(raw) != size or not decompressor.eof:
        raise ValueError(f'a chunk unpacks to {"more" if len(raw) > size else "less"} than the '
                         f'{size} bytes it tells')
    return raw


def refuse_packed(bag: Path, metadata: Path) -> None:
    """Refuse a bag whose files or messages are compressed as a whole: the library sets no bound.

    Args:
        bag: for the message.
        metadata: its metadata.yaml, read with the parser that the library will use.

    Raises:
        DataError: such a bag, or metadata of an absurd size.
    """
    from ruamel.yaml import YAML

    if metadata.stat().st_size > MAX_METADATA_BYTES:
        raise DataError(f'{metadata}: larger than {MAX_METADATA_BYTES >> 20} MiB')
    document = YAML(typ='safe').load(metadata.read_text())
    mode = str(document['rosbag2_bagfile_information'].get('compression_mode', '')).lower()
    if mode not in ('', 'none'):
        raise DataError(f'{bag} is compressed by {mode[:20]!r}, which is not read; copy it with: '
                        f'ros2 bag convert -i {bag} -o OPTIONS.yaml  (whose output_bags have no '
                        'compression_mode; MCAP may compress its own chunks)')
