# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Other weights while some run: put in place between two frames, or refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
import os
from pathlib import Path
import random
import re
import resource
import signal
import time

from diagnostic_msgs.msg import DiagnosticArray
from harness import LATCHED, Camera, Peer, Process, values, wait_for
from profiled import write_profile
import pytest
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from safetensors.numpy import load_file, save_file
from stress import threads_and_memory
from vision_msgs.msg import LabelInfo

from anydepth_core.models.weights import ModelInfo, file_hash, save_weights
from anydepth_core.runtime.backends import installed

CUPS = ('ball', 'cup', 'box')
DOGS = ('dog', 'ball')
NODE = '/detector'


def make(path: Path, model: str, classes: Sequence[str], seed: int = 1) -> Path:
    import torch

    from anydepth_core.models.registry import create_model
    torch.manual_seed(seed)
    save_weights(path, create_model(model, num_classes=len(classes)),
                 ModelInfo(model=model, class_names=tuple(classes), input_size=(160, 160)))
    return path


@pytest.fixture(scope='module')
def files(tmp_path_factory, weights: Path) -> dict[str, Path]:
    """Return weights by name, and files that are none."""
    folder = tmp_path_factory.mktemp('files')
    found = {'first': weights,
             'dogs': make(folder / 'dogs.safetensors', 'anydepth-yolo-tiny', DOGS),
             'detr': make(folder / 'detr.safetensors', 'anydepth-detr-tiny', CUPS),
             'big': make(folder / 'big.safetensors', 'anydepth-yolo-n', CUPS)}
    found['cut'] = folder / 'cut.safetensors'
    found['cut'].write_bytes(found['dogs'].read_bytes()[:-1000])
    found['pickle'] = folder / 'pickle.pt'
    found['pickle'].write_bytes(b'PK\x03\x04' + bytes(1000))
    found['text'] = folder / 'text.onnx'
    found['text'].write_text('nothing')
    found['folder'], found['missing'] = folder, folder / 'missing.safetensors'
    found['odd'] = folder / 'odd.safetensors'
    tensors = load_file(found['dogs'])
    del tensors[next(iter(tensors))]
    save_file(tensors, found['odd'], metadata_of(found['dogs']))
    tensors = load_file(found['dogs'])
    name = next(name for name, each in tensors.items() if each.dtype.kind == 'f')
    tensors[name] = tensors[name] * float('nan')
    found['nan'] = folder / 'nan.safetensors'
    save_file(tensors, found['nan'], metadata_of(found['dogs']))
    return found


def metadata_of(path: Path) -> dict[str, str]:
    from safetensors import safe_open
    with safe_open(path, framework='np') as file:
        return file.metadata()


@pytest.fixture(scope='module')
def detector(start) -> Process:
    return start('detector_node', score_threshold=0, max_detections=20, device='cpu',
                 backend='torch')


@pytest.fixture(autouse=True)
def first_again(camera: Camera, peer: Peer, files) -> Iterator[None]:
    yield
    assert accepted(set_all(peer, depth='full', classes=[], weights=str(files['first'])))
    wait_runs(camera, files['first'])


def set_all(peer: Peer, **wanted):
    request = SetParametersAtomically.Request(parameters=[
        (Parameter(name, Parameter.Type.STRING_ARRAY, value) if isinstance(value, list)
         else Parameter(name, value=value)).to_parameter_msg() for name, value in wanted.items()])
    return peer.call(SetParametersAtomically, f'{NODE}/set_parameters_atomically', request).result


def accepted(result) -> bool:
    """Return whether a set was; where this machine has no memory left the test is skipped."""
    if 'are free on' in result.reason:
        pytest.skip(result.reason)
    return result.successful


def show(camera: Camera):
    return camera.show(camera.image(48, 64))


def runs(camera: Camera) -> str:
    return show(camera)[1]['weights']


def digits(path: Path) -> str:
    return file_hash(path)[:12]


def wait_runs(camera: Camera, path: Path) -> None:
    wait_for(lambda: runs(camera) == digits(path), f'frame of {path.name}')


