# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Weights files: what goes in comes out, and whatever else is given is refused in one line."""

import json
import os
import pickle

import pytest
from safetensors import safe_open
from safetensors.torch import save_file
import torch

from anydepth_core.errors import WeightsError
from anydepth_core.models import weights
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import (
    ModelInfo,
    check_weights,
    load_weights,
    resolve_weights,
    save_weights,
)

NAMES = ('cat', 'dog', 'cölour cone')
FAMILIES = ('anydepth-yolo-tiny', 'anydepth-detr-tiny')


def info_of(model='anydepth-yolo-tiny', **changes):
    return ModelInfo(**{'model': model, 'class_names': NAMES, 'input_size': (64, 96),
                        'licence': 'CC0-1.0', 'description': 'a test',
                        'ap': {'full': 0.5, 'base': 0.4}, 'created_by': 'pytest'} | changes)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = create_model('anydepth-yolo-tiny', len(NAMES))
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return model.eval()


@pytest.fixture
def good(model, tmp_path):
    path = tmp_path / 'good.safetensors'
    save_weights(path, model, info_of())
    return path


def rewrite(path, *, metadata=None, tensors=None):
    """Write the file again with some metadata or tensors changed (None: removed)."""
    with safe_open(path, 'pt') as file:
        facts = dict(file.metadata()) | (metadata or {})
        names = file.keys()
        parts = {name: file.get_tensor(name) for name in names} | (tensors or {})
    save_file({k: v for k, v in parts.items() if v is not None}, path,
              {k: v for k, v in facts.items() if v is not None})


def refuse(path, *words):
    with pytest.raises(WeightsError) as caught:
        load_weights(path)
    message = str(caught.value)
    if 'not finite' not in message:  # which the head of the file does not tell
        with pytest.raises(WeightsError) as at_once:
            check_weights(path)
        assert str(at_once.value) == message
    assert '\n' not in message and len(message) < 600
    for word in words:
        assert word in message, message
    return message


@pytest.mark.parametrize('name', FAMILIES)
def test_round_trip(name, tmp_path):
    model = create_model(name, len(NAMES)).eval()
    path = tmp_path / 'a.safetensors'
    save_weights(path, model, info_of(name))
    loaded, info = load_weights(path)
    assert info == info_of(name)
    for (key, value), (other, copy) in zip(model.state_dict().items(),
                                           loaded.state_dict().items(), strict=True):
        assert key == other and torch.equal(value, copy), key
    assert [p.name for p in tmp_path.iterdir()] == ['a.safetensors']
    x = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(model(x, 'base').logits, loaded(x, 'base').logits)


def test_shared_weights_are_stored_once_and_shared_after_loading(model, good):
    loaded, _ = load_weights(good)
    names = [name for name, _ in loaded.named_parameters()]
    assert names == [name for name, _ in model.named_parameters()]
    assert len(names) < len(list(loaded.named_parameters(remove_duplicate=False)))
    stored = sum(p.numel() * p.element_size() for p in model.parameters())
    assert stored < good.stat().st_size < 1.2 * stored + 200_000


def test_half_precision_file_loads_as_float32(model, tmp_path, good):
    path = tmp_path / 'half.safetensors'
    save_weights(path, model, info_of(), dtype=torch.float16)
    loaded, _ = load_weights(path)
    assert path.stat().st_size < 0.6 * good.stat().st_size
    for (name, value), copy in zip(model.named_parameters(), loaded.parameters(), strict=True):
        assert copy.dtype == torch.float32
        assert torch.equal(value.half().float(), copy), name


def test_file_mode_follows_the_umask(model, good):
    umask = os.umask(0)
    os.umask(umask)
    assert good.stat().st_mode & 0o777 == 0o666 & ~umask


def test_the_head_alone_tells_the_same_model_and_holds_no_numbers(model, good):
    checked, info = check_weights(good)
    assert info == load_weights(good)[1] and checked.depths == model.depths
    assert {name: each.shape for name, each in checked.state_dict().items()} == {
        name: each.shape for name, each in model.state_dict().items()}
    assert {each.device.type for each in checked.state_dict().values()} == {'meta'}


@pytest.mark.parametrize('name', ['', 'a\0b', 'x' * 300, '~nobody-here/x', '/dev/zero', '..'])
def test_no_name_raises_anything_but_a_refusal(name):
    with pytest.raises(WeightsError):
        resolve_weights(name)


