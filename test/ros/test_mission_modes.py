# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Files of mission modes: what loads, and what is refused with its line."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
import yaml

from anydepth_ros import mission_modes
from anydepth_ros.mission_modes import live_parameters, load
from anydepth_ros.parameters import BY_NAME, LIVE, ParameterError, make_settings
from anydepth_ros.transport import shared_file

PACKAGED = 'config/mission_modes.yaml'
TWO = """\
look:            # with a comment
  description: Looks closely.
  depth: full-p2
  score_threshold: 1e-1
  max_detections: 300
rest:
  enabled: no
  classes: [on, 7, ball]
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / 'modes.yaml'
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path
    return write


def refusal(path):
    with pytest.raises(ParameterError) as caught:
        load(path)
    text = str(caught.value)
    assert '\n' not in text and len(text) < 1500
    assert text.startswith(f'mission modes: {path}, ')
    return text.removeprefix(f'mission modes: {path}, ')


def test_the_packaged_modes_are_valid_and_say_what_they_are_for():
    modes = load(shared_file(PACKAGED))
    assert list(modes) == ['patrol', 'search', 'inspect', 'charge-saver', 'emergency']
    for name, mode in modes.items():
        assert mode.name == name and mode.description.endswith('.')
        make_settings({**{each: BY_NAME[each].default for each in LIVE}, **mode.settings}, None)
    assert len({tuple(mode.settings) for mode in modes.values()}) == 1
    assert modes['charge-saver'].ros_name == 'charge_saver'


def test_each_mode_sets_what_any_of_them_names(file):
    modes = load(file(TWO))
    deciding = {name: BY_NAME[name].default for name in ('depth', *mission_modes.CHOOSING)}
    assert modes['look'].description == 'Looks closely.' and modes['rest'].description == ''
    assert dict(modes['look'].settings) == {
        **deciding, 'depth': 'full-p2', 'score_threshold': 0.1, 'max_detections': 300,
        'classes': [], 'enabled': True}
    assert dict(modes['rest'].settings) == {
        **deciding, 'score_threshold': 0.3, 'max_detections': 100,
        'classes': ['on', '7', 'ball'], 'enabled': False}
    with pytest.raises(TypeError):
        modes['look'].settings['depth'] = 'base'


def test_what_decides_the_depth_is_set_as_one(file):
    found = load(file('a: {target_fps: 10}\nb: {depth_floor: base+fpn}\nc: {nms_iou: 0.5}'))
    for mode in found.values():
        assert {'depth', 'nms_iou', *mission_modes.CHOOSING} == set(mode.settings)
    assert [mode.settings['target_fps'] for mode in found.values()] == [10.0, 0.0, 0.0]
    assert [mode.settings['depth'] for mode in found.values()] == ['auto', 'auto', 'full']


@pytest.mark.parametrize('limit', ['power_budget_w: 8.0', 'max_temperature_c: 80.0'])
def test_a_limit_of_power_or_temperature_lets_the_depth_be_chosen(file, limit):
    for others in ('b: {latency_budget_ms: 100.0}', 'b: {nms_iou: 0.5}'):
        low, other = load(file(f'a: {{{limit}}}\n{others}')).values()
        assert low.settings['depth'] == 'auto' and {'depth', *mission_modes.CHOOSING} <= set(
            low.settings) == set(other.settings)
    assert 'line 1: depth: with' in refusal(file(f'a: {{depth: base, {limit}}}'))


def test_every_live_parameter_can_be_set_by_a_mode(file):
    for name in live_parameters():
        text = yaml.safe_dump({'one': {name: BY_NAME[name].default}})
        assert load(file(text))['one'].settings[name] == BY_NAME[name].default


@pytest.mark.parametrize('text, complaint', [
    ('', '0 mission modes; valid: 1 to'),
    ('# nothing\n', '0 mission modes'),
    ('- a\n- b\n', 'line 1: the file must be a mapping of modes'),
    ('word', 'line 1: the file must be a mapping of modes'),
    ('one: 3\n', "line 1: mode 'one' must be a mapping of settings"),
    ('one:\n', "line 1: mode 'one' must be a mapping of settings"),
    ('one: {}\n? [a]\n: {}\n', 'line 2: the name of a mode must be one word'),
    ('one: {}\ntwo: {}\none: {}\n', "line 3: mode 'one' is there twice, first in line 1"),
    ('one:\n  depth: full\n  nms_iou: 1\n  depth: base\n',
     "line 4: setting 'depth' is there twice, first in line 2"),
    ('one:\n  depht: full\n', "line 2: unknown setting 'depht' (did you mean 'depth'?); valid"),
    ('one:\n  weights: scenes\n', 'line 2: a mode cannot set weights'),
    ('one:\n  mission_mode: two\n', 'line 2: a mode cannot set mission_mode'),
    ('one:\n  priority: 2\n', 'line 2: a mode cannot set priority'),
    ('one:\n  <<: {depth: full}\n', "line 2: unknown setting '<<'"),
    ('one:\n  depth: bsae\n', "line 2: depth: unknown depth 'bsae' (did you mean 'base'?)"),
    ('one:\n  enabled: true\n  depth: full-p9\n', 'line 3: depth: '),
    ('one:\n  depth: [full]\n', 'line 2: depth: must be a text'),
    ('one:\n  score_threshold: 1.5\n', 'line 2: score_threshold: 1.5 is not a number'),
    ('one:\n  score_threshold: .nan\n', 'line 2: score_threshold: nan is not a number'),
    ('one:\n  score_threshold: -.inf\n', 'line 2: score_threshold: -inf is not a number'),
    ('one:\n  score_threshold: {a: b}\n', 'line 2: score_threshold: must be a number'),
    ('one:\n  max_detections: 2.5\n', 'line 2: max_detections: 2.5 is not an integer'),
    ('one:\n  max_detections: 0\n', 'line 2: max_detections: 0 is not an integer'),
    ('one:\n  max_detections: 2026-99-99\n', 'line 2: max_detections: '),
    ('one:\n  enabled: perhaps\n', "line 2: enabled: 'perhaps' is not true or false"),
    ('one:\n  classes: {a: b}\n', 'line 2: classes: must be a list of texts'),
    ('one:\n  classes: [[a]]\n', 'line 2: nested too deeply'),
    ('one:\n  max_detections: !!python/object/apply:os.system [ls]\n', 'line 2: max_detections'),
    ('one:\n  score_threshold: !!python/name:os.system ""\n', 'line 2: score_threshold'),
    ('one:\n  description: [a]\n', 'line 2: description must be one line of text'),
    ('one:\n  description: "a\\nb"\n', 'line 2: description must be one line of text'),
    ('Two Words: {}\n', "line 1: a mode cannot be named 'Two Words'"),
    ('custom: {}\n', "line 1: a mode cannot be named 'custom'"),
    ('a: {}\non: {}\n', "line 2: a mode cannot be named 'on'"),
    ('"": {}\n', 'line 1: a mode cannot be named'),
    ('a-b: {}\na_b: {}\n', "line 2: mode 'a_b' and mode 'a-b' are the same name in ROS 2"),
    ('one:\n  depth: full\n bad\n', 'line 3: not YAML: '),
    ('one: {}\n---\ntwo: {}\n', 'line 2: not YAML: '),
    ('one: {}\n\ntwo: {depth: "\x00"}\n', 'line 3: not YAML: '),
    (b'one: \xff\xfe\n', 'is no UTF-8 text'),
    ('one: &a {}\ntwo: *a\n', 'line 2: aliases (*name) are not allowed'),
    ('one: {classes: ' + '[' * 30_000, 'line 1: nested too deeply'),
    ('one:\n  depth: ' + 'x' * 2000, 'line 2: a text of more than 1000 characters'),
    ('one:\n  max_detections: ' + '9' * 5000, 'line 2: a text of more than 1000 characters'),
    ('one: {depth: full}\n' * 5000, 'larger than 65536 bytes'),
    (''.join(f'm{i}: {{}}\n' for i in range(40)), 'holds 40 mission modes; valid: 1 to 32'),
])
def test_what_cannot_be_is_refused_with_its_line(file, text, complaint):
    assert complaint in refusal(file(text))


def test_a_small_file_that_would_grow_without_end_is_refused(file):
    lines = ['a0: &a0 {depth: full}']
    lines += [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 9)}]' for i in range(1, 12)]
    assert 'line 2: aliases' in refusal(file('\n'.join(lines)))


def test_settings_that_contradict_each_other_are_refused(file):
    assert 'line 3: ' in refusal(file(
        'one:\n  target_fps: 10.0\n  latency_budget_ms: 20.0\n  depth: auto\n'))
    assert "line 2: depth: with target_fps it can only be 'auto', not 'base'" in refusal(file(
        'one:\n  depth: base\n  target_fps: 10.0\n'))


def test_a_file_that_is_none(tmp_path):
    assert 'no such file' in refusal(tmp_path / 'missing.yaml')
    assert 'no such file' in refusal(tmp_path)
    os.mkfifo(tmp_path / 'pipe')
    assert 'no such file' in refusal(tmp_path / 'pipe')
    assert 'no such file' in refusal(Path('/dev/zero'))


words = st.sampled_from(['one', 'depth', 'classes', ':', ' ', '\n', '\n  ', '- ', '{', '}', '[',
                         ']', '&a', '*a', '!!set', '? ', '|', '"', '#', '1', '.nan', 'full', '%'])


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(words, max_size=30).map(''.join), st.text(max_size=60)))
def test_any_text_loads_or_is_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / 'any.yaml'
    path.write_text(text, encoding='utf-8', errors='surrogatepass')
    try:
        assert load(path)
    except ParameterError as error:
        assert str(path) in str(error) and '\n' not in str(error)