def test_the_next_weights_run_between_two_frames_and_every_frame_is_of_one_model(
        camera, peer, files, detector):
    labels = peer.listen(LabelInfo, f'{NODE}/label_info', LATCHED)
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    first = len(camera.status)
    assert runs(camera) == digits(files['first'])
    assert accepted(peer.set('weights', str(files['dogs'])))
    assert peer.get('weights') == str(files['dogs'])
    wait_runs(camera, files['dogs'])
    ran = [values(m.status[0])['weights'] for m in camera.status[first:]]
    changes = sum(before != after for before, after in pairwise(ran))
    assert changes == 1 and set(ran) == {digits(files['first']), digits(files['dogs'])}
    assert values(camera.status[-1].status[0])['failed'] == '0'
    wait_for(lambda: [c.class_name for c in labels[-1].class_map] == list(DOGS), 'new labels')
    array, _ = show(camera)
    assert {d.results[0].hypothesis.class_id for d in array.detections} <= {'0', '1'}
    assert not peer.set('classes', ['cup']).successful and peer.set('classes', ['dog']).successful
    detector.wait_text(f'from the next image: anydepth-yolo-tiny from {files["dogs"]} on')
    wait_for(lambda: any(values(s).get('weights_sha256') == file_hash(files['dogs'])
                         for m in diagnostics for s in m.status), 'diagnostics of the new model')


@pytest.mark.parametrize(('name', 'words'), [
    ('missing', 'no weights'), ('folder', 'is a folder'), ('cut', 'truncated, damaged'),
    ('pickle', 'never executed'), ('text', 'no ONNX file'), ('odd', 'tensors are missing')])
def test_what_cannot_be_is_refused_with_the_reason_and_what_runs_stays(
        camera, peer, files, name, words):
    result = peer.set('weights', str(files[name]))
    assert not result.successful and words in result.reason
    assert peer.get('weights') == str(files['first'])
    assert runs(camera) == digits(files['first'])


@pytest.mark.parametrize('text', ['', '~nobody-here/x', 'x' * 300, 'x' * 5000, 'a\0b', '/root/x/y',
                                  '/dev/zero', '/dev/null', '..', 'scene', '\n', 7, True])
def test_no_text_ends_the_node(camera, peer, files, text):
    result = peer.set('weights', text)
    assert not result.successful and result.reason
    assert runs(camera) == digits(files['first'])


def test_parameters_that_do_not_suit_are_told_before_anything_is_loaded(camera, peer, files):
    assert peer.set('classes', ['cup']).successful
    result = peer.set('weights', str(files['dogs']))
    assert not result.successful and "has no class 'cup'" in result.reason
    assert accepted(set_all(peer, classes=['ball'], weights=str(files['dogs'])))
    wait_runs(camera, files['dogs'])
    assert accepted(set_all(peer, classes=[], weights=str(files['detr'])))
    wait_runs(camera, files['detr'])
    for name in ('depth', 'request_depth'):
        assert peer.set(name, 'base@2').successful
        result = peer.set('weights', str(files['dogs']))
        assert not result.successful and 'no decoder layers' in result.reason
        assert peer.set(name, 'full').successful
    assert runs(camera) == digits(files['detr'])


def test_weights_that_fail_while_they_are_loaded_are_told_and_the_parameter_is_put_back(
        camera, peer, files, detector):
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    assert accepted(peer.set('weights', str(files['nan'])))
    detector.wait_text(f'{files["nan"]} could not be loaded: ')
    wait_for(lambda: peer.get('weights') == str(files['first']), 'parameter put back')
    assert runs(camera) == digits(files['first'])
    assert 'not finite' in detector.text and f'{files["first"]} still runs' in detector.text

    def told() -> bool:
        models = [s for m in diagnostics for s in m.status if s.name == f'{NODE}: model']
        return bool(models) and 'could not be loaded' in models[-1].message
    wait_for(told, 'diagnostics of the failure')


def test_the_newest_of_several_wins_and_the_same_again_loads_nothing(
        camera, peer, files, detector):
    rng = random.Random(0)
    for _ in range(12):
        name = rng.choice(['first', 'dogs', 'detr', 'nan'])
        assert accepted(peer.set('weights', str(files[name])))
        time.sleep(rng.choice([0.0, 0.0, 0.5]))
    assert accepted(peer.set('weights', str(files['dogs'])))
    wait_runs(camera, files['dogs'])
    loads = detector.text.count('what runs goes on meanwhile')
    assert accepted(peer.set('weights', str(files['dogs'])))
    assert peer.set('depth', 'full').successful
    assert detector.text.count('what runs goes on meanwhile') == loads
    assert peer.get('weights') == str(files['dogs'])
    assert 'Traceback' not in detector.text


def test_a_file_that_was_written_anew_is_loaded_when_it_is_set_again(
        camera, peer, files, tmp_path):
    path = make(tmp_path / 'mine.safetensors', 'anydepth-yolo-tiny', DOGS, seed=5)
    assert accepted(peer.set('weights', str(path)))
    wait_runs(camera, path)
    before = digits(path)
    make(path, 'anydepth-yolo-tiny', DOGS, seed=6)
    assert digits(path) != before == runs(camera)
    assert accepted(peer.set('weights', str(path)))
    wait_runs(camera, path)


