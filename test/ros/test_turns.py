# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Images of several cameras in one pass of the network, where that pays."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

from harness import Camera, Peer, Process, wait_for
import numpy as np
import pytest

from anydepth_core.errors import ImageError
from anydepth_core.runtime.batching import Batching
from anydepth_ros.scheduler import Scheduler
from anydepth_ros.turns import Turns

BAD = -1


class Slots(Scheduler[int]):
    """A scheduler before cameras so quick that each slot is full again once it was emptied."""

    def take(self, timeout_s=None):
        letter = super().take(timeout_s)
        if letter is not None:
            self.of[letter.camera].put(letter.item)
        return letter


class Detector:
    """Counts the images of its passes; a bad image spoils the pass it is in."""

    def __init__(self, most):
        self.batching = Batching(most)
        self.passes: list[list[int]] = []

    def detect_batch(self, images, **_):
        self.passes.append(images)
        if BAD in images:
            raise ImageError('bad')
        return images


class Eye:
    """A camera whose images are numbers; those of equal depth may share a pass."""

    def __init__(self, detector, depth):
        self.detector, self.depth = detector, depth
        self.published, self.errors = [], []

    def shared(self, item):
        return self.depth

    def begin(self, letter):
        if letter.item is None:
            raise ImageError('no image')
        settings = SimpleNamespace(score_threshold=0.3, nms_iou=0.7, max_detections=9,
                                   class_indices=None)
        return SimpleNamespace(letter=letter, settings=settings, detector=self.detector,
                               pixels=letter.item, color='rgb',
                               choice=SimpleNamespace(depth=self.depth), key=self.depth)

    def finish(self, frame, detections, batch):
        assert detections == frame.letter.item
        self.published.append((detections, batch))

    def report(self, error):
        self.errors.append(str(error))


def turns_of(most, depths, items):
    """Put an item into the slot of each camera, take all turns, return passes and cameras."""
    detector, scheduler = Detector(most), Scheduler(lambda: 0.0)
    eyes = {str(n): Eye(detector, depth) for n, depth in enumerate(depths)}
    for name, item in zip(eyes, items):
        scheduler.slot(name).put(item)
    turns = Turns(scheduler, eyes)
    while letter := scheduler.take(0):
        turns.process(letter)
    return detector.passes, list(eyes.values())


@pytest.mark.parametrize(('most', 'depths', 'sizes'), [
    (1, ['base'] * 3, [1, 1, 1]), (2, ['base'] * 3, [1, 2]), (4, ['base'] * 3, [3]),
    (4, ['base', 'full', 'base'], [1, 2]), (4, ['base', 'full', 'full-p2'], [1, 1, 1]),
    (4, [None, None], [1, 1]),  # a policy chooses
])
def test_only_images_at_one_depth_share_a_pass(most, depths, sizes):
    items = list(range(len(depths)))
    passes, eyes = turns_of(most, depths, items)
    assert sorted(map(len, passes)) == sizes
    assert [eye.published[0][0] for eye in eyes] == items
    batches = {item: len(images) for images in passes for item in images}
    assert all(eye.published == [(item, batches[item])] for eye, item in zip(eyes, items))


def test_a_bad_image_does_not_take_those_of_other_cameras_with_it():
    passes, (good, bad, unread, fine) = turns_of(4, ['base'] * 4, [1, BAD, None, 2])
    assert passes[0] == [1, BAD, 2]
    assert good.published == [(1, 1)] and fine.published == [(2, 1)]
    assert (bad.errors, unread.errors, good.errors) == (['bad'], ['no image'], [])


def test_settings_that_change_as_a_turn_begins_are_not_those_of_the_pass():
    class Moving(Eye):
        def shared(self, item):
            return 'base'  # until its turn begins

    detector, scheduler = Detector(4), Scheduler(lambda: 0.0)
    eyes = {'a': Eye(detector, 'base'), 'b': Moving(detector, 'full'), 'c': Eye(detector, 'base')}
    for name in eyes:
        scheduler.slot(name).put(ord(name))
    Turns(scheduler, eyes).process(scheduler.take(0))
    assert detector.passes == [[ord('a'), ord('c')], [ord('b')]]
    assert [eye.published for eye in eyes.values()] == [[(97, 2)], [(98, 1)], [(99, 2)]]


