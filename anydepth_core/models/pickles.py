# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Reading PyTorch checkpoints of strangers without executing what they hold.

A checkpoint is a zip of one pickle and the raw bytes of its tensors. A pickle is a program that
may import and call anything. Here every global that it names is a `Record`: a class that keeps
what it is given and does nothing. No package is imported and nothing is called, tensors included:
they are cut out of the zip afterwards. So one reader does for state dicts and for pickled modules
(Ultralytics), where PyTorch's `weights_only` one refuses the latter, and in versions before 2.6
could itself be made to execute code (CVE-2025-32434).
"""

from __future__ import annotations

from collections.abc import Mapping
import io
from pathlib import Path
import pickle
import re
from typing import Any, BinaryIO, NamedTuple
import zipfile

import torch
from torch import Tensor

from anydepth_core.errors import WeightsError
from anydepth_core.models.pickle_check import PickleCheck

MAX_PICKLE_BYTES = 8 << 20
MAX_MODULES = 20_000
MAX_NAME = 500
# A checkpoint names some thirty; each is a class of 1 KiB here.
MAX_GLOBALS = 1000
# Globals that checkpoints name for good reasons; any other one is a sign of malice.
KNOWN_PACKAGES = ('argparse', 'collections', 'datetime', 'numpy', 'pathlib', 'torch',
                  'torchvision', 'types', 'ultralytics')
KNOWN_GLOBALS = re.compile(
    r'(__builtin__|builtins)\.(set|frozenset|slice|complex|bytearray|object)'
    r'|_codecs\.encode|(copyreg|copy_reg)\._reconstructor')
# What makes tensors: of any kind; of the plain kind; a parameter of one; of some type from one.
REBUILDS = re.compile(r'torch\.(_utils|_tensor)\._rebuild')
PLAIN = 'torch._utils._rebuild_tensor_v2'
PARAMETER = re.compile(r'torch\._utils\._rebuild_parameter(_with_state)?')
TYPED = re.compile(r'torch\._(utils|tensor)\._rebuild_from_type(_v2)?')
TENSORS = ('torch.Tensor', 'torch._tensor.Tensor', 'torch.nn.parameter.Parameter',
           'torch.nn.parameter.Buffer')
# How PyTorch's files began before they were zips: a pickle of a magic number.
OLD_FORMAT = b'\x80\x02\x8a\nl\xfc'
STORAGES = {
    'torch.FloatStorage': torch.float32,
    'torch.HalfStorage': torch.float16,
    'torch.BFloat16Storage': torch.bfloat16,
    'torch.DoubleStorage': torch.float64,
    'torch.LongStorage': torch.int64,
    'torch.IntStorage': torch.int32,
    'torch.ShortStorage': torch.int16,
    'torch.CharStorage': torch.int8,
    'torch.ByteStorage': torch.uint8,
    'torch.BoolStorage': torch.bool,
}


class Record(dict[Any, Any]):
    """Stands in for every object of a pickle: keeps items, arguments and state, calls nothing.

    Attributes:
        origin: dotted name of the class or function that the pickle asked for.
        args: what it would have been called with.
        state: what would have become the object's attributes.
    """

    origin = ''
    args: tuple[Any, ...]
    state: Mapping[str, Any]

    def __new__(cls, *args: Any, **_: Any) -> Record:  # noqa: D102
        record = super().__new__(cls)
        record.args = args
        record.state = {}
        return record

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.state = state

    def append(self, item: Any) -> None:
        """Drop an item of a list or set that no reader of ours needs."""

    add = append


class Storage(NamedTuple):
    """The raw numbers of a tensor: which type and which entry of the zip."""

    origin: str
    key: str


class RecordUnpickler(pickle.Unpickler):
    """Unpickler that knows no class but Record.

    Raises:
        WeightsError: for a global that no checkpoint of weights needs, by its name, or for more
            of them than any has.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.kinds: dict[str, type[Record]] = {}

    def find_class(self, module: str, name: str) -> type[Record]:
        """Return a kind of Record for the global, never the global."""
        origin = f'{module}.{name}'
        if module.partition('.')[0] not in KNOWN_PACKAGES and not KNOWN_GLOBALS.fullmatch(origin):
            raise WeightsError(f'the file asks to use {origin[:100]!r}, which no weights need: it '
                               'may be malicious; nothing in it was executed')
        if origin not in self.kinds:
            if len(self.kinds) == MAX_GLOBALS:
                raise WeightsError('built to exhaust the memory; nothing in it was executed')
            self.kinds[origin] = type('Record', (Record,), {'origin': origin})
        return self.kinds[origin]

    def persistent_load(self, pid: Any) -> Storage:
        """Return which entry of the zip a tensor's numbers are."""
        kind, storage, key = pid[:3]
        if kind != 'storage' or not re.fullmatch(r'\w{1,40}', key):
            raise pickle.UnpicklingError('not a storage')
        return Storage(storage.origin, key)