def test_without_a_profile_depth_auto_keeps_the_weights_that_have_one(start, peer, environment,
                                                                      files, tmp_path):
    profile = write_profile(tmp_path / 'p.json', files['first'])
    env = {**environment, 'XDG_CACHE_HOME': str(tmp_path)}
    modes = tmp_path / 'modes.yaml'
    modes.write_text('calm:\n  depth: base\nkeen:\n  latency_budget_ms: 500.0\n')
    process = start('detector_node', '-r', '__ns:=/auto', env=env, device='cpu', profile=profile,
                    latency_budget_ms=500, score_threshold=0, mission_modes_file=modes)
    node = '/auto/detector'
    peer.wait_active(node)
    camera = Camera(peer, node, '/auto/image')
    result = peer.set('weights', str(files['dogs']), node)
    assert not result.successful and 'there is no profile' in result.reason
    assert show(camera)[1]['why'].startswith('table: ')
    assert peer.set('depth', 'base', node).successful
    assert accepted(peer.set('weights', str(files['dogs']), node))
    wait_runs(camera, files['dogs'])
    result = peer.set('depth', 'auto', node)
    assert not result.successful and 'there is no profile' in result.reason
    assert peer.set('mission_mode', 'calm', node).successful
    assert not peer.set('mission_mode', 'keen', node).successful
    assert process.stop() == 0


def test_modes_that_no_longer_can_be_are_named(start, peer, files, tmp_path):
    modes = tmp_path / 'modes.yaml'
    modes.write_text('calm:\n  depth: base\nlayers:\n  depth: base@2\n')
    process = start('detector_node', '-r', '__ns:=/modes', weights=files['detr'],
                    mission_modes_file=modes, backend='torch')
    peer.wait_active('/modes/detector')
    assert accepted(peer.set('weights', str(files['dogs']), '/modes/detector'))
    process.wait_text('mission mode layers cannot be selected any more: ')
    assert 'mission mode calm' not in process.text
    assert process.stop() == 0


def test_memory_that_is_short_is_told_in_numbers_before_anything_is_loaded(start, peer, files):
    process = start('detector_node', '-r', '__ns:=/short', score_threshold=0, backend='torch')
    node = '/short/detector'
    peer.wait_active(node)
    camera = Camera(peer, node, '/short/image')
    size = int(re.search(r'VmSize:\s+(\d+)', Path(
        f'/proc/{process.popen.pid}/status').read_text())[1]) * 1024
    unlimited = resource.prlimit(process.popen.pid, resource.RLIMIT_AS)
    resource.prlimit(process.popen.pid, resource.RLIMIT_AS, (size + 2**27, unlimited[1]))
    result = peer.set('weights', str(files['big']), node)
    assert not result.successful
    assert re.search(r'may need \d+ MiB beside those that run, and \d+ MiB are free on cpu',
                     result.reason)
    assert peer.get('weights', node) == str(files['first'])
    assert runs(camera) == digits(files['first'])
    resource.prlimit(process.popen.pid, resource.RLIMIT_AS, unlimited)
    assert accepted(peer.set('weights', str(files['big']), node))
    wait_runs(camera, files['big'])
    assert process.stop() == 0


