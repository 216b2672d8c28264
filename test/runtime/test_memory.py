# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a second network takes is not more than was estimated; what is free is what limits say."""

from __future__ import annotations

import gc
import os
from pathlib import Path
import resource
import subprocess
import sys
import weakref

import pytest
import torch

from anydepth_core.errors import WeightsError
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import ModelInfo, file_hash, save_weights
from anydepth_core.runtime import memory
from anydepth_core.runtime.backends import installed
from anydepth_core.runtime.network import read_header

# Prints by how many bytes a process grows at most while it loads and runs a second network.
PROGRAM = """
import gc, pathlib, re, sys
from anydepth_core.runtime.detector import Detector
def read(key):
    text = pathlib.Path('/proc/self/status').read_text()
    return 1024 * int(re.search(key + r':\\s*(\\d+)', text)[1])
small, large, backend = sys.argv[1:]
Detector.open(small, backend=backend, device='cpu').warm_up()
gc.collect()
pathlib.Path('/proc/self/clear_refs').write_text('5')
before = read('VmRSS')
Detector.open(large, backend=backend, device='cpu').warm_up()
print(read('VmHWM') - before)
"""


def make(path: Path, name: str, size: int) -> Path:
    torch.manual_seed(0)
    save_weights(path, create_model(name, 3), ModelInfo(
        model=name, class_names=('a', 'b', 'c'), input_size=(size, size)))
    return path


def test_the_header_tells_what_loading_would(tmp_path):
    path = make(tmp_path / 'w.safetensors', 'anydepth-yolo-pico', 64)
    header = read_header(path)
    assert header.weights_hash == file_hash(path) and header.info.class_names == ('a', 'b', 'c')
    assert header.weights_bytes == pytest.approx(path.stat().st_size, rel=0.2)
    with pytest.raises(WeightsError):
        read_header(tmp_path)


def test_more_weights_and_larger_images_need_more(tmp_path):
    small, large, wide = (read_header(make(tmp_path / f'{index}.safetensors', *each)) for
                          index, each in enumerate([('anydepth-yolo-pico', 640),
                                                    ('anydepth-yolo-n', 640),
                                                    ('anydepth-yolo-n', 1280)]))
    for backend in ('torch', 'openvino'):
        needs = [memory.needed_bytes(each, backend) for each in (small, large, wide)]
        assert needs == sorted(needs) and len(set(needs)) == 3
    assert memory.needed_bytes(large, 'torch') < memory.needed_bytes(large, 'openvino')


def test_the_tightest_limit_counts(tmp_path, monkeypatch):
    free = memory.free_bytes('cpu')
    assert free is not None and 0 < free < 2**50
    monkeypatch.setattr(memory, 'CGROUP', tmp_path)
    for name, text in (('max', '1000'), ('current', '900'), ('stat', 'file 7\ninactive_file 50')):
        (tmp_path / f'memory.{name}').write_text(text)
    assert memory.free_bytes('cpu') == 150
    (tmp_path / 'memory.max').write_text('max')
    assert memory.free_bytes('cpu') > 150
    monkeypatch.setattr(resource, 'getrlimit', lambda _: (0, 0))
    assert memory.free_bytes('cpu') == 0


def test_what_is_there_is_looked_through_once_and_what_becomes_of_no_use_is_freed_the_next_time():
    class Ring:
        def __init__(self) -> None:
            self.own = self
    ring = Ring()
    gone = weakref.ref(ring)
    try:
        memory.give_back()
        assert gc.get_freeze_count() > 10_000
        del ring
        gc.collect()
        assert gone() is not None  # no collection looks at it
        memory.give_back()
        assert gone() is None
    finally:
        gc.unfreeze()


@pytest.mark.slow
@pytest.mark.parametrize('backend', installed())
def test_loading_takes_no_more_than_was_estimated(backend, tmp_path):
    """With an empty cache, so that a graph is exported, which takes the most."""
    if not os.access('/proc/self/clear_refs', os.W_OK):
        pytest.skip('the height of memory cannot be read here')
    small = make(tmp_path / 'small.safetensors', 'anydepth-yolo-pico', 64)
    large = make(tmp_path / 'large.safetensors', 'anydepth-yolo-s', 640)
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, small, large, backend], text=True, capture_output=True,
        check=True, env={**os.environ, 'XDG_CACHE_HOME': str(tmp_path), 'OMP_NUM_THREADS': '1',
                         'PYTHONPATH': str(Path(__file__).parents[2])})
    taken = int(done.stdout)
    print(f'{backend}: {taken / 2**20:.0f} MiB')
    assert taken < memory.needed_bytes(read_header(large), backend)
