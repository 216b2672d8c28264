# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The backends that run ONNX files: equal to PyTorch, from weights or from a file, cached."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import functools
import logging
import os
from pathlib import Path
import subprocess
import sys
import time

import numpy as np
import pytest

from anydepth_core.errors import BackendError, WeightsError
from anydepth_core.runtime.backends import BACKENDS, installed, open_backend
from anydepth_core.runtime.cores import thread_count
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.network import cache_folder, open_network

pytest.importorskip('onnx', reason='the package onnx is not installed')

from anydepth_core.runtime.export import graph

IMAGES = [np.kron(np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8),
                  np.ones((11, 12, 1), np.uint8)) for seed in range(3)]
LOW = {'score_threshold': 0.0, 'nms_iou': 0.5, 'max_detections': 20}
DEPTHS = ('full', 'base', 'full-p4-pan', 'base+p2+fpn4')


@pytest.fixture(scope='module', autouse=True)
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp('cache')
    before = os.environ.get('XDG_CACHE_HOME')
    os.environ['XDG_CACHE_HOME'] = str(folder)
    yield folder / 'anydepth'
    os.environ.pop('XDG_CACHE_HOME')
    os.environ.update({} if before is None else {'XDG_CACHE_HOME': before})


@pytest.fixture(scope='module', params=['onnxruntime', 'openvino'])
def other(request, weights_file):
    pytest.importorskip(request.param, reason=f'the package {request.param} is not installed')
    return Detector.open(weights_file, backend=request.param, device='cpu')


def assert_same(one, other):
    assert one.depth == other.depth and np.array_equal(one.labels, other.labels)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
    np.testing.assert_allclose(one.boxes, other.boxes, atol=2e-2)


@pytest.mark.parametrize('depth', DEPTHS)
def test_detects_what_pytorch_detects(detector, other, depth):
    depths = [depth] if detector.depths.decoder_layers is None else [depth, f'{depth}@1']
    for each in depths:
        for image in IMAGES:
            assert_same(detector.detect(image, depth=each, **LOW),
                        other.detect(image, depth=each, **LOW))
    assert other.weights_hash == detector.weights_hash and other.device == 'cpu'


def test_a_batch_and_threads(detector, other):
    together = other.detect_batch(IMAGES, depth='base', **LOW)
    for image, found in zip(IMAGES, together, strict=True):
        assert_same(found, detector.detect(image, depth='base', **LOW))
    jobs = [(IMAGES[n % 3], DEPTHS[n % 4]) for n in range(24)]
    alone = [other.detect(image, depth=depth, **LOW) for image, depth in jobs]
    with ThreadPoolExecutor(4) as pool:
        for one, two in zip(alone, pool.map(
                lambda job: other.detect(job[0], depth=job[1], **LOW), jobs), strict=True):
            assert_same(one, two)


def test_results_are_not_overwritten_by_the_next_frame(other, weights_file):
    network = open_network(weights_file)
    backend = open_backend(other.backend, network, device='cpu', precision='fp32')
    pixels = np.random.default_rng(0).integers(0, 256, (2, 1, 96, 128, 3), np.uint8)
    first = backend.run(backend.upload(pixels[0]), network.depths.full)
    kept = first.logits.clone()
    backend.run(backend.upload(pixels[1]), network.depths.base)
    assert (first.logits == kept).all()


def test_from_a_file(other, weights_file, cache):
    source = next(path for path in cache.glob('*.onnx') if weights_file.stem in path.name)
    alone = Detector.open(source, backend=other.backend)
    assert alone.weights_hash == other.weights_hash and alone.info == other.info
    assert_same(alone.detect(IMAGES[0], **LOW), other.detect(IMAGES[0], **LOW))
    assert Detector.open(source).backend in ('onnxruntime', 'openvino')
    with pytest.raises(BackendError, match=r'runs weights \(.safetensors\)'):
        Detector.open(source, backend='torch')


@pytest.mark.parametrize('place', [0, -1])
def test_a_graph_that_the_runtime_refuses(other, weights_file, tmp_path, place):
    onnx = pytest.importorskip('onnx')
    whole = open_network(weights_file).onnx
    strange = onnx.ModelProto.FromString(whole.SerializeToString())
    strange.graph.node[place].op_type = 'Frob\x1b[2J\nnicate'
    path = tmp_path / 'strange.onnx'
    path.write_bytes(strange.SerializeToString())
    with pytest.raises(WeightsError, match=r'cannot load the network .*Frob') as caught:
        Detector.open(path, backend=other.backend, device='cpu')
    assert str(caught.value).isprintable()


def test_cache(other, weights_file, cache, monkeypatch, caplog):
    assert cache == cache_folder()
    path, = cache.glob(f'{weights_file.stem}-*.onnx')
    real = graph.any_depth_graph
    monkeypatch.setattr(graph, 'any_depth_graph', lambda *_: pytest.fail('exported again'))
    assert open_network(weights_file).onnx.graph.node
    monkeypatch.setattr(graph, 'any_depth_graph', real)
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    with caplog.at_level(logging.WARNING):
        assert open_network(weights_file).onnx.graph.node
    assert 'made anew' in caplog.text and path.read_bytes() == whole
    assert not list(cache.glob('.*'))


