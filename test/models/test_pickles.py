# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints made to harm: each is refused in one line, and nothing in it is executed."""

from __future__ import annotations

from collections.abc import Callable
import io
import os
from pathlib import Path
import pickle
import pickletools
import struct
import subprocess
import sys
import types
from typing import Any
import zipfile

from checkpoint_writers import forget_package, module_tree
import pytest
import torch

from anydepth_core.errors import WeightsError
from anydepth_core.models import pickles
from anydepth_core.models.checkpoints import read_checkpoint
from anydepth_core.models.pickle_check import PickleCheck
from anydepth_core.models.pickles import Record, RecordUnpickler

STATE = {'model.0.conv.weight': torch.arange(6.0).reshape(2, 3, 1, 1)}


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


class SetsState(Calls):
    """Pickles as a call whose result gets a state."""

    def __reduce__(self):
        return (*self.call, {'names': 'x'})


def attacks(witness: Path) -> dict[str, Any]:
    """Return objects whose unpickling would make the witness file."""
    path = str(witness)
    return {
        'posix.system': Calls(os.system, f'touch {path}'),
        'builtins.exec': Calls(exec, f'open({path!r}, "w")'),
        'builtins.eval': Calls(eval, f'open({path!r}, "w")'),
        'io.open': Calls(open, path, 'w'),
        'subprocess.check_output': Calls(subprocess.check_output, ['touch', path]),
        'builtins.getattr': Calls(getattr, 'text', 'upper'),
        'importlib.import_module': Calls(__import__('importlib').import_module, 'os'),
        'builtins.__import__': Calls(__import__, 'os'),
        'pty.spawn': Calls(__import__('pty').spawn, ['touch', path]),
        'operator.attrgetter': Calls(__import__('operator').attrgetter, 'system'),
        'functools.partial': SetsState(__import__('functools').partial, os.system, path),
    }


def refuse(path: Path, match: str) -> str:
    with pytest.raises(WeightsError, match=match) as error:
        read_checkpoint(path)
    message = str(error.value)
    assert '\n' not in message and path.name in message
    return message


@pytest.mark.parametrize('place', ['top', 'beside', 'module', 'names'])
@pytest.mark.parametrize('name', attacks(Path('x')))
def test_calls_are_refused_by_name(tmp_path: Path, name: str, place: str) -> None:
    witness, path = tmp_path / 'witness', tmp_path / 'evil.pt'
    attack = attacks(witness)[name]
    if place == 'top':
        content: Any = attack
    elif place == 'beside':
        content = {'model': STATE, 'extra': attack}
    else:
        module = module_tree(STATE, attack if place == 'names' else {})
        if place == 'module':
            module._modules['model'].hook = attack
        content = {'model': module}
    torch.save(content, path)
    forget_package()
    # Old protocols have other names for the modules, and the first global of a call may be `os`.
    reported = rf"asks to use '(\w+\.)*({name.rpartition('.')[2]}|os\.\w+|posix\.system)'"
    assert 'nothing in it was executed' in refuse(path, reported)
    assert not witness.exists()


def test_calls_of_packages_that_are_known_do_nothing(tmp_path: Path) -> None:
    """A global that the list lets pass is a record all the same: torch's own, too."""
    witness, path = tmp_path / 'witness', tmp_path / 'evil.pt'
    torch.save({'model': module_tree(STATE, {0: 'a'}), 'evil': [
        Calls(torch.save, {}, str(witness)), Calls(torch.load, str(witness)),
        Calls(__import__('numpy').savetxt, str(witness), [1]),
        Calls(Path, str(witness)), Calls(types.SimpleNamespace)]}, path)
    forget_package()
    checkpoint = read_checkpoint(path)
    assert checkpoint.tensors['model.0.conv.weight'].equal(STATE['model.0.conv.weight'])
    assert checkpoint.class_names == ('a',)
    assert not witness.exists()


