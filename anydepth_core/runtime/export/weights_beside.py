# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A graph as files for the moment in which a runtime loads it, its weights in one of their own.

A runtime keeps the bytes of a model that it was given, beside the copies that it lays out for
itself; weights in a file it maps. Of those that lie at one place OpenVINO lays out one copy.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import ctypes
import hashlib
import logging
import mmap
import os
from pathlib import Path
import tempfile

from onnx import ModelProto, TensorProto

from anydepth_core.runtime.export.parts import tensors_of

# Smaller ones are shapes and axes, which runtimes want to see in the graph.
LEAST_BYTES = 1024
ALIGNMENT = 64
WEIGHTS = 'weights'


@contextlib.contextmanager
def for_loading(model: ModelProto) -> Iterator[str | bytes]:
    """Yield the path of a file of `model`, which goes at the end of the block.

    Where no file can be written that is told, and the bytes of the model are what is yielded.
    """
    folder = None
    try:
        folder = tempfile.TemporaryDirectory(prefix='anydepth-', ignore_cleanup_errors=True)
        source: str | bytes = str(_save(model, Path(folder.name)))
    except OSError as error:
        logging.getLogger(__name__).warning(
            'no temporary file for the weights can be written (%s), so the network takes more '
            'memory; name another folder with TMPDIR', error.strerror or error)
        source = model.SerializeToString()
    del model  # while a runtime loads, memory is at its height
    try:
        yield source
    finally:
        if folder is not None:
            with folder:
                _let_go(Path(folder.name) / WEIGHTS)


def _save(model: ModelProto, folder: Path) -> Path:
    """Write the graph and, equal ones once, its weights; return the path of the graph."""
    places: dict[bytes, int] = {}
    result = ModelProto()
    result.CopyFrom(model)
    with (folder / WEIGHTS).open('wb') as file:
        for tensor in tensors_of(result.graph):
            raw = tensor.raw_data
            if len(raw) < LEAST_BYTES:
                continue
            key = hashlib.sha256(raw).digest()
            if key not in places:
                file.write(bytes(-file.tell() % ALIGNMENT))
                places[key] = file.tell()
                file.write(raw)
            _refer(tensor, offset=places[key], length=len(raw))
    path = folder / 'network.onnx'
    path.write_bytes(result.SerializeToString())
    return path


def _refer(tensor: TensorProto, **place: int) -> None:
    tensor.ClearField('raw_data')
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value=WEIGHTS)
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))


def _let_go(path: Path) -> None:
    """Give back the memory of what of a file is mapped; a page that is read again comes back.

    The runtime that mapped it for the network that it has just loaded keeps it mapped meanwhile.
    """
    try:
        maps = Path('/proc/self/maps').read_text(encoding='utf-8', errors='surrogateescape')
    except OSError:
        return  # no Linux, or one that does not tell: the memory stays
    madvise = ctypes.CDLL(None).madvise
    for line in maps.splitlines():
        fields = line.split(maxsplit=5)
        # A page that can be written might hold what the file does not.
        if fields[-1] == os.path.realpath(path) and 'w' not in fields[1]:
            start, end = (int(each, 16) for each in fields[0].split('-'))
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