def test_a_failed_write_leaves_the_old_file(model, good, monkeypatch):
    before = good.read_bytes()

    def fail(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(WeightsError, match='No space left'):
        save_weights(good, model, info_of())
    assert good.read_bytes() == before
    assert [path.name for path in good.parent.iterdir()] == [good.name]


def test_save_refuses_what_load_would(model, tmp_path):
    path = tmp_path / 'a.safetensors'
    with pytest.raises(WeightsError, match='2 class names for a model of 3'):
        save_weights(path, model, info_of(class_names=('a', 'b')))
    sick = create_model('anydepth-yolo-tiny', len(NAMES))
    with torch.no_grad():
        next(sick.parameters()).view(-1)[0] = torch.inf
    with pytest.raises(WeightsError, match='not finite'):
        save_weights(path, sick, info_of(), dtype=torch.float16)
    with pytest.raises(WeightsError, match='cannot write'):
        save_weights(tmp_path / 'none' / 'a.safetensors', model, info_of())
    assert not path.exists()


def test_a_number_beyond_float16_is_kept(tmp_path):
    wide = create_model('anydepth-yolo-tiny', len(NAMES))
    name = next(name for name, _ in wide.named_buffers() if name.endswith('running_var'))
    wide.get_buffer(name).fill_(1e5)
    save_weights(tmp_path / 'a.safetensors', wide, info_of(), dtype=torch.float16)
    found = load_weights(tmp_path / 'a.safetensors')[0]
    assert torch.equal(found.get_buffer(name), wide.get_buffer(name))


def test_packaged_names(model, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, '_package_folder', lambda: tmp_path)
    refuse('scenes', "no weights 'scenes'", '(none is installed)')
    for name in ('scenes', 'other'):
        save_weights(tmp_path / f'{name}.safetensors', model, info_of())
    assert weights.packaged_weights() == ['other', 'scenes']
    assert resolve_weights('scenes') == tmp_path / 'scenes.safetensors'
    assert load_weights('scenes')[1] == info_of()
    refuse('scene', "did you mean 'scenes'?", 'other scenes')
    refuse(tmp_path, 'is a folder')


@pytest.mark.parametrize('length', [0, 1, 7, 8, 100, 5000, -1, -5000])
def test_truncated(good, length):
    good.write_bytes(good.read_bytes()[:length])
    refuse(good, 'truncated')


def test_trailing_bytes_and_noise(good):
    good.write_bytes(good.read_bytes() + b'more')
    refuse(good, 'damaged')
    good.write_bytes(os.urandom(4096))
    refuse(good, 'damaged')


def test_a_pickle_is_never_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / 'executed'),))

    torch.save({'model': Bomb()}, tmp_path / 'a.pt')
    refuse(tmp_path / 'a.pt', 'pickle', 'anydepth convert')
    (tmp_path / 'b.safetensors').write_bytes(pickle.dumps(Bomb(), protocol=2))
    refuse(tmp_path / 'b.safetensors', 'pickle')
    assert not (tmp_path / 'executed').exists()


def test_other_peoples_safetensors(tmp_path):
    path = tmp_path / 'theirs.safetensors'
    save_file({'a': torch.zeros(2)}, path)
    refuse(path, 'not an AnyDepth weights file', 'anydepth convert')
    save_file({'a': torch.zeros(2)}, path, {'format': 'pt'})
    refuse(path, 'not an AnyDepth weights file')


@pytest.mark.parametrize('change, words', [
    ({'schema_version': '2'}, ['newer AnyDepth', 'schema 2']),
    ({'schema_version': '9' * 5000}, ['newer AnyDepth']),
    ({'schema_version': 'one'}, ['schema version']),
    ({'schema_version': None}, ['schema version']),
    ({'model': 'anydepth-yolo-tinny'}, ['unknown model', "did you mean 'anydepth-yolo-tiny'?"]),
    ({'model': None}, ["lacks 'model'"]),
    ({'model': 'x\x1b[2J'}, ["'model'"]),
    ({'classes': '[]'}, ['0 class names']),
    ({'classes': '{"0": "cat"}'}, ["'classes'"]),
    ({'classes': '[1, 2, 3]'}, ['class name']),
    ({'classes': '["a", "b\\n", "c"]'}, ['class name']),
    ({'classes': json.dumps(['x'] * 65_536)}, ['65536 class names']),
    ({'classes': '['}, ['not JSON']),
    ({'classes': '[' * 100_000}, ['not JSON']),
    ({'input_size': '[640]'}, ['input size']),
    ({'input_size': '[640.0, 640]'}, ['input size']),
    ({'input_size': '[true, 640]'}, ['input size']),
    ({'input_size': '[65, 64]'}, ['multiple of 32']),
    ({'input_size': '[0, 64]'}, ['input size']),
    ({'input_size': '[8192, 64]'}, ['input size']),
    ({'resize': 'crop'}, ['resize']),
    ({'ap': '[0.5]'}, ["'ap'"]),
    ({'ap': '{"full": "high"}'}, ["'ap'"]),
    ({'ap': '{"full": NaN}'}, ["'ap'"]),
    ({'ap': '{"full": 1' + 400 * '0' + '}'}, ["'ap'"]),
    ({'ap': '{"full": 51.2}'}, ["'ap'", 'from 0 to 1']),
    ({'description': 'a\tb'}, ["'description'", 'at most 2000 characters']),
    ({'classes': '["a", "b\u00a0c", "d"]'}, [r"class name 'b\xa0c'"]),
    ({'classes': '["a", "b"]'}, ['2 classes', 'expected']),
])
def test_absurd_metadata(good, change, words):
    rewrite(good, metadata=change)
    refuse(good, str(good), *words)


def test_an_ap_that_says_nothing_was_to_be_found_is_none(good):
    """COCO's -1, which files of earlier versions hold."""
    rewrite(good, metadata={'ap': '{"full": -1.0, "base": 0.25}'})
    assert load_weights(good)[1].ap == {'base': 0.25}


def test_wrong_tensors(good, model):
    name, parameter = next(iter(model.named_parameters()))
    original = good.read_bytes()
    for change, words in (
            ({name: None}, ['1 tensors are missing', name]),
            ({'zzz': torch.zeros(1)}, ['too many', 'zzz']),
            ({name: torch.zeros(3, 2)}, [name, '[3, 2]', str(list(parameter.shape))]),
            ({name: torch.zeros(parameter.shape, dtype=torch.int64)}, [name, 'I64']),
            ({name: torch.full(parameter.shape, float('nan'))}, [name, 'not finite'])):
        good.write_bytes(original)
        rewrite(good, tensors=change)
        refuse(good, *words)
