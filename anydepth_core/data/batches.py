# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Batches for training and evaluation, made by worker processes, the same however many."""

from __future__ import annotations

import atexit
from collections.abc import Generator, Iterable, Iterator
from functools import cache, lru_cache
import multiprocessing
import signal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from anydepth_core.data.augment import Augmenter
from anydepth_core.data.dataset import DetectionDataset, Objects
from anydepth_core.data.geometry import Boxes, Pixels
from anydepth_core.data.options import Augmentation
from anydepth_core.errors import AnyDepthError, DataError
from anydepth_core.losses.assign import Targets
from anydepth_core.runtime.preprocess import Placement, Resize, fit

ORDER, PICTURE = 0, 1  # what a random number is for
PREFETCHED = 4


class Batch(NamedTuple):
    """Images ready for a network, and what is in them.

    Attributes:
        images: (B, 3, H, W) uint8 RGB, in channels-last memory.
        targets: the objects to learn in each image, in pixels of `images`.
        ids: what to call each image in a message.
        truth: of each image, all objects in pixels of the original image; none in training.
        placements: where each original image lies in `images`; none in training.
    """

    images: Tensor
    targets: list[Targets]
    ids: list[str]
    truth: list[Objects]
    placements: list[Placement]


def network_input(images: Tensor, device: torch.device) -> Tensor:
    """Return (B, 3, H, W) uint8 images as a network takes them: float32 in [0, 1], on `device`."""
    moved = images.to(device, non_blocking=True)
    return moved.to(torch.float32, memory_format=torch.channels_last) / 255


class _Item(NamedTuple):
    """One image of a batch."""

    image: Pixels
    boxes: Boxes
    labels: NDArray[np.int64]
    id: str
    truth: Objects | None = None
    placement: Placement | None = None


class _Failure(NamedTuple):
    """Why an image could not be made."""

    error: str


_NO_PIXELS = np.empty((0, 0, 3), np.uint8)