def test_no_global_is_ever_imported() -> None:
    assert 'antigravity' not in sys.modules
    for module, name in (('torch', 'load'), ('ultralytics.nn', 'x'), ('numpy', 'save')):
        found = RecordUnpickler(io.BytesIO()).find_class(module, name)
        assert issubclass(found, Record) and found.origin == f'{module}.{name}'
    with pytest.raises(WeightsError, match='antigravity'):
        RecordUnpickler(io.BytesIO()).find_class('antigravity', 'x')
    assert 'antigravity' not in sys.modules


def test_records_keep_and_do_nothing() -> None:
    record = Record(1, 2, three=3)
    assert record.args == (1, 2) and not record
    record.__setstate__({'names': ['a']})
    record.__setstate__('nonsense')
    record.append(1)
    record['x'] = 1
    assert record.state == {'names': ['a']} and record['x'] == 1


def rewrite(path: Path, *, data: bytes | None = None, compression: int = zipfile.ZIP_STORED,
            add: dict[str, bytes] | None = None) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(entries)).partition('/')[0]
    if data is not None:
        entries[f'{root}/data.pkl'] = data
    entries.update({f'{root}/{name}': value for name, value in (add or {}).items()})
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, value in entries.items():
            archive.writestr(name, value)


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    """Return a harmless checkpoint that holds a pickled module."""
    path = tmp_path / 'model.pt'
    torch.save({'model': module_tree(STATE, {0: 'a'})}, path)
    forget_package()
    return path


def test_rewriting_is_harmless(pickled: Path) -> None:
    rewrite(pickled)
    assert read_checkpoint(pickled).class_names == ('a',)


@pytest.mark.parametrize('keep', [0, 10, 100, 0.3, 0.6, 0.95, 0.999])
@pytest.mark.parametrize('plain', [True, False])
def test_truncated(tmp_path: Path, pickled: Path, keep: float, plain: bool) -> None:
    if plain:
        torch.save(STATE, pickled)
    data = pickled.read_bytes()
    pickled.write_bytes(data[:keep if isinstance(keep, int) else int(keep * len(data))])
    refuse(pickled, 'truncated, damaged or no PyTorch checkpoint')


@pytest.mark.parametrize('content', [b'hello, this is text', b'\x89PNG\r\n\x1a\n' * 9,
                                     b'\x80\x02}q\x00.', b'PK\x03\x04' + bytes(500)])
def test_not_a_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'x.pt'
    path.write_bytes(content)
    refuse(path, 'truncated, damaged|without weights|no checkpoint')


def test_old_format(tmp_path: Path) -> None:
    path = tmp_path / 'x.pt'
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    refuse(path, 'of the format before PyTorch 1.6; load and save it')


def test_missing_file_and_folder(tmp_path: Path) -> None:
    refuse(tmp_path / 'absent.pt', 'cannot read')
    refuse(tmp_path / 'absent.safetensors', 'cannot read|No such file')
    refuse(tmp_path, 'cannot read')


def test_safetensors_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / 'x.safetensors'
    path.write_bytes(b'\xff' * 100)
    refuse(path, 'no safetensors file')