def test_a_pass_that_memory_does_not_suffice_for_is_not_tried_again():
    class Short(Detector):
        def detect_batch(self, images, **options):
            if len(images) > 1:
                raise MemoryError
            return super().detect_batch(images, **options)

    detector, scheduler = Short(4), Scheduler(lambda: 0.0)
    eyes = {name: Eye(detector, 'base') for name in 'ab'}
    for name in eyes:
        scheduler.slot(name).put(1)
    Turns(scheduler, eyes).process(scheduler.take(0))
    assert detector.passes == [[1], [1]] and detector.batching.most == 1
    assert [(eye.published, eye.errors) for eye in eyes.values()] == [([(1, 1)], [])] * 2


def test_a_newer_image_of_the_same_camera_waits_for_the_next_turn():
    detector, scheduler = Detector(4), Slots(lambda: 0.0)
    eyes = {name: Eye(detector, 'base') for name in ('a', 'b')}
    scheduler.of = {name: scheduler.slot(name) for name in eyes}
    for slot in scheduler.of.values():
        slot.put(1)
    Turns(scheduler, eyes).process(scheduler.take(0))
    assert [eye.published for eye in eyes.values()] == [[(1, 2)], [(1, 2)]]


@pytest.fixture(scope='module')
def detector(environment: dict[str, str], tmp_path_factory, weights: Path):
    arguments = [word for name, value in {
        'cameras': '[front,left]', 'weights': weights, 'backend': 'torch', 'score_threshold': 0,
        'depth': 'base'}.items() for word in ('-p', f'{name}:={value}')]
    here = Path(__file__).parent
    process = Process('batching_node', {**environment}, tmp_path_factory.mktemp('node') / 'log',
                      '--ros-args', *arguments, paths=(here,))
    yield process
    process.kill()


@pytest.fixture(scope='module')
def cameras(detector: Process, peer: Peer) -> dict[str, Camera]:
    detector.wait_text('waiting for images on /left/image')
    return {name: Camera(peer, f'/detector/{name}', f'/{name}/image')
            for name in ('front', 'left')}


def batches(camera: Camera) -> set[str]:
    return {pair.value for message in list(camera.status) for pair in message.status[0].values
            if pair.key == 'batch'}


def publish_until(cameras: dict[str, Camera], condition) -> None:
    """Let all cameras send images at once, until something is so."""
    def met() -> bool:
        for camera in cameras.values():
            camera.publish(camera.image(48, 64))
        return condition()
    wait_for(met, 'condition')


def test_cameras_at_one_depth_share_passes_and_find_what_each_finds_alone(detector, cameras):
    assert 'up to 2 images of cameras at one depth in one pass' in detector.text
    alone = {name: camera.show(camera.image(48, 64))[0] for name, camera in cameras.items()}
    publish_until(cameras, lambda: all('2' in batches(camera) for camera in cameras.values()))
    for name, camera in cameras.items():
        headers = [message.header for message in list(camera.status)
                   if any((pair.key, pair.value) == ('batch', '2')
                          for pair in message.status[0].values)]
        found = wait_for(partial(of_headers, camera, headers), 'detections')
        scores = [[d.results[0].hypothesis.score for d in each.detections]
                  for each in (found[0], alone[name])]
        assert np.allclose(*scores, atol=1e-4)


def of_headers(camera: Camera, headers):
    return [message for message in list(camera.detections) if message.header in headers]


def test_cameras_at_different_depths_never_do(cameras, peer):
    assert peer.set('left.depth', 'full').successful
    for camera in cameras.values():
        camera.show(camera.image(48, 64))
        camera.status.clear()
    publish_until(cameras, lambda: min(len(camera.status) for camera in cameras.values()) > 30)
    for camera, depth in zip(cameras.values(), ('base', 'full')):
        assert batches(camera) == {'1'}
        assert {message.status[0].message for message in list(camera.status)} == {depth}
