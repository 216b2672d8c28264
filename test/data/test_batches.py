# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Batches are the same whatever makes them: workers, ranks, a cache, or a run that was resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any

from drawn_sets import DrawnImages, write_coco_split
import numpy as np
import pytest
import torch

from anydepth_core.data.batches import Batch, training_batches, validation_batches
from anydepth_core.data.coco import read_coco
from anydepth_core.data.dataset import DetectionDataset, Objects, Sample, SceneImages
from anydepth_core.data.options import Augmentation
from anydepth_core.data.picture_cache import PictureCache
from anydepth_core.data.records import RecordedImages
from anydepth_core.errors import DataError, ImageError
from anydepth_core.runtime.preprocess import place

ROOT = Path(__file__).resolve().parents[2]

IMAGES = DrawnImages(1, 10)
INPUT = (64, 96)
EVERYTHING = Augmentation(mosaic=0.5, copy_paste=0.5, zoom_out=0.3, iou_crop=0.3, affine=0.7,
                          degrees=10, mixup=0.3, photometric=0.3, hsv=0.5, flip=0.5)


def training(images: DetectionDataset = IMAGES, options: Augmentation = EVERYTHING, *,
             first: int = 0, last: int = 24, batch: int = 4, workers: int = 0, seed: int = 5,
             **others: Any) -> list[Batch]:
    return list(training_batches(images, options, input_size=INPUT, resize='letterbox',
                                 batch=batch, workers=workers, seed=seed, first=first, last=last,
                                 **others))


def together(batches: Iterable[Batch],
             ) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, str]]:
    """Return the images of several batches one by one."""
    return [(image, target.boxes, target.labels, name) for batch in batches
            for image, target, name in zip(batch.images, batch.targets, batch.ids)]


def require_same(one: Iterable[Batch], other: Iterable[Batch]) -> None:
    first, second = together(one), together(other)
    assert len(first) == len(second) > 0
    for (*tensors, name), (*other_tensors, other_name) in zip(first, second):
        assert name == other_name
        assert all(map(torch.equal, tensors, other_tensors))


def test_images_and_targets_are_what_a_network_takes() -> None:
    batch = training()[0]
    assert batch.images.shape == (4, 3, *INPUT) and batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert len(batch.targets) == len(batch.ids) == 4
    assert not batch.truth and not batch.placements
    for target in batch.targets:
        assert target.boxes.dtype == torch.float32 and target.labels.dtype == torch.int64
        assert target.boxes.shape == (len(target.labels), 4)


@pytest.mark.parametrize('workers', [1, 2])
def test_workers_make_no_difference(workers: int) -> None:
    require_same(training(), training(workers=workers))


def test_a_resumed_run_goes_on_as_if_never_stopped() -> None:
    require_same(training()[3:], training(first=12, workers=1))


def test_ranks_share_each_batch() -> None:
    whole = training()
    parts = [training(rank=rank, world=2) for rank in (0, 1)]
    for number, batch in enumerate(whole):
        require_same([batch], [parts[0][number], parts[1][number]])


def test_the_seed_decides() -> None:
    one, other = together(training()), together(training(seed=6))
    assert [name for *_, name in one] != [name for *_, name in other]
    assert not torch.equal(one[0][0], other[0][0])