def test_bombs(pickled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = pickled.read_bytes()
    rewrite(pickled, add={'data/9': bytes(1 << 20)}, compression=zipfile.ZIP_DEFLATED)
    refuse(pickled, 'a compressed archive, which PyTorch never writes')
    pickled.write_bytes(good)
    rewrite(pickled, add={'data.pkl.bak': b''})
    monkeypatch.setattr(pickles, 'MAX_PICKLE_BYTES', 100)
    refuse(pickled, 'its table of contents is larger than')


@pytest.mark.parametrize('index', [b'r' + struct.pack('<I', 1 << 31), b'p2147483648\n'])
def test_memo_bomb(pickled: Path, index: bytes) -> None:
    rewrite(pickled, data=b'\x80\x02}' + index + b'.')
    refuse(pickled, 'built to exhaust the memory')


@pytest.mark.parametrize('data', [
    b'\x8f' * 600_000,                                        # EMPTY_SET
    b'(' * 600_000,                                           # MARK
    b'ctorch\na\nq\x00' + b'h\x00)\x81' * 300_000,             # NEWOBJ
    b''.join(b'ctorch\n%d\n' % number for number in range(1001)),
], ids=['sets', 'marks', 'objects', 'globals'])
def test_more_objects_than_any_checkpoint_has(pickled: Path, data: bytes) -> None:
    rewrite(pickled, data=b'\x80\x04' + data + b'.')
    refuse(pickled, 'built to exhaust the memory')


def test_a_global_that_is_named_often_is_one_class(pickled: Path) -> None:
    data = b'\x80\x04\x8c\x05torch\x94\x8c\x01a\x94(' + b'h\x00h\x01\x93' * 1000 + b't.'
    PickleCheck(data)
    assert len(set(RecordUnpickler(io.BytesIO(data)).load())) == 1


DOUBLED = b')' + b'2\x86' * 64  # DUP and TUPLE2: t = (t, t)
SHORT_TEXT = b'X\x01\x00\x00\x00a'


@pytest.mark.parametrize('data', [
    b'}' + DOUBLED + b'Ns.',                                  # SETITEM
    b'}(NN' + DOUBLED + b'Nu.',                               # SETITEMS
    b'(' + DOUBLED + b'Nd.',                                  # DICT
    b'}' + DOUBLED + b'q\x000}h\x00Ns.',                      # by way of the memo
    b'\x8f(' + DOUBLED + b'\x90.',                            # ADDITEMS of a set
    b'(' + DOUBLED + b'\x91.',                                # FROZENSET
    b'}' + b')\x85' + b'\x94h\x00h\x00\x86' + b'2\x86' * 64 + b'Ns.',
    b'}(' + b''.join(b'\x8a\x0a' + (k * (2 ** 61 - 1)).to_bytes(10, 'little') + b'N'
                    for k in range(1 << 10, 1 << 15)) + b'u.',   # numbers of equal hash
], ids=['setitem', 'setitems', 'dict', 'memo', 'set', 'frozenset', 'memoize', 'equal hashes'])
def test_keys_that_take_forever_to_hash(pickled: Path, data: bytes) -> None:
    rewrite(pickled, data=b'\x80\x04' + data)
    refuse(pickled, 'built to take forever to read; nothing in it was executed')


def test_keys_and_values_that_are_harmless(pickled: Path) -> None:
    """Small tuples may be keys, and values may be nested as deep as they like."""
    for data in (b'}NK\x01K\x02\x86s.', b'}K\x01K\x02\x86Ns.', b'(K\x01K\x02\x91.',
                 b'}' + SHORT_TEXT + DOUBLED + b's.', b'\x8f(K\x01' + SHORT_TEXT + b'\x90.',
                 b'(K\x01K\x020K\x03d.'):
        PickleCheck(b'\x80\x04' + data)
        RecordUnpickler(io.BytesIO(b'\x80\x04' + data)).load()


def test_the_check_follows_the_machine(tmp_path: Path) -> None:
    """Every opcode that Python's pickler writes, in every protocol, leaves one object."""
    shared = ('a', 1)
    content = {'a': [1, 2.5, None, True, b'x', 1 << 70, 'ü' * 300, (), (1,), (1, 2), (1, 2, 3, 4)],
               'b': {1, 2}, 'c': frozenset({3}), 'd': [shared, shared], shared: bytearray(b'z'),
               'e': Path('x'), 'f': types.SimpleNamespace(x=1), 'g': list(range(2000))}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(content, protocol)
        check = PickleCheck(data)
        assert check.stack == check.below == []
        with pytest.raises((ValueError, LookupError, EOFError)):
            PickleCheck(data[:len(data) // 2])


@pytest.mark.parametrize('extra', ['attribute', 'buffer', 'parameter'])
def test_tensors_with_attributes(tmp_path: Path, extra: str) -> None:
    tensor = {'attribute': torch.arange(3.0), 'buffer': torch.nn.Buffer(torch.arange(3.0)),
              'parameter': torch.nn.Parameter(torch.arange(3.0))}[extra]
    tensor.note = 'mine'
    torch.save({'model': {'w': tensor}}, tmp_path / 'a.pt')
    assert read_checkpoint(tmp_path / 'a.pt').tensors['w'].tolist() == [0, 1, 2]


def test_tensors_that_are_not_plain(tmp_path: Path) -> None:
    torch.save({'model': STATE | {'w': torch.eye(2).to_sparse()}}, tmp_path / 'a.pt')
    refuse(tmp_path / 'a.pt', "'w' is no plain tensor .*_rebuild_sparse_tensor.* ordinary tensors")


def test_tensors_larger_than_their_numbers(tmp_path: Path, pickled: Path) -> None:
    huge = torch.zeros(1).expand(1 << 40)
    torch.save({'model': {'w': huge}}, pickled)
    refuse(pickled, 'claims to hold more numbers')
    state = {'model.0.weight': torch.zeros(1).expand(1 << 40)}
    torch.save({'model': module_tree(state, {})}, pickled)
    forget_package()
    refuse(pickled, 'claims to hold more numbers')


def tensor_record(**changes: Any) -> bytes:
    """Return a pickled module of one parameter whose tensor is described by the arguments."""
    storage = changes.get('storage', ('storage', torch.FloatStorage, '0', 'cpu', 6))
    size, stride, offset = (changes.get(key, value) for key, value in (
        ('size', (2, 3)), ('stride', (3, 1)), ('offset', 0)))

    class Persistent:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return storage if isinstance(value, Persistent) else None

    buffer = io.BytesIO()
    module = module_tree({}, {})
    rebuilt = Calls(torch._utils._rebuild_tensor_v2, Persistent(), offset, size, stride, False, {})
    module._parameters['w'] = rebuilt
    Pickler(buffer, protocol=2).dump({'model': module})
    forget_package()
    return buffer.getvalue()


def test_tensor_record_is_a_tensor(pickled: Path) -> None:
    rewrite(pickled, data=tensor_record())
    assert read_checkpoint(pickled).tensors['w'].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize('changes', [
    {'size': (2, 4)}, {'offset': 1}, {'offset': -1}, {'size': (-1, 3)}, {'stride': (3,)},
    {'stride': (-3, 1)}, {'size': 'ab'}, {'size': ({}, {})}, {'size': (1 << 70, 1)},
    {'storage': ('storage', torch.FloatStorage, '77', 'cpu', 6)},
    {'storage': ('storage', torch.FloatStorage, '../../secret', 'cpu', 6)},
    {'storage': ('storage', torch.nn.Linear, '0', 'cpu', 6)},
    {'storage': ('module', torch.FloatStorage, '0', 'cpu', 6)},
    {'storage': 'storage'}, {'storage': (1,)}])
def test_damaged_tensors(pickled: Path, changes: dict[str, Any]) -> None:
    rewrite(pickled, data=tensor_record(**changes))
    refuse(pickled, 'truncated, damaged')


def test_modules_that_hold_themselves(pickled: Path) -> None:
    def loop() -> torch.nn.Module:
        module = module_tree({}, {})
        module._modules['a'] = module
        module._modules['b'] = module
        return module

    torch.save({'model': loop()}, pickled)
    forget_package()
    refuse(pickled, 'nested deeper or wider')


@pytest.mark.parametrize('data', [
    b'\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.',   # the classic, by hand
    b"(S'true'\nios\nsystem\n.",                          # INST, protocol 0
    b'\x80\x02(cos\nsystem\nX\x04\x00\x00\x00trueo.',       # OBJ
    b'\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.',  # STACK_GLOBAL
])
def test_opcodes_by_hand(pickled: Path, data: bytes) -> None:
    list(pickletools.genops(data))
    rewrite(pickled, data=data)
    refuse(pickled, r"asks to use 'os\.system'")


@pytest.mark.parametrize('data', [
    b'\x80\x02\x82\x01.',        # EXT1: a code nobody registered
    b'\x80\x02R.',
    b'\x80\x02Q.',
    b'.',
    b'',
    b'\x80\x02]q\x00h\x00R.',    # calls a list
])
def test_nonsense_by_hand(pickled: Path, data: bytes) -> None:
    rewrite(pickled, data=data)
    refuse(pickled, 'truncated, damaged')