def test_a_cache_that_cannot_be_written(weights_file, tmp_path, monkeypatch, caplog):
    pytest.importorskip('onnxruntime', reason='the package onnxruntime is not installed')
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with caplog.at_level(logging.WARNING):
        assert open_network(weights_file).onnx.graph.node
    assert 'the next start exports again' in caplog.text


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_leaves_no_files(weights_file, tmp_path, monkeypatch, backend):
    pytest.importorskip(backend, reason=f'the package {backend} is not installed')
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    found = Detector.open(weights_file, backend=backend, device='cpu')
    assert not list(tmp_path.iterdir())
    assert found.detect(IMAGES[0], **LOW).depth == 'full'


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_without_a_folder_for_files(weights_file, tmp_path, monkeypatch, caplog, backend):
    pytest.importorskip(backend, reason=f'the package {backend} is not installed')
    expected = Detector.open(weights_file, backend=backend, device='cpu')

    def nowhere(*_, **__):
        raise FileNotFoundError(2, 'No usable temporary directory found')

    def disk_full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('tempfile.tempdir', None)
    for place, failing in (('tempfile._get_default_tempdir', nowhere), (None, disk_full)):
        caplog.clear()
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            if place:
                patch.setattr(place, failing)
            else:
                patch.setattr('tempfile.tempdir', str(tmp_path))
                patch.setattr(Path, 'write_bytes', failing)  # the weights are written by then
            found = Detector.open(weights_file, backend=backend, device='cpu')
        assert ['name another folder with TMPDIR' in each for each in caplog.messages] == [True]
        assert not list(tmp_path.iterdir())
        for depth in DEPTHS:
            assert_same(found.detect(IMAGES[0], depth=depth, **LOW),
                        expected.detect(IMAGES[0], depth=depth, **LOW))


def test_threads_share_one_openvino(monkeypatch):
    openvino = pytest.importorskip('openvino', reason='the package openvino is not installed')
    from anydepth_core.runtime.backends import openvino_backend

    def slow():
        time.sleep(0.05)
        return object()

    monkeypatch.setattr(openvino, 'Core', slow)
    monkeypatch.setattr(openvino_backend, '_core', functools.cache(
        openvino_backend._core.__wrapped__))
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: openvino_backend.core(), range(4)))) == 1


def test_a_signal_after_two_openvinos_have_gone(weights_file, cache):
    """Signals of Python run on a stack of its own, which OpenVINO exchanges."""
    pytest.importorskip('openvino', reason='the package openvino is not installed')
    assert open_network(weights_file).onnx.graph.node
    source, = cache.glob(f'{weights_file.stem}-*.onnx')
    code = f"""
import faulthandler, os, signal
faulthandler.enable()
signal.signal(signal.SIGUSR1, lambda *_: print('handled'))
from anydepth_core.runtime.detector import Detector
one, two = (Detector.open({str(source)!r}, backend='openvino', device='cpu') for _ in range(2))
del one
del two
os.kill(os.getpid(), signal.SIGUSR1)
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=Path(__file__).parents[2], check=False,
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, 'handled\n'), done.stderr


def test_auto_is_the_quickest_that_is_here(weights_file):
    assert Detector.open(weights_file, device='cpu').backend == installed()[0]


def test_bf16_is_for_openvino_where_the_processor_has_it(weights_file):
    pytest.importorskip('openvino', reason='the package openvino is not installed')
    from anydepth_core.runtime.backends.openvino_backend import precisions

    found = Detector.open(weights_file, device='cpu', precision='bf16')
    assert found.backend == ('openvino' if 'bf16' in precisions('CPU') else 'torch')
    best = found.detect(IMAGES[0], **LOW).scores[0]
    exact = Detector.open(weights_file, backend='torch', device='cpu').detect(IMAGES[0], **LOW)
    assert best == pytest.approx(exact.scores[0], rel=0.1)


@pytest.mark.parametrize('precision, kind', [('fp32', 'f32'), ('bf16', 'bf16')])
def test_openvino_computes_in_what_was_asked_for(weights_file, precision, kind):
    """By itself it computes in bf16 on processors that have it."""
    pytest.importorskip('openvino', reason='the package openvino is not installed')
    from anydepth_core.runtime.backends.openvino_backend import OpenVinoBackend, precisions

    if precision not in precisions('CPU'):
        pytest.skip(f'this processor does not compute in {precision}')
    backend = OpenVinoBackend(open_network(weights_file), device='cpu', precision=precision)
    hint = backend._request.get_compiled_model().get_property('INFERENCE_PRECISION_HINT')
    assert hint.get_type_name() == kind


@pytest.mark.parametrize('settings, message', [
    ({'device': 'cuda:7'}, "'cuda:7' is not available"),
    ({'device': 'gpu7'}, 'gpu7'),
    ({'precision': 'fp61'}, "'fp61'"),
])
def test_what_is_not_here_is_an_error(other, weights_file, settings, message):
    with pytest.raises(BackendError) as caught:
        Detector.open(weights_file, backend=other.backend, **settings)
    assert message in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize('name', ['onnxruntime', 'openvino'])
def test_a_missing_package_names_the_extra(weights_file, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, BACKENDS[name].module, raising=False)
    with pytest.raises(BackendError, match=rf'pip install .anydepth_ros\[{name}\]'):
        Detector.open(weights_file, backend=name)


def test_thread_count(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    assert thread_count() == 3
    for text in ('', '0', 'many'):
        monkeypatch.setenv('OMP_NUM_THREADS', text)
        assert thread_count() == len(os.sched_getaffinity(0))
