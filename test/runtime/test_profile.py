# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Budgets and profiles: what they refuse, what they keep, and what is worth choosing."""

from __future__ import annotations

from dataclasses import replace
import itertools
import json
from pathlib import Path
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from anydepth_core.depth import DepthSpace
from anydepth_core.errors import BudgetError, ProfileError
from anydepth_core.runtime.budget import UNITS, Budget
from anydepth_core.runtime.profile import Profile, ProfileEntry, ProfileKey, read_profile

SPACE = DepthSpace(decoder_layers=6)
KEY = ProfileKey(device='Test Device (8 threads)', backend='torch', precision='fp32',
                 input_size=(480, 640), weights_hash='ab' * 32)


def entry(depth: str, ms: float, ap: float | None = None, gflops: float = 10.0) -> ProfileEntry:
    return ProfileEntry(depth=SPACE.parse(depth), gflops=gflops, mean_ms=ms, p50_ms=ms,
                        p95_ms=1.1 * ms, p99_ms=1.2 * ms, ap=ap, energy_j=ms / 10,
                        memory_mb=500.0)


def profile(*entries: ProfileEntry) -> Profile:
    return Profile(key=KEY, model='anydepth-detr-r50', entries=entries, frames=100)


PROFILE = profile(entry('base', 10, 0.40), entry('full', 20, 0.50), entry('full@3', 12, 0.44),
                  entry('base@1', 11, 0.30), entry('full-p2', 17, 0.45))


@pytest.mark.parametrize('value', [float('nan'), -1, 0, float('inf'), -float('inf'), True, '20',
                                   None, 10 ** 400])
@pytest.mark.parametrize('unit', UNITS)
def test_bad_budgets_are_refused_with_what_is_valid(value, unit):
    with pytest.raises(BudgetError, match=f'{unit}; valid: a number above 0') as refused:
        Budget(value, unit)
    assert '\n' not in str(refused.value)


def test_unknown_unit_is_refused_with_the_units():
    with pytest.raises(BudgetError, match=r"did you mean 'watts'\?.*ms, fps, gflops"):
        Budget(5.0, 'watt')


def test_what_one_frame_may_cost():
    frame = {unit: Budget(20.0, unit).allowance(0.1) for unit in UNITS}
    assert frame == {'ms': 20, 'fps': 50, 'gflops': 20, 'gflops/s': 2, 'joules': 20, 'watts': 2}


def test_a_file_holds_all_of_it(tmp_path):
    path = tmp_path / KEY.file_name
    PROFILE.write(path)
    assert read_profile(path) == PROFILE
    assert path.name == 'test-device-8-threads.torch.fp32.480x640.abababababab.json'
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    with pytest.raises(ProfileError, match='cannot write'):
        PROFILE.write(tmp_path / 'none' / 'file.json')


def test_a_file_of_before_memory_and_energy_were_measured_is_read(tmp_path):
    path = tmp_path / 'profile.json'
    PROFILE.write(path)
    document = json.loads(path.read_text())
    for row in document['entries']:
        del row['memory_mb'], row['energy_j']
    path.write_text(json.dumps(document))
    assert read_profile(path) == replace(PROFILE, entries=tuple(
        replace(each, memory_mb=None, energy_j=None) for each in PROFILE.entries))


@pytest.mark.parametrize('field, value', [
    ('device', 'Other'), ('backend', 'onnxruntime'), ('precision', 'fp16'),
    ('input_size', (640, 640)), ('weights_hash', 'cd' * 32)])
def test_a_foreign_profile_is_refused_by_name(field, value):
    PROFILE.require(KEY, SPACE)
    with pytest.raises(ProfileError, match=f'foreign: {field} is .*, not .*; measure one'):
        PROFILE.require(replace(KEY, **{field: value}), SPACE)


def test_a_profile_of_another_model_is_refused():
    with pytest.raises(ProfileError, match='other depths'):
        PROFILE.require(KEY, DepthSpace())