class _TrainingItems(Dataset[_Item | _Failure]):
    """Sample number n: which image it shows and everything random depend on (seed, n) alone."""

    def __init__(self, dataset: DetectionDataset, augmenter: Augmenter, seed: int,
                 plain_from: int | None) -> None:
        self.dataset, self.augmenter, self.seed = dataset, augmenter, seed
        self.plain_from = plain_from

    def __getitem__(self, number: int) -> _Item | _Failure:
        rng = np.random.default_rng((self.seed, PICTURE, number))
        mix = self.plain_from is None or number < self.plain_from
        try:
            picture, name = self.augmenter.draw(self._index(number), rng, mix=mix)
        except AnyDepthError as error:
            return _Failure(str(error))
        return _Item(picture.image, picture.boxes, picture.labels, name)

    def _index(self, number: int) -> int:
        if self.dataset.endless:
            return number
        epoch, place = divmod(number, len(self.dataset))
        return int(_order(self.seed, epoch, len(self.dataset))[place])


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Return the order in which an epoch shows the images."""
    return np.random.default_rng((seed, ORDER, epoch)).permutation(count)


class _ValidationItems(Dataset[_Item | _Failure]):
    """Image number n as the detector would see it."""

    def __init__(self, dataset: DetectionDataset, input_size: tuple[int, int],
                 resize: Resize) -> None:
        self.dataset, self.input_size, self.resize = dataset, input_size, resize

    def __getitem__(self, index: int) -> _Item | _Failure:
        canvas = np.empty((*self.input_size, 3), np.uint8)
        try:
            image, objects, name = self.dataset.load(index)
            placement = fit(image, canvas, self.resize, 'rgb')
        except AnyDepthError as error:
            return _Failure(str(error))
        boxes = placement.to_input(objects.boxes)[~objects.crowd]
        return _Item(canvas, boxes, objects.labels[~objects.crowd], name, objects, placement)


def training_batches(dataset: DetectionDataset, augmentation: Augmentation, *,
                     input_size: tuple[int, int], resize: Resize, batch: int, workers: int,
                     seed: int, first: int, last: int, rank: int = 0, world: int = 1,
                     plain_from: int | None = None) -> Generator[Batch, None, None]:
    """Yield training samples number `first` to `last` - 1 in batches.

    Sample n is a pure function of `seed` and n: neither the number of workers or ranks nor where
    a run was resumed makes a difference. Every `len(dataset)` samples are one epoch, in which each
    image is the subject of one sample; an endless data set goes on in order instead.

    Args:
        dataset: where images come from.
        augmentation: what is done at random.
        input_size: (height, width) of the pictures.
        resize: how an image becomes that size.
        batch: samples in a batch over all ranks.
        workers: processes that make them; 0 makes them in this one.
        seed: of the order and the augmentation.
        first: number of the first sample.
        last: number after the last one; the last batch must be whole.
        rank: which of `world` equal parts of each batch this process takes.
        world: how many processes train together.
        plain_from: from this number on no sample has mosaic, mixup or copy-paste.

    Raises:
        DataError: an image cannot be read, or a worker was killed; one line.
        ValueError: the numbers do not divide into whole batches and equal parts.
    """
    if (last - first) % batch or batch % world:
        raise ValueError(f'{last - first} samples do not divide into batches of {batch} for '
                         f'{world} ranks')
    share = batch // world
    parts = (list(range(start, start + share))
             for start in range(first + rank * share, last, batch))
    augmenter = Augmenter(dataset, augmentation, input_size, resize)
    return _batches(_TrainingItems(dataset, augmenter, seed, plain_from), parts, workers)


def validation_batches(dataset: DetectionDataset, *, input_size: tuple[int, int], resize: Resize,
                       batch: int, workers: int) -> Generator[Batch, None, None]:
    """Yield all images in order, as the detector would see them; the last batch may be smaller.

    Raises:
        DataError: an image cannot be read, or a worker was killed; one line.
    """
    count = len(dataset)
    parts = (list(range(start, min(start + batch, count))) for start in range(0, count, batch))
    return _batches(_ValidationItems(dataset, input_size, resize), parts, workers)


def _batches(items: Dataset[_Item | _Failure], parts: Iterable[list[int]], workers: int,
             ) -> Generator[Batch, None, None]:
    # A generator of its own: a loader would otherwise draw from the one that the run draws from.
    loader = DataLoader(items, batch_sampler=parts, num_workers=workers, collate_fn=_collate,
                        prefetch_factor=PREFETCHED if workers else None,
                        worker_init_fn=_start_worker, generator=torch.Generator(),
                        multiprocessing_context='fork' if workers else None)
    try:
        for made in _started(loader):
            if isinstance(made, _Failure):
                raise DataError(made.error)
            yield _batch(*made)
    except RuntimeError as error:
        if 'worker' not in str(error):
            raise
        reason = ' '.join(str(error).split())
        raise DataError(f'a process that reads images ended: {reason}; is there memory enough for '
                        'all the workers?') from error


def _started(loader: DataLoader[Any]) -> Iterator[Any]:
    """Start the workers of a loader, while OpenCV has no threads.

    A fork copies OpenCV's pool but not the threads in it, and the copy would wait for them.
    """
    import cv2
    _end_workers_at_exit()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    made = iter(loader)
    cv2.setNumThreads(threads)
    return made


def _collate(items: list[_Item | _Failure]) -> tuple[Tensor, list[_Item]] | _Failure:
    """Return the images as one tensor, and the rest as it is.

    Tensors pass between processes by file descriptors, of which there are few.
    """
    made = []
    for item in items:
        if isinstance(item, _Failure):
            return item
        made.append(item)
    images = torch.from_numpy(np.stack([item.image for item in made]))
    return images, [item._replace(image=_NO_PIXELS) for item in made]


def _batch(images: Tensor, items: list[_Item]) -> Batch:
    return Batch(
        images.permute(0, 3, 1, 2),
        [Targets(torch.from_numpy(item.labels), torch.from_numpy(item.boxes)) for item in items],
        [item.id for item in items],
        [item.truth for item in items if item.truth is not None],
        [item.placement for item in items if item.placement is not None])


@cache
def _end_workers_at_exit() -> None:
    """Let no worker outlive this process, whoever still holds the iterator that it works for.

    Python itself asks them with SIGTERM, which they ignore, and would wait for them for ever.
    """
    def end() -> None:
        for child in multiprocessing.active_children():
            if child.daemon:
                child.kill()

    atexit.register(end)


def _start_worker(_worker: int) -> None:
    import cv2
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    # A signal to stop goes to the whole group of processes, but is for the training process: it
    # still needs this worker for the step it is in. Workers end by themselves when it is gone.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
