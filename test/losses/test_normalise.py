# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Two processes with half a batch each learn what one with the whole batch does."""

from __future__ import annotations

from pathlib import Path

from detr_cases import CLASSES, random_boxes, random_targets
import pytest
import torch
from torch import Tensor, distributed, multiprocessing
from torchvision.ops import box_convert

from anydepth_core.losses.assign import Targets
from anydepth_core.losses.detr import DetrLossWeights, set_losses
from anydepth_core.losses.distill_detr import DetrDistillation, FinalLayer, distill_detr
from anydepth_core.losses.distill_yolo import YoloDistillation, distill_yolo
from anydepth_core.losses.matching import match
from anydepth_core.losses.normalise import mean_over_ranks, normaliser
from anydepth_core.losses.yolo import YoloLossWeights, assign_batch, yolo_loss
from anydepth_core.models.yolo.head import DenseOutputs

COUNTS = (6, 0, 1, 2)  # the first process has twice the objects of the second
SIDE = 64.0
PLACES = 8


def outputs(shift: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, boxes and side logits of four images and 64 queries or anchor points."""
    source = torch.Generator().manual_seed(seed)
    return (torch.randn(4, PLACES ** 2, CLASSES, generator=source) + shift[0],
            random_boxes(source, 4, PLACES ** 2) * (1 + 0.01 * shift[1]),
            torch.randn(4, PLACES ** 2, 4, 16, generator=source) * (1 + shift[2]))


def detr_losses(shift: Tensor, images: slice) -> Tensor:
    """Return the sum of the ground-truth and distillation terms of some of the images."""
    targets = random_targets(COUNTS)[images]
    count = normaliser(torch.tensor(float(sum(len(t.labels) for t in targets))))
    layers, total = [], torch.zeros(())
    for seed in (0, 1):
        logits, boxes, _ = (x[images] for x in outputs(shift, seed))
        matches = match(logits[None], boxes[None], targets)
        total = total + set_losses(logits[None], boxes[None], matches, targets, count,
                                   DetrLossWeights()).sum()
        layers.append(FinalLayer(logits, boxes, matches))
    return total + sum(distill_detr(layers[0], layers[1], count, DetrDistillation()).values())


def yolo_losses(shift: Tensor, images: slice) -> Tensor:
    """Return the same of the other family."""
    targets = [Targets(t.labels, box_convert(t.boxes, 'cxcywh', 'xyxy') * SIDE)
               for t in random_targets(COUNTS)[images]]
    place = torch.linspace(0.1, 0.9, PLACES) * SIDE
    points = torch.cartesian_prod(place, place)
    passes, total = [], torch.zeros(())
    for seed in (0, 1):
        logits, boxes, sides = (x[images] for x in outputs(shift, seed))
        # Around the points, so that some overlap the objects.
        corners = torch.cat((points - boxes[..., 2:] * SIDE, points + boxes[..., 2:] * SIDE), -1)
        dense = DenseOutputs(logits, sides, corners, points, torch.full((len(points), 1), 8.0))
        assigned = assign_batch(dense, targets, YoloLossWeights())
        total = total + sum(yolo_loss(dense, targets, assigned, YoloLossWeights()).values())
        passes.append((dense, assigned))
    (base, base_assigned), (full, full_assigned) = passes
    return total + sum(distill_yolo(base, full, base_assigned, full_assigned,
                                    YoloDistillation()).values())


FAMILIES = {'detr': detr_losses, 'yolo': yolo_losses}


def gradients(images: slice) -> dict[str, Tensor]:
    """Return the gradient of each family's loss on some of the images."""
    found = {}
    for name, losses in FAMILIES.items():
        shift = torch.zeros(3, requires_grad=True)
        found[name], = torch.autograd.grad(losses(shift, images), shift)
    return found


def one_of_two(rank: int, folder: str) -> None:
    """Be one process with half of the images; write the averaged gradients."""
    torch.set_num_threads(1)
    distributed.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank,
                                   world_size=2)
    found = gradients(slice(2 * rank, 2 * rank + 2))
    for gradient in found.values():
        distributed.all_reduce(gradient)
        gradient /= 2
    found['mean'] = mean_over_ranks(torch.tensor([1.0 + rank, 4.0]))
    torch.save(found, f'{folder}/{rank}.pt')
    distributed.destroy_process_group()


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    expected = gradients(slice(0, 4))
    for rank in range(2):
        found = torch.load(tmp_path / f'{rank}.pt', weights_only=True)
        assert found['mean'].tolist() == [1.5, 4.0]
        for name in FAMILIES:
            torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_each_half_alone_would_learn_something_else() -> None:
    """Otherwise the test above shows nothing."""
    whole, halves = gradients(slice(0, 4)), [gradients(slice(0, 2)), gradients(slice(2, 4))]
    for name in FAMILIES:
        mean = (halves[0][name] + halves[1][name]) / 2
        assert (mean - whole[name]).abs().max() > 0.02 * whole[name].abs().max()


def test_alone_it_is_the_amount_without_gradient() -> None:
    amount = torch.tensor(3.0, requires_grad=True)
    assert mean_over_ranks(amount) == 3
    assert not mean_over_ranks(amount).requires_grad


@pytest.mark.parametrize(('amount', 'expected'), [(0.0, 1.0), (0.3, 1.0), (7.5, 7.5)])
def test_normaliser_is_at_least_one_object(amount: float, expected: float) -> None:
    assert float(normaliser(torch.tensor(amount))) == expected