@pytest.mark.parametrize('change, complaint', [
    (lambda d: d.update(entries=[]), 'profile is empty'),
    (lambda d: d.update(format='yolo'), "'format' is not"),
    (lambda d: d.update(schema_version=2), "'schema_version' 2"),
    (lambda d: d.update(colour='red'), r"unknown fields \['colour'\]; valid: format"),
    (lambda d: d.pop('frames'), r"lacks \['frames'\]"),
    (lambda d: d.update(frames=0), "'frames'"),
    (lambda d: d.update(model=3), "'model' is not text"),
    (lambda d: d['key'].pop('device'), r"'key' lacks \['device'\]"),
    (lambda d: d['key'].update(weights_hash='xyz'), "'weights_hash'"),
    (lambda d: d['key'].update(input_size=[0, 1]), "'input_size'"),
    (lambda d: d['key'].update(input_size=5), "'input_size'"),
    (lambda d: d['depths'].update(stages='p2'), "'stages'"),
    (lambda d: d['depths'].update(decoder_layers=0), "'decoder_layers'"),
    (lambda d: d['entries'][0].update(depth='bsae'), "did you mean 'base'"),
    (lambda d: d['entries'][0].update(depth=7), "'depth' 7 is not text"),
    (lambda d: d['entries'][1].update(depth='base'), 'names a depth twice'),
    (lambda d: d['entries'][0].update(mean_ms=-1), "'mean_ms' -1"),
    (lambda d: d['entries'][0].update(mean_ms=float('nan')), "'mean_ms' nan"),
    (lambda d: d['entries'][0].update(gflops=10 ** 400), "'gflops'"),
    (lambda d: d['entries'][0].update(p95_ms='5'), "'p95_ms' '5'"),
    (lambda d: d['entries'][0].update(p95_ms=1), "'p50_ms' <= 'p95_ms'"),
    (lambda d: d['entries'][0].update(ap=53.3), "'ap' 53.3"),
    (lambda d: d['entries'][0].update(energy_j=0), "'energy_j' 0"),
    (lambda d: d['entries'][0].update(memory_mb='much'), "'memory_mb' 'much'"),
    (lambda d: d['entries'].append('base'), 'an entry is not a JSON object'),
])
def test_a_damaged_file_is_refused_with_the_place(tmp_path, change, complaint):
    path = tmp_path / 'profile.json'
    PROFILE.write(path)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ProfileError, match=complaint) as refused:
        read_profile(path)
    assert str(path) in str(refused.value) and '\n' not in str(refused.value)


@pytest.mark.parametrize('data', [b'', b'{', b'[1]', b'\xff\xfe', b'null', b'[' * 100_000])
def test_what_is_no_profile_is_refused(tmp_path, data):
    path = tmp_path / 'profile.json'
    path.write_bytes(data)
    with pytest.raises(ProfileError, match='not'):
        read_profile(path)
    with pytest.raises(ProfileError, match='cannot read'):
        read_profile(tmp_path)


def test_pareto_and_hull():
    cost = lambda each: each.mean_ms  # noqa: E731
    assert [each.name for each in PROFILE.pareto(cost)] == ['base', 'full@3', 'full-p2', 'full']
    # Alternating full@3 with full beats full-p2: 17 ms give 0.4775.
    assert [each.name for each in PROFILE.hull(cost)] == ['base', 'full@3', 'full']
    partly = profile(entry('base', 10, 0.4, gflops=1), entry('full', 20, None, gflops=2))
    assert [partly.quality(each) for each in partly.entries] == [1, 2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), min_size=1, max_size=12))
def test_hull_is_never_beaten_by_a_mixture(points):
    table = profile(*(entry(depth, ms, ap / 60) for depth, (ms, ap) in
                      zip(map(str, SPACE), points)))
    cost = lambda each: each.mean_ms  # noqa: E731
    hull = table.hull(cost)
    assert set(hull) <= set(table.pareto(cost)) <= set(table.entries)
    for low, high in itertools.pairwise(hull):
        assert low.mean_ms < high.mean_ms and low.ap < high.ap
        slope = (high.ap - low.ap) / (high.mean_ms - low.mean_ms)
        assert all(each.ap <= low.ap + slope * (each.mean_ms - low.mean_ms) + 1e-9
                   for each in table.entries)


def test_energy_that_nobody_measured():
    with pytest.raises(ProfileError, match=r'base: no energy was measured.*use ms, fps'):
        replace(entry('base', 10), energy_j=None).cost('energy_j')


@pytest.mark.parametrize('module', ['budget', 'profile', 'policy', 'policy_budgeted', 'simulate'])
def test_pure_python(module):
    code = (f'import sys, anydepth_core.runtime.{module}; '
            'sys.exit(bool({"torch", "numpy", "rclpy"} & set(sys.modules)))')
    done = subprocess.run([sys.executable, '-c', code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0
