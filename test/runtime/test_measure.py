# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth profile`, the key of this machine, and the examination of the environment."""

from __future__ import annotations

from dataclasses import replace
import os

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from anydepth_core.cli import main
from anydepth_core.depth import DepthSpace
from anydepth_core.errors import AnyDepthError, ProfileError
from anydepth_core.models.count import count_gflops
from anydepth_core.models.weights import load_weights
from anydepth_core.runtime import doctor
from anydepth_core.runtime.backends import installed
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.measure import (
    hardware_name,
    measure,
    profile_key,
    usual_depths,
    worth_choosing,
)
from anydepth_core.runtime.profile import ProfileEntry, read_profile


def profile(weights_file, target, *options):
    return main(['profile', str(weights_file), str(target), '--backend', 'torch', '--device',
                 'cpu', '--frames', '10', *options])


def test_command_measures_prunes_and_writes(weights_file, detector, tmp_path, capsys):
    assert profile(weights_file, tmp_path, '--depths', 'full', 'base', 'full-p2', 'full') == 0
    path, = tmp_path.iterdir()
    found = read_profile(path)
    assert path.name == found.key.file_name and found.frames == 10
    found.require(profile_key(detector), detector.depths)
    model, _ = load_weights(weights_file)
    for entry in found.entries:
        assert entry.gflops == count_gflops(model, entry.depth, (96, 128))
        assert entry.memory_mb is not None and 20e6 < 1e6 * entry.memory_mb < 64e9
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 4
    assert sum(line.endswith('yes') for line in table) == len(found.entries)
    costs = [entry.mean_ms for entry in found.entries]
    assert costs == sorted(costs)
    assert {'base', 'full'} <= {entry.name for entry in found.entries}


def test_a_wrong_key_is_refused(weights_file, detector, tmp_path):
    target = tmp_path / 'mine.json'
    assert profile(weights_file, target, '--depths', 'base', '--keep-all') == 0
    for change in ({'backend': 'openvino'}, {'input_size': (64, 64)}, {'device': 'other'},
                   {'precision': 'bf16'}, {'weights_hash': '0' * 64}):
        with pytest.raises(ProfileError, match=next(iter(change))):
            read_profile(target).require(replace(profile_key(detector), **change),
                                         detector.depths)


@pytest.mark.parametrize('target, options, message', [
    ('out.txt', (), 'name the file *.json'),
    ('none/out.json', (), 'no such folder'),
    ('out.json', ('--depths', 'bsae'), "did you mean 'base'?"),
    ('out.json', ('--depths', 'base', '--frames', '3'), '10 frames'),
])
def test_bad_requests(weights_file, tmp_path, capsys, target, options, message):
    assert main(['profile', str(weights_file), str(tmp_path / target), '--backend', 'torch',
                 *options]) == 2
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_ap_of_the_weights_is_kept(detector, monkeypatch):
    monkeypatch.setattr(detector, 'info', replace(detector.info, ap={'base': 0.4}))
    found = measure(detector, [detector.depths.base], pictures(), frames=10)
    assert found.entries[0].ap == 0.4 and worth_choosing(found) == found
    with pytest.raises(AnyDepthError):
        measure(detector, [], pictures())


def test_weights_without_an_ap_are_measured(detector, weights_file, tmp_path):
    """Those of a run whose validation images show nothing say so; earlier ones said -1."""
    path = tmp_path / 'a.safetensors'
    with safe_open(weights_file, 'pt') as file:
        save_file({name: file.get_tensor(name) for name in file.keys()}, path,  # noqa: SIM118
                  file.metadata() | {'ap': '{"base": -1.0}'})
    opened = Detector.open(path, backend='torch', device='cpu')
    found = measure(opened, [opened.depths.base], pictures(), frames=10)
    assert found.entries[0].ap is None


def test_memory_is_the_most_of_the_frames_of_a_depth(detector, monkeypatch):
    """Also of what was given back before the frame ended."""
    real = detector.detect

    def detect(image, *, depth):
        if depth == detector.depths.full:
            np.ones(10 ** 8, np.uint8)
        return real(image, depth=depth)

    monkeypatch.setattr(detector, 'detect', detect)
    full, base = measure(detector, [detector.depths.full, detector.depths.base], pictures(),
                         frames=10).entries
    if not os.access('/proc/self/clear_refs', os.W_OK):
        pytest.skip('this system tells no peak of memory')
    assert 80 < full.memory_mb - base.memory_mb < 120


def pictures():
    return np.zeros((50, 60, 3), np.uint8)


def test_base_stays_although_noise_made_it_slower(detector):
    one, two, three = detector.depths.base, detector.depths.parse('base+p3'), detector.depths.full
    rows = ((one, 1.0, 9.0), (two, 2.0, 8.0), (three, 3.0, 20.0), (detector.depths.parse(
        'full-p3'), 2.5, 21.0))
    found = replace(measure(detector, [one], pictures(), frames=10), entries=tuple(
        ProfileEntry(depth=depth, gflops=gflops, mean_ms=ms, p50_ms=ms, p95_ms=ms, p99_ms=ms)
        for depth, gflops, ms in rows))
    assert [entry.name for entry in worth_choosing(found).entries] == ['base+p3', 'base', 'full']


def test_usual_depths():
    plain = usual_depths(DepthSpace())
    assert {str(each) for each in plain} >= {'full', 'base', 'full-p2', 'base+p2', 'full-neck'}
    assert len(plain) == len(set(plain)) == 20
    layered = usual_depths(DepthSpace(decoder_layers=6))
    assert {each.decoder_layers for each in layered} == {4, 6} and len(layered) == 40


def test_the_environment(monkeypatch):
    found = doctor.examine_environment()
    text = doctor.describe(found)
    assert found.versions['torch'] in text and hardware_name('cpu') in text
    usable = {each.backend for each in found.backends if not each.problem}
    assert 'torch' in usable and usable <= set(installed())
    monkeypatch.setattr(doctor, 'open_backend', lambda *_, **__: fail())
    broken = doctor.examine_environment()
    assert all('driver' in each.problem for each in broken.backends
               if each.backend in installed())


def fail():
    raise RuntimeError('driver\nand more')