def test_each_epoch_shows_each_image_once_in_a_new_order() -> None:
    names = [name for *_, name in together(training(last=40))]
    epochs = [names[start:start + 10] for start in range(0, 40, 10)]
    assert all(sorted(epoch) == sorted(each.id for each in IMAGES.samples) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_what_is_random_is_drawn_anew_for_each_sample() -> None:
    shown: dict[str, list[bytes]] = {}
    for image, *_, name in together(training(options=Augmentation(affine=1), last=40)):
        shown.setdefault(name, []).append(image.numpy().tobytes())
    assert all(len(set(images)) == 4 for images in shown.values())


def test_endless_scenes_come_in_order_and_never_twice() -> None:
    scenes = SceneImages(1_000_000, 0, [(96, 96)])
    names = [name for *_, name in together(training(scenes, Augmentation(), first=4, last=12))]
    assert names == [f'scene {1_000_000 + number}' for number in range(4, 12)]
    assert training(scenes, Augmentation(mosaic=1), last=4)[0].images.shape == (4, 3, *INPUT)


def test_a_fixed_number_of_scenes_is_shown_again_and_again() -> None:
    names = [name for *_, name in together(training(SceneImages(7, 4, [(96, 96)]), last=12))]
    assert sorted(names) == sorted([f'scene {seed}' for seed in range(7, 11)] * 3)


def test_mosaics_end_where_told() -> None:
    options = Augmentation(mosaic=1, mixup=1, copy_paste=1)
    whole, plain = training(options=options, plain_from=8), training(options=Augmentation())
    require_same(whole[2:], plain[2:])
    require_same(whole[:2], training(options=options)[:2])
    assert not torch.equal(whole[1].images, plain[1].images)


@pytest.mark.parametrize(('last', 'batch', 'world'), [(10, 4, 1), (8, 4, 3)])
def test_batches_that_do_not_divide_are_refused(last: int, batch: int, world: int) -> None:
    with pytest.raises(ValueError, match='do not divide'):
        training(last=last, batch=batch, world=world)


@pytest.mark.parametrize('workers', [0, 2])
def test_random_numbers_of_the_run_are_left_alone(workers: int) -> None:
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    training(workers=workers)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # type: ignore[index]


def test_validation_shows_every_image_as_the_detector_sees_it() -> None:
    crowded = Objects(np.array([[1, 2, 30, 20], [5, 5, 60, 40]], np.float32), np.array([2, 0]),
                      np.array([False, True]), np.array([500, 900], np.float32))

    class Crowded(DrawnImages):
        def load(self, index: int) -> Sample:
            sample = super().load(index)
            return sample._replace(objects=crowded) if index == 1 else sample

    images = Crowded(1, 10)
    batches = list(validation_batches(images, input_size=INPUT, resize='letterbox', batch=4,
                                      workers=1))
    assert [len(batch.ids) for batch in batches] == [4, 4, 2]
    assert [name for *_, name in together(batches)] == [each.id for each in images.samples]
    first = batches[0]
    assert first.truth[1].crowd.tolist() == [False, True]
    assert first.targets[1].labels.tolist() == [2], 'a crowd is no target'
    for index in range(4):
        sample = images.load(index)
        height, width = sample.image.shape[:2]
        assert first.placements[index] == place((height, width), INPUT, 'letterbox')
        np.testing.assert_array_equal(first.truth[index].boxes, sample.objects.boxes)
        back = first.placements[index].to_image(first.targets[index].boxes.numpy())
        np.testing.assert_allclose(back, sample.objects.boxes[~first.truth[index].crowd],
                                   atol=1e-3)


class Troubled(DrawnImages):
    """Something happens when image 3 is loaded."""

    def __init__(self, trouble: Callable[[], None]) -> None:
        super().__init__(1, 10)
        self.trouble = trouble

    def load(self, index: int) -> Sample:
        if index == 3:
            self.trouble()
        return super().load(index)


def _unreadable() -> None:
    raise ImageError('pictures/3.png: truncated, damaged or no image')


@pytest.mark.parametrize('workers', [0, 2])
def test_an_image_that_cannot_be_read_is_named_in_one_line(workers: int) -> None:
    images = Troubled(_unreadable)
    for batches in (lambda: training(images, Augmentation(), workers=workers),
                    lambda: list(validation_batches(images, input_size=INPUT, resize='stretch',
                                                    batch=2, workers=workers))):
        with pytest.raises(DataError) as caught:
            batches()
        assert str(caught.value) == 'pictures/3.png: truncated, damaged or no image'


def test_a_killed_worker_is_told_in_one_line() -> None:
    images = Troubled(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(DataError, match='memory') as caught:
        training(images, Augmentation(), workers=1)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_stop_is_not_for_workers(number: signal.Signals) -> None:
    images = Troubled(lambda: os.kill(os.getpid(), number))
    require_same(training(images, workers=1), training())


@pytest.mark.parametrize('cache_mb', [1, 64])
@pytest.mark.parametrize('workers', [0, 2])
def test_a_cache_makes_no_difference(tmp_path: Path, cache_mb: int, workers: int) -> None:
    path = write_coco_split(tmp_path, 'train', DrawnImages(2, 12, sides=(200, 300)))
    records = read_coco(path, tmp_path / 'train')
    expected = training(RecordedImages(records), last=48)
    cached = RecordedImages(records, cache_mb)
    require_same(expected, training(cached, last=48, workers=workers))
    for name in records.names:
        (tmp_path / 'train' / name).unlink()
    if cache_mb == 64:  # all is in memory: workers have shared what they decoded
        require_same(expected, training(cached, last=48, workers=1))
    else:
        with pytest.raises(DataError, match='cannot be read'):
            training(cached, last=48)


def test_a_cache_keeps_within_its_memory() -> None:
    images = [np.full((10, 10, 3), value, np.uint8) for value in range(5)]
    cache = PictureCache(5, 1000)
    for index, image in enumerate(images):
        cache.put(index, image)
        cache.put(index, image)
    kept = [cache.get(index) for index in range(5)]
    assert [image is not None for image in kept] == [True, True, True, False, False]
    for image, original in zip(kept[:3], images):
        assert np.array_equal(image, original) and not image.flags.writeable
    small = np.ones((5, 6, 3), np.uint8)
    cache.put(4, small)
    assert np.array_equal(cache.get(4), small), 'what still fits is kept'


def test_a_process_that_still_holds_its_batches_ends() -> None:
    program = """
from anydepth_core.data.batches import training_batches
from anydepth_core.data.options import Augmentation, SceneData, open_data
data, _ = open_data(SceneData(sizes=((96, 128),)))
held = [training_batches(data, Augmentation(), input_size=(96, 128), resize='letterbox', batch=2,
                         workers=1, seed=0, first=0, last=200)]
next(held[0])
held.append(held)
"""
    subprocess.run([sys.executable, '-c', program], check=True, timeout=60, cwd=ROOT)