class TestWhileOthersAreLoaded:
    """With an empty cache, so that the graph is exported, which takes seconds."""

    @pytest.fixture
    def process(self, start, peer, environment, tmp_path, request) -> Process:
        if not {'onnxruntime', 'openvino'} & set(installed()):
            pytest.skip('loading takes no time worth testing')
        # Each has a name of its own: the services of the one before are still known for a while.
        self.space = f'/{request.node.name}'
        self.node = f'{self.space}/detector'
        process = start('detector_node', '-r', f'__ns:={self.space}', score_threshold=0,
                        env={**environment, 'XDG_CACHE_HOME': str(tmp_path)})
        peer.wait_active(self.node)
        return process

    @pytest.fixture
    def busy(self, process, peer) -> Camera:
        return Camera(peer, self.node, f'{self.space}/image')

    def begin(self, peer: Peer, path: Path) -> None:
        assert accepted(peer.set('weights', str(path), self.node))

    def test_frames_go_on_and_what_is_set_has_to_suit_both(
            self, process, busy, peer, files):
        self.begin(peer, files['dogs'])
        result = peer.set('classes', ['cup'], self.node)
        assert not result.successful and 'being loaded cannot run so' in result.reason
        assert peer.set('depth', 'base', self.node).successful
        seen = 0
        while runs(busy) == digits(files['first']):
            seen += 1
        assert seen > 3
        assert show(busy)[1]['depth'] == 'base'
        assert process.stop() == 0

    def test_deactivated_cleaned_up_and_configured_again_the_new_ones_run(
            self, process, busy, peer, files):
        self.begin(peer, files['dogs'])
        for label in ('deactivate', 'cleanup', 'configure', 'activate'):
            assert peer.change_state(label, self.node)
        again = Camera(peer, self.node, f'{self.space}/image')
        assert runs(again) == digits(files['dogs'])
        assert peer.get('weights', self.node) == str(files['dogs'])
        assert 'Traceback' not in process.text and process.stop() == 0

    def test_inactive_they_are_loaded_and_run_when_it_is_active(
            self, process, busy, peer, files):
        assert peer.change_state('deactivate', self.node)
        self.begin(peer, files['dogs'])
        process.wait_text('from the next image: ')
        assert peer.change_state('activate', self.node)
        assert runs(busy) == digits(files['dogs'])
        assert process.stop() == 0

    def test_told_to_end_it_ends(self, process, peer, files):
        self.begin(peer, files['big'])
        began = time.monotonic()
        assert process.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 30
        assert 'Traceback' not in process.text


def test_unconfigured_they_are_checked_and_loaded_by_configure(start, peer, files):
    process = start('detector_node', '-r', '__ns:=/late', autostart='false', score_threshold=0,
                    backend='torch')
    node = '/late/detector'
    process.wait_text('unconfigured; waiting')
    result = peer.set('weights', str(files['cut']), node)
    assert not result.successful and 'truncated' in result.reason
    assert accepted(peer.set('weights', str(files['dogs']), node))
    for label in ('configure', 'activate'):
        assert peer.change_state(label, node)
    assert runs(Camera(peer, node, '/late/image')) == digits(files['dogs'])
    assert process.stop() == 0


def test_set_while_the_node_is_being_configured_they_run_in_the_end(start, peer, files):
    process = start('detector_node', '-r', '__ns:=/hasty', score_threshold=0, backend='torch')
    node = '/hasty/detector'
    wait_for(lambda: peer.node.count_publishers(f'{node}/transition_event'), 'node')
    assert peer.set('weights', str(files['dogs']), node).successful
    peer.wait_active(node)
    wait_runs(Camera(peer, node, '/hasty/image'), files['dogs'])
    assert peer.get('weights', node) == str(files['dogs'])
    assert process.stop() == 0


def test_each_of_several_cameras_runs_the_new_ones_and_counts_in_what_suits(start, peer, files):
    process = start('detector_node', '-r', '__ns:=/two', cameras='[front, left]',
                    score_threshold=0, backend='torch', **{'left.classes': '[cup]'})
    node = '/two/detector'
    peer.wait_active(node)
    cameras = [Camera(peer, f'{node}/{name}', f'/two/{name}/image') for name in ('front', 'left')]
    result = peer.set('weights', str(files['dogs']), node)
    assert not result.successful and "has no class 'cup'" in result.reason
    assert peer.set('left.classes', ['ball'], node).successful
    assert accepted(peer.set('weights', str(files['dogs']), node))
    for camera in cameras:
        wait_runs(camera, files['dogs'])
    array, _ = show(cameras[1])
    assert {d.results[0].hypothesis.class_id for d in array.detections} == {'1'}
    assert process.stop() == 0


@pytest.mark.parametrize('backend', [name for name in installed() if name != 'onnxruntime'])
def test_after_many_changes_threads_and_memory_are_those_of_before(start, peer, files, backend):
    node = f'/{backend}/detector'
    process = start('detector_node', '-r', f'__ns:=/{backend}', score_threshold=0, device='cpu',
                    backend=backend)
    peer.wait_active(node)
    camera, taken = Camera(peer, node, f'/{backend}/image'), []
    for index in range(12):
        path = files['dogs' if index % 2 else 'detr']
        assert accepted(peer.set('weights', str(path), node))
        wait_runs(camera, path)
        taken.append(threads_and_memory(process))
    print(backend, taken, os.cpu_count())
    assert max(threads for threads, _ in taken[6:]) <= max(threads for threads, _ in taken[:6])
    assert max(mib for _, mib in taken[6:]) < max(mib for _, mib in taken[:6]) + 50
    assert process.stop() == 0
