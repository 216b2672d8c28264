# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What training asks of AnyDepth-DETR: denoising queries, all layers' outputs, gradients."""

from __future__ import annotations

import pytest
from rtdetr_models import random_images, randomise
import torch
from torch import Tensor
from torchvision.ops import box_convert

from anydepth_core.depth import STAGES
from anydepth_core.models.registry import create_model
from anydepth_core.models.rtdetr import AnyDepthDetr, DetrOutputs, draw_denoising

CLASSES = 7
LABELS = [torch.tensor([2, 5, 0]), torch.tensor([], dtype=torch.int64), torch.tensor([6])]
BOXES = [torch.tensor([[0.5, 0.5, 0.2, 0.3], [0.3, 0.6, 0.1, 0.1], [0.7, 0.4, 0.4, 0.2]]),
         torch.zeros(0, 4), torch.tensor([[0.4, 0.4, 0.5, 0.5]])]


@pytest.fixture(scope='module')
def tiny() -> AnyDepthDetr:
    return randomise(create_model('anydepth-detr-tiny', num_classes=CLASSES))


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_groups_and_positives() -> None:
    noise = draw_denoising(LABELS, BOXES, CLASSES, count=10, generator=source())
    assert noise.groups == 3
    assert noise.labels.shape == (3, 18)
    assert noise.boxes.shape == (3, 18, 4)
    # Three groups of three positives, then three negatives.
    assert [x.tolist() for x in noise.positives] == [[0, 1, 2, 6, 7, 8, 12, 13, 14], [],
                                                     [0, 6, 12]]
    assert [x.tolist() for x in noise.objects] == [[0, 1, 2] * 3, [], [0, 0, 0]]
    assert (noise.labels[1] == CLASSES).all()
    assert (noise.labels[2].view(-1, 3)[:, 1:] == CLASSES).all()


def test_noise_is_as_strong_as_asked() -> None:
    labels, boxes = [torch.full((50,), 3)], [torch.tensor([[0.5, 0.5, 0.2, 0.1]]).repeat(50, 1)]
    noise = draw_denoising(labels, boxes, CLASSES, count=2000, generator=source())
    # A quarter of the labels are drawn anew, of which one in seven is the old one.
    assert float((noise.labels != 3).float().mean()) == pytest.approx(0.25 * 6 / 7, abs=0.03)
    corners = box_convert(noise.boxes, 'cxcywh', 'xyxy')
    true = box_convert(boxes[0][:1], 'cxcywh', 'xyxy')
    moved = ((corners - true) / (torch.tensor([0.2, 0.1, 0.2, 0.1]) / 2)).view(-1, 2, 50, 4)
    positive, negative = moved[:, 0].abs(), moved[:, 1].abs()
    # A box whose corners have passed each other has lost its size, and its corners with it.
    negative = negative[(noise.boxes.view(-1, 2, 50, 4)[:, 1, :, 2:] > 0).all(-1)]
    assert 0.9 < positive.max() <= 1 + 1e-4
    assert positive.min() < 0.1
    assert 1 - 1e-4 <= negative.min() < 1.1
    assert 1.9 < negative.max() <= 2 + 1e-4
    assert float((moved[:, 0] > 0).float().mean()) == pytest.approx(0.5, abs=0.03)


def test_no_noise_gives_the_objects_themselves() -> None:
    noise = draw_denoising(LABELS, BOXES, CLASSES, label_noise=0, box_noise=0, generator=source())
    for row, positives, objects in zip(range(3), noise.positives, noise.objects, strict=True):
        assert torch.equal(noise.labels[row, positives], LABELS[row][objects])
        torch.testing.assert_close(noise.boxes[row, positives], BOXES[row][objects])


def test_noise_is_reproducible() -> None:
    first, again, other = (draw_denoising(LABELS, BOXES, CLASSES, generator=source(seed))
                           for seed in (1, 1, 2))
    assert torch.equal(first.boxes, again.boxes)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.boxes, other.boxes)
    assert ((first.boxes >= 0) & (first.boxes <= 1)).all()


