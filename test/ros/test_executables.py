# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How the executables start and end: exit codes, one line for a user's error, nothing left."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys

from harness import ROOT, Camera, Process, wait_for
import pytest

from anydepth_ros.child import Child, ChildError


def test_sigint_twice_while_busy_ends_with_0_and_nothing_left(start, peer):
    process = start('detector_node', score_threshold=0)
    process.wait_text('active at depth full')
    camera = Camera(peer)
    for _ in range(20):
        camera.publish(camera.image(48, 64))
    memory = shared_memory(process.popen.pid) - shared_memory(os.getpid())
    assert memory
    assert process.stop(signal.SIGINT, times=2) == 0
    assert not [each for each in memory if each.exists()]
    assert not Path(f'/proc/{process.popen.pid}/task').exists()
    assert 'Traceback' not in process.text
    assert 'never retrieved' not in process.text
    wait_for(lambda: not peer.node.count_publishers('/detector/detections'), 'end of the topic')


def test_a_signal_that_another_thread_is_given_ends_the_wait(environment):
    program = """
import signal, sys, threading
from anydepth_ros.executable import Stop
stop = Stop()
stop.begin()
threading.Timer(0.5, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT)).start()
sys.exit(stop.wait())
"""
    done = subprocess.run([sys.executable, '-c', program], env=environment, timeout=20,
                          check=False)
    assert done.returncode == 0


def test_sigint_while_starting_ends_with_0(start):
    process = start('detector_node')
    process.wait_text('Fast DDS profile')
    assert process.stop(signal.SIGINT) == 0
    assert 'Traceback' not in process.text and 'ERROR' not in process.text


@pytest.mark.parametrize(('parameters', 'words'), [
    ({'weights': '/nowhere/x.safetensors'}, '/nowhere/x.safetensors'),
    ({'weights': __file__}, 'test_executables.py'),
    ({'device': 'cuda:99'}, 'cuda:99'),
    ({'input_size': '100x64'}, 'must be multiples of'),
    ({'input_size': 'wide'}, "size 'wide' is not WIDTHxHEIGHT"),
    ({'depth': 'banana'}, "unknown depth 'banana'"),
    ({'score_threshold': 7}, 'score_threshold: 7.0 is not a number such as 0.3, 0 to 1'),
], ids=lambda value: str(value)[:40] if isinstance(value, str) else '')
def test_what_the_user_can_mend_is_told_in_one_line_with_exit_code_2(start, parameters, words):
    process = start('detector_node', **parameters)
    assert process.wait() == 2
    assert 'Traceback' not in process.text
    told = [line for line in process.text.splitlines() if 'Fast DDS profile' not in line]
    assert len(told) == 1 and words in told[0], process.text


def test_a_python_package_that_rosdep_cannot_install_is_named(environment, weights, tmp_path):
    (tmp_path / 'safetensors.py').write_text(
        'raise ModuleNotFoundError("No module named safetensors", name="safetensors")')
    process = Process('anydepth_ros.detector_node', environment, tmp_path / 'log.txt',
                      '--ros-args', '-p', f'weights:={weights}', paths=[tmp_path])
    assert process.wait() == 2
    assert 'the Python package safetensors is missing' in process.text
    assert 'Traceback' not in process.text


def test_a_malformed_command_line_is_told_in_one_line(start):
    process = start('detector_node', '-p', 'depth=base')
    assert process.wait() == 2
    assert 'Traceback' not in process.text
    assert process.text.strip().splitlines()[-1].startswith('detector: error:')


@pytest.mark.parametrize(('parameters', 'words'), [
    ({'source': '/nowhere'}, "image source '/nowhere' does not exist"),
    ({'source': __file__}, 'no video that can be read'),
    ({'source': 'EMPTY'}, 'holds no image'),
    ({'source': '99'}, 'camera 99'),
    ({'encoding': 'mono8'}, "encoding: 'mono8'"),
    ({'rate_hz': -1}, 'rate_hz: -1.0'),
    ({'size': '12'}, "size '12' is not WIDTHxHEIGHT"),
], ids=lambda value: '')
def test_the_camera_tells_what_it_cannot_read(start, parameters, words, tmp_path):
    values = {name: tmp_path if value == 'EMPTY' else value for name, value in parameters.items()}
    process = start('demo_camera', **values)
    assert process.wait() == 2
    lines = process.text.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith('demo_camera: error:') and words in lines[0]


def test_a_child_ends_when_told_and_tells_its_last_words(environment, tmp_path):
    log = tmp_path / 'log.txt'
    child = Child('camera', 'anydepth_ros.demo_camera', ['--ros-args', '-p', 'size:=128x96'],
                  environment, log)
    wait_for(lambda: 'at 30 Hz' in log.read_text(), 'camera')
    child.require_alive()
    assert child.stop() == 0
    with pytest.raises(ChildError, match=r'exit code 0(.|\n)*at 30 Hz'):
        child.require_alive()


def test_a_child_ends_with_a_parent_that_was_killed(environment, tmp_path):
    log = tmp_path / 'log.txt'
    program = f"""
import os, pathlib, time
from anydepth_ros.child import Child
Child('camera', 'anydepth_ros.demo_camera', ['--ros-args', '-p', 'size:=128x96'], os.environ,
      pathlib.Path({str(log)!r}))
time.sleep(600)"""
    parent = subprocess.Popen([sys.executable, '-c', program],
                              env={**environment, 'PYTHONPATH': str(ROOT)})
    try:
        wait_for(lambda: log.exists() and 'at 30 Hz' in log.read_text(), 'camera')
        child, = [int(p.name) for p in Path('/proc').glob('[0-9]*') if _parent(p) == parent.pid]
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not Path(f'/proc/{child}').exists(), 'end of the child')


def shared_memory(process: int) -> set[Path]:
    """Return the files of the memory that the middleware of a process shares with others.

    Not those of ports, which a process that comes later may have taken over.
    """
    lines = Path(f'/proc/{process}/maps').read_text().splitlines()
    return {Path(path) for path in (line.split()[-1] for line in lines)
            if path.startswith('/dev/shm/fastdds_') and '_port' not in path}


def _parent(process: Path) -> int:
    try:
        return int((process / 'stat').read_text().rpartition(')')[2].split()[1])
    except (OSError, IndexError):
        return -1
