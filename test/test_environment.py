# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The set-up code: what it refuses and with which words, and what it trusts after a kill."""

from __future__ import annotations

import fcntl
import importlib
import os
from pathlib import Path
import shutil
import sys
import sysconfig
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / 'config' / 'environment'


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module('machine')


@pytest.fixture
def enter(machine: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The module over a checkout of its own, in which steps only leave a line in `built`."""
    module = importlib.import_module('enter')
    shutil.copytree(FOLDER, tmp_path / 'config' / 'environment')
    for name in ('package.xml', 'setup.cfg', 'setup.py'):
        shutil.copy(FOLDER.parents[1] / name, tmp_path)
    venv = tmp_path / '.venv'
    places = {'ROOT': tmp_path, 'HERE': tmp_path / 'config' / 'environment', 'VENV': venv,
              'PYTHON': venv / 'python', 'STEPS': venv / 'steps.json', 'built': []}
    for name, value in places.items():
        monkeypatch.setattr(module, name, value, raising=False)

    def step(name: str) -> None:
        def make(builder: object) -> None:
            venv.mkdir(exist_ok=True)
            (venv / 'python').touch()
            module.built.append(name)
        monkeypatch.setattr(module.Builder, name, make)

    for name in module.plan(None):
        step(name)
    return module


def test_second_run_makes_nothing(enter: ModuleType) -> None:
    enter.ensure(None)
    assert enter.built == ['foundation', 'packages', 'vision_msgs', 'project', 'check']
    enter.ensure(None)
    assert len(enter.built) == 5


@pytest.mark.parametrize(('killed', 'again'), [
    ('packages', ['foundation', 'packages', 'vision_msgs', 'project', 'check']),
    ('vision_msgs', ['vision_msgs', 'project', 'check']),
    ('check', ['check']),
])
def test_killed_step_is_not_trusted(enter: ModuleType, monkeypatch: pytest.MonkeyPatch,
                                    killed: str, again: list[str]) -> None:
    with monkeypatch.context() as patch:
        def kill(builder: object) -> None:
            raise KeyboardInterrupt
        patch.setattr(enter.Builder, killed, kill)
        with pytest.raises(KeyboardInterrupt):
            enter.ensure(None)
    enter.built.clear()
    enter.ensure(None)
    assert enter.built == again


@pytest.mark.parametrize(('changed', 'again'), [
    ('requirements-run.txt', ['packages', 'vision_msgs', 'project', 'check']),
    ('vision_msgs/msg/Pose2D.msg', ['vision_msgs', 'check']),
    ('../../setup.py', ['project', 'check']),
])
def test_change_remakes_what_rests_on_it(enter: ModuleType, changed: str,
                                         again: list[str]) -> None:
    enter.ensure(None)
    enter.built.clear()
    with (enter.HERE / changed).open('a') as file:
        file.write('# changed\n')
    enter.ensure(None)
    assert enter.built == again


@pytest.mark.parametrize('record', ['', '[]', '{"foundation": "'])
def test_broken_record_means_from_scratch(enter: ModuleType, record: str) -> None:
    enter.ensure(None)
    enter.built.clear()
    enter.STEPS.write_text(record)
    enter.ensure(None)
    assert enter.built[0] == 'foundation'


def test_second_set_up_waits_for_the_first(enter: ModuleType,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    held = os.open(enter.ROOT, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        fcntl.flock(held, fcntl.LOCK_UN)

    monkeypatch.setattr(enter, 'say', say)
    enter.ensure(None)
    assert said == ['waiting for another set-up of this checkout to end']
    assert enter.built[-1] == 'check'
    os.close(held)


def test_processes_stay_on_this_machine(enter: ModuleType,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('ROS_STATIC_PEERS', 'PYTHONPATH', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, 'elsewhere')
    variables = enter.environment(None)
    assert variables['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert not {'ROS_STATIC_PEERS', 'PYTHONPATH'} & variables.keys()


def test_missing_tools_are_named_in_one_line(machine: ModuleType, monkeypatch: pytest.MonkeyPatch,
                                             tmp_path: Path) -> None:
    python = 'python{}.{}'.format(*sys.version_info)
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setattr(sysconfig, 'get_path', lambda name: str(tmp_path))
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(machine.SetUpError) as error:
        machine.check_tools(compiler=True)
    line = f'sudo apt-get install {python}-venv g++ {python}-dev'
    assert str(error.value).endswith(line)


@pytest.mark.parametrize('version', [(3, 9, 2), (3, 15, 0)])
def test_unfit_python_is_refused(machine: ModuleType, monkeypatch: pytest.MonkeyPatch,
                                 version: tuple[int, ...]) -> None:
    monkeypatch.setattr(sys, 'version_info', version)
    with pytest.raises(machine.SetUpError, match=r'too (old|new): 3\.10 to'):
        machine.check_python()


def test_other_processor_is_sent_to_a_distribution(machine: ModuleType,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('platform.machine', lambda: 'aarch64')
    with pytest.raises(machine.SetUpError, match=r'aarch64.*source its setup\.bash'):
        machine.check_platform()


@pytest.mark.parametrize(('distro', 'message'), [
    ('humble', 'Jazzy or newer'),
    ('jazzy', 'cannot import its rclpy'),
])
def test_unusable_distribution_is_refused(machine: ModuleType, monkeypatch: pytest.MonkeyPatch,
                                          distro: str, message: str) -> None:
    monkeypatch.setenv('ROS_DISTRO', distro)
    monkeypatch.setenv('ROS_VERSION', '2')
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(machine.SetUpError, match=message):
        machine.sourced_ros()


def test_full_disk_is_told_before_the_download(machine: ModuleType,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(9, 8, 1))
    with pytest.raises(machine.SetUpError, match=r'0\.0 GB free .* needs 10\.5 GB'):
        machine.check_disk(FOLDER, 'CUDA')