def test_blocked() -> None:
    noise = draw_denoising(LABELS, BOXES, CLASSES, count=9, generator=source())
    blocked = noise.blocked(4)
    assert blocked.shape == (22, 22)
    for row in range(22):
        for column in range(22):
            matching = row >= 18
            sees = column >= 18 or (not matching and row // 6 == column // 6)
            assert bool(blocked[row, column]) is not sees


def outputs(model: AnyDepthDetr, depth: str, labels: list[Tensor] | None = None) -> DetrOutputs:
    noise = None if labels is None else draw_denoising(
        labels, BOXES[:len(labels)], CLASSES, generator=source())
    features = model.features(random_images(3, 96, 128), model.depths.parse(depth))
    return model.train_outputs(features, noise)


def test_shapes(tiny: AnyDepthDetr) -> None:
    with torch.no_grad():
        result = outputs(tiny, 'base', LABELS)
    decoder, count = result.decoder, result.denoising.labels.shape[1]
    assert decoder.logits.shape == (3, 3, 100, CLASSES)
    assert decoder.boxes.shape == (3, 3, 100, 4)
    assert decoder.selected_logits.shape == (3, 100, CLASSES)
    assert decoder.selected_boxes.shape == (3, 100, 4)
    assert decoder.denoising_logits.shape == (3, 3, count, CLASSES)
    assert decoder.denoising_boxes.shape == (3, 3, count, 4)
    assert tuple(result.features) == STAGES


def test_matching_queries_do_not_see_denoising(tiny: AnyDepthDetr) -> None:
    """In evaluation mode layer d of the training outputs is what the model says at depth d."""
    images = random_images(3, 96, 128)
    scale = torch.tensor([128.0, 96.0, 128.0, 96.0])
    with torch.no_grad():
        for labels in (LABELS, None):
            decoder = outputs(tiny, 'full', labels).decoder
            for layers in (1, 2, 3):
                raw = tiny(images, f'full@{layers}')
                boxes = box_convert(decoder.boxes[layers - 1], 'cxcywh', 'xyxy') * scale
                torch.testing.assert_close(decoder.logits[layers - 1], raw.logits, atol=1e-4,
                                           rtol=1e-4)
                torch.testing.assert_close(boxes, raw.boxes, atol=1e-2, rtol=0)


def total(result: DetrOutputs) -> Tensor:
    """Return a stand-in for the loss that reads every output."""
    return torch.stack([x.square().sum() for x in result.decoder]).sum()


def test_full_and_base_reach_every_parameter(tiny: AnyDepthDetr) -> None:
    tiny.train().zero_grad()
    sum(total(outputs(tiny, depth, LABELS)) for depth in ('full', 'base')).backward()
    tiny.eval()
    without = [name for name, parameter in tiny.named_parameters()
               if parameter.grad is None or not parameter.grad.any()]
    assert not without
    tiny.zero_grad()


def test_base_reaches_no_refinement(tiny: AnyDepthDetr) -> None:
    tiny.zero_grad()
    total(outputs(tiny, 'base', LABELS)).backward()
    essential = {id(parameter) for name, parameter
                 in tiny.named_parameters(remove_duplicate=False) if '.full.' not in name}
    for name, parameter in tiny.named_parameters():
        assert (parameter.grad is not None) is (id(parameter) in essential), name
    tiny.zero_grad()


def test_images_without_objects(tiny: AnyDepthDetr) -> None:
    """Nothing to denoise, yet the embedding gets its gradient, as distributed training needs."""
    empty = [LABELS[1]] * 2
    noise = draw_denoising(empty, [BOXES[1]] * 2, CLASSES)
    assert noise.labels.shape == (2, 0)
    features = tiny.features(random_images(2, 96, 96), tiny.depths.full)
    result = tiny.train_outputs(features, noise)
    assert result.decoder.denoising_logits.shape == (3, 2, 0, CLASSES)
    assert [len(x) for x in noise.positives] == [0, 0]
    total(result).backward()
    assert tiny.decoder.denoising_classes.weight.grad is not None
    tiny.zero_grad()


def test_a_box_trains_the_layer_before_and_no_earlier_one(tiny: AnyDepthDetr) -> None:
    """Look forward twice: through the boxes alone, a layer's output reaches one layer back."""
    decoder = tiny.decoder
    last = [head[-1].bias for head in decoder.box_heads]
    boxes = outputs(tiny, 'full').decoder.boxes
    reached = [[bool(gradient.any()) for gradient in torch.autograd.grad(
        boxes[layer].sum(), last, retain_graph=True)] for layer in range(3)]
    assert reached == [[True, False, False], [True, True, False], [False, True, True]]


def test_initial_scores_are_the_prior() -> None:
    torch.manual_seed(0)
    model = create_model('anydepth-detr-tiny', num_classes=CLASSES).eval()
    with torch.no_grad():
        raw = model(random_images(1, 96, 96), 'full')
    assert float(raw.logits.sigmoid().median()) == pytest.approx(0.01, abs=0.01)
    for head in (*model.decoder.box_heads, model.decoder.selection.box_head):
        assert not head[-1].weight.any()
        assert not head[-1].bias.any()
