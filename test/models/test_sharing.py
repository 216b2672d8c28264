# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What two paths share stays shared: in copies, on disk and in two processes (DDP)."""

from __future__ import annotations

from collections.abc import Callable
import copy
import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from rtdetr_models import random_images
from shared_parameters import sharing
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing import spawn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from anydepth_core.models import AnyDepthModel, RawPredictions, create_model
from anydepth_core.models.count import count_parameters
from anydepth_core.models.rtdetr import AnyDepthDetr, draw_denoising
from anydepth_core.models.weights import ModelInfo, load_weights, save_weights

FAMILIES = ('anydepth-yolo-tiny', 'anydepth-detr-tiny')
PROCESSES, BATCH, CLASSES = 2, 4, 3
IMAGES = random_images(BATCH, 96, 96).double()
LABELS = [torch.tensor([2, 0]), torch.tensor([1]), torch.tensor([], dtype=torch.int64),
          torch.tensor([0])]
BOXES = [torch.full((len(labels), 4), 0.3) for labels in LABELS]


def moved(model: AnyDepthModel) -> nn.Module:
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return copy.deepcopy(model).to(device, torch.float64).to('cpu', torch.float32)


def averaged(model: AnyDepthModel) -> nn.Module:
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    average.update_parameters(model)
    average.update_parameters(model)
    return average.module


@pytest.mark.parametrize('name', FAMILIES)
@pytest.mark.parametrize('change', [copy.deepcopy, moved, averaged])
@torch.inference_mode()
def test_copies_keep_sharing(name: str, change: Callable[[AnyDepthModel], nn.Module]) -> None:
    model = create_model(name, CLASSES).eval()
    copied = change(model)
    assert sharing(copied) == sharing(model)
    assert not {id(p) for p in copied.parameters()} & {id(p) for p in model.parameters()}
    for theirs, mine in zip(copied.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(theirs, mine)


@pytest.mark.parametrize('name', FAMILIES)
@torch.inference_mode()
def test_disk_holds_what_is_shared_once(name: str, tmp_path: Path) -> None:
    model, path = create_model(name, CLASSES).eval(), tmp_path / 'model.safetensors'
    save_weights(path, model, ModelInfo(model=name, class_names=('a', 'b', 'c'),
                                        input_size=(96, 96)))
    stored = 4 * count_parameters(model) + sum(buffer.nbytes for buffer in model.buffers())
    assert stored <= path.stat().st_size < stored + 400 * len(model.state_dict())
    loaded, _ = load_weights(path)
    assert sharing(loaded) == sharing(model)
    for depth in ('full', 'base'):
        images = IMAGES.float()
        assert loaded(images, depth).logits.equal(model(images, depth).logits)


class MeanLoss(nn.Module):
    """One forward of both depths, as a training step has: a number that is a mean over images."""

    def __init__(self, model: AnyDepthModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: slice) -> Tensor:
        """Return the mean over some of the images."""
        parts = [part for depth in ('full', 'base') for part in self.outputs(rows, depth)]
        return torch.stack([part.square().mean() for part in parts]).sum()

    def outputs(self, rows: slice, depth: str) -> tuple[Tensor, ...]:
        """Return everything that a loss may read."""
        if not isinstance(self.model, AnyDepthDetr):
            logits, boxes = self.model(IMAGES[rows], depth)
            return logits, boxes / 96
        noise = draw_denoising(LABELS, BOXES, CLASSES, count=4,
                               generator=torch.Generator().manual_seed(0))
        noise = dataclasses.replace(noise, labels=noise.labels[rows], boxes=noise.boxes[rows])
        features = self.model.features(IMAGES[rows], self.model.depths.parse(depth))
        return tuple(self.model.train_outputs(features, noise).decoder)


def build(name: str, seed: int) -> AnyDepthModel:
    """Return a network in double precision whose norms do not look at the batch."""
    torch.manual_seed(seed)
    model = create_model(name, CLASSES).eval().double()
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    return model


def step(loss: nn.Module, rows: slice) -> dict[str, Tensor]:
    """Take one step of gradient descent; return the gradients by name."""
    optimizer = torch.optim.SGD([p for p in loss.parameters() if p.requires_grad], 0.01)
    loss(rows).backward()
    optimizer.step()
    return {name.removeprefix('module.'): parameter.grad
            for name, parameter in loss.named_parameters() if parameter.requires_grad}


def process(rank: int, folder: str) -> None:
    """Train one step in one of the processes; leave what came out in files."""
    torch.set_num_threads(1)
    os.environ['GLOO_SOCKET_IFNAME'] = 'lo'
    distributed.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank,
                                   world_size=PROCESSES)
    share = BATCH // PROCESSES
    for name in FAMILIES:
        # Each starts from its own weights; wrapping makes them those of the first process.
        loss = DistributedDataParallel(MeanLoss(build(name, seed=rank)))
        pairs = sharing(loss.module.model)
        gradients = step(loss, slice(rank * share, (rank + 1) * share))
        torch.save({'sharing': pairs, 'gradients': gradients,
                    'state': loss.module.model.state_dict()}, f'{folder}/{name}-{rank}.pt')
    distributed.destroy_process_group()


@pytest.fixture(scope='module')
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Return what every process left, for each family."""
    folder = tmp_path_factory.mktemp('ddp')
    spawn(process, (str(folder),), PROCESSES)
    return {name: [torch.load(Path(folder, f'{name}-{rank}.pt'), weights_only=True)
                   for rank in range(PROCESSES)] for name in FAMILIES}


@pytest.mark.parametrize('name', FAMILIES)
def test_wrapping_keeps_sharing(name: str, results: dict[str, list[dict[str, Any]]]) -> None:
    expected = sharing(create_model(name, CLASSES))
    assert len(expected) > 50
    for result in results[name]:
        assert result['sharing'] == expected


@pytest.mark.parametrize('name', FAMILIES)
def test_gradients_are_those_of_one_process(name: str, results: dict[str, list[dict[str, Any]]],
                                            ) -> None:
    first, second = (result['gradients'] for result in results[name])
    alone = MeanLoss(build(name, seed=0))
    expected = step(alone, slice(0, BATCH))
    assert first.keys() == second.keys() == expected.keys()
    for key, gradient in expected.items():
        assert gradient.any(), key
        assert first[key].equal(second[key]), key
        torch.testing.assert_close(first[key], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('name', FAMILIES)
@torch.no_grad()
def test_a_trained_state_goes_through_disk(name: str, results: dict[str, list[dict[str, Any]]],
                                           ) -> None:
    """Loaded anew, the processes' common weights are shared and those of one process alone."""
    first, second = (result['state'] for result in results[name])
    assert all(first[key].equal(second[key]) for key in first)
    loaded, alone = build(name, seed=7), MeanLoss(build(name, seed=0))
    loaded.load_state_dict(first)
    with torch.enable_grad():
        step(alone, slice(0, BATCH))
    assert sharing(loaded) == sharing(create_model(name, CLASSES))
    for depth in ('full', 'base'):
        actual, expected = loaded(IMAGES, depth), alone.model(IMAGES, depth)
        assert isinstance(actual, RawPredictions)
        torch.testing.assert_close(actual.logits, expected.logits, rtol=1e-9, atol=1e-9)