class TorchZip:
    """An open PyTorch checkpoint.

    Raises:
        WeightsError: truncated, not a zip of the form PyTorch writes, or one that would grow when
            read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open('rb') as file:
            if file.read(len(OLD_FORMAT)) == OLD_FORMAT:
                raise WeightsError(f'{path}: of the format before PyTorch 1.6; load and save it '
                                   'with a newer one')
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise damaged(path) from error
        entries = self.zip.infolist()
        # PyTorch stores without compression, so a bomb can be told without unpacking it.
        if (any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
                or sum(entry.file_size for entry in entries) > path.stat().st_size):
            raise WeightsError(f'{path}: a compressed archive, which PyTorch never writes; '
                               'unpack it first')
        pickles = [entry for entry in entries if re.fullmatch(r'[^/]+/data\.pkl', entry.filename)]
        if len(pickles) != 1:
            raise WeightsError(f'{path}: an archive without a PyTorch checkpoint')
        if pickles[0].file_size > MAX_PICKLE_BYTES:
            raise WeightsError(f'{path}: its table of contents is larger than '
                               f'{MAX_PICKLE_BYTES >> 20} MiB; a checkpoint has far less')
        self.root = pickles[0].filename.partition('/')[0]
        self.pickle = self.read('data.pkl')
        if f'{self.root}/byteorder' in self.zip.namelist() and self.read('byteorder') != b'little':
            raise WeightsError(f'{path}: written on a big-endian machine; save it anew')
        self.storages: dict[str, bytearray] = {}

    def read(self, name: str) -> bytes:
        """Return the bytes of one entry."""
        try:
            return self.zip.read(f'{self.root}/{name}')
        except (KeyError, zipfile.BadZipFile, OSError, EOFError, NotImplementedError,
                RuntimeError) as error:
            raise damaged(self.path) from error

    def records(self) -> Any:
        """Return what the pickle describes: lists, mappings and the like, all else a Record."""
        try:
            PickleCheck(self.pickle)
            return RecordUnpickler(io.BytesIO(self.pickle)).load()
        except WeightsError as error:
            raise WeightsError(f'{self.path}: {error}') from None
        except Exception as error:  # whatever the pickle's author made it stumble over
            raise damaged(self.path) from error

    def tensor(self, record: Record) -> Tensor:
        """Return the tensor that a record of `_rebuild_tensor_v2` describes, as a view."""
        try:
            storage, offset, size, stride = record.args[:4]
            if storage.key not in self.storages:
                self.storages[storage.key] = bytearray(self.read(f'data/{storage.key}'))
            numbers, dtype = self.storages[storage.key], STORAGES[storage.origin]
            # PyTorch makes no tensor of an empty buffer.
            flat = torch.frombuffer(numbers or bytearray(8), dtype=dtype)[:len(numbers)]
            return flat.as_strided(size, stride, offset)
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise damaged(self.path) from error


def module_records(module: Record) -> dict[str, Record]:
    """Return a pickled module's parameters and buffers by their state-dict names.

    Raises:
        WeightsError: nested deeper or wider than any network, or a tensor that is not plain.
    """
    found: dict[str, Record] = {}
    pending = [('', module)]
    for visited in range(MAX_MODULES):
        if not pending:
            return found
        prefix, parent = pending.pop(0)
        if len(prefix) > MAX_NAME or len(pending) + visited > MAX_MODULES:
            break
        for kind in ('_parameters', '_buffers'):
            for name, value in _members(parent, kind):
                tensor = tensor_record(prefix + name, value)
                if tensor is not None:
                    found[prefix + name] = tensor
        pending += [(f'{prefix}{name}.', child) for name, child in _members(parent, '_modules')]
    raise WeightsError('its modules are nested deeper or wider than those of any network')


def tensor_record(name: str, value: Any) -> Record | None:
    """Return the record that describes a plain tensor; None for what is no tensor.

    PyTorch wraps a tensor's record when it is a parameter or has attributes of its own.

    Raises:
        WeightsError: `name` is a tensor of another kind (quantised, sparse, of a subclass).
    """
    made_by = value.origin if isinstance(value, Record) else ''
    if not REBUILDS.match(made_by):
        return None
    for _ in range(3):
        if isinstance(value, Record) and value.origin == PLAIN:
            return value
        value = _unwrapped(value)
    raise WeightsError(f'{name[:100]!r} is no plain tensor ({made_by[:100]!r} makes it); save the '
                       'weights as ordinary tensors')


def _unwrapped(value: Any) -> Record | None:
    """Return the record of the tensor in a parameter, or in one with attributes of its own."""
    if not isinstance(value, Record):
        return None
    if PARAMETER.fullmatch(value.origin) and value.args:
        return value.args[0] if isinstance(value.args[0], Record) else None
    if not TYPED.fullmatch(value.origin) or len(value.args) < 3:
        return None
    function, kind, args = value.args[:3]
    plain = (_origin(function) == PLAIN and _origin(kind) in TENSORS and isinstance(args, tuple))
    return function(*args) if plain else None


def _origin(kind: Any) -> str:
    """Return the dotted name of a global of the pickle."""
    return kind.origin if isinstance(kind, type) and issubclass(kind, Record) else ''


def damaged(path: Path) -> WeightsError:
    """Return the error for a file that is cut short or no checkpoint at all."""
    return WeightsError(f'{path}: truncated, damaged or no PyTorch checkpoint; get the file again')


def _members(module: Record, kind: str) -> list[tuple[str, Record]]:
    members = module.state.get(kind)
    if not isinstance(members, Mapping):
        return []
    return [(name, value) for name, value in members.items()
            if isinstance(name, str) and isinstance(value, Record)]
