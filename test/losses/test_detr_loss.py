# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Ground-truth loss of the DETR family: by hand, and what must not change it."""

from __future__ import annotations

import dataclasses
import math

from detr_cases import CLASSES, random_outputs, random_targets
import pytest
import torch
from torch import Tensor

from anydepth_core.losses.assign import Targets
from anydepth_core.losses.detr import (
    DetrLossWeights,
    denoising_matches,
    detr_loss,
    match_layers,
    set_losses,
)
from anydepth_core.losses.matching import Matches
from anydepth_core.models.rtdetr import DenoisingQueries, DetrOutputs, draw_denoising

TERMS = {'classes', 'l1', 'giou', 'auxiliary', 'selected', 'denoising'}


def loss(outputs: DetrOutputs, targets: list[Targets], objects: float = 5.0,
         weights: DetrLossWeights | None = None) -> dict[str, Tensor]:
    return detr_loss(outputs, targets, match_layers(outputs, targets), torch.tensor(objects),
                     weights or DetrLossWeights())


def test_set_losses_by_hand() -> None:
    """One object, two queries, two classes; the first query answers for it, half overlapping."""
    logits = torch.tensor([[[[0.3, -1.0], [2.0, -0.5]]]])
    boxes = torch.tensor([[[[0.5, 0.5, 0.2, 0.2], [0.1, 0.1, 0.1, 0.1]]]])
    targets = [Targets(torch.tensor([1]), torch.tensor([[0.6, 0.5, 0.2, 0.2]]))]
    zero = torch.tensor([0])
    got = set_losses(logits, boxes, Matches(zero, zero, zero, zero), targets, torch.tensor(2.0),
                     DetrLossWeights(classes=3.0))

    def background(logit: float) -> float:
        p = 1 / (1 + math.exp(-logit))
        return 0.75 * p ** 2 * -math.log(1 - p)

    iou = 1 / 3  # 0.1 x 0.2 shared of 0.3 x 0.2
    p = 1 / (1 + math.exp(1.0))
    matched = iou * (-iou * math.log(p) - (1 - iou) * math.log(1 - p))
    classes = matched + background(0.3) + background(2.0) + background(-0.5)
    # The smallest box around both is their union, so the generalised IoU is the IoU.
    expected = [3 * classes / 2, 5 * 0.1 / 2, 2 * (1 - iou) / 2]
    assert got[0].tolist() == pytest.approx(expected, rel=1e-5)


def test_terms_are_sums_over_layers() -> None:
    targets = random_targets([3, 0, 2])
    outputs = random_outputs(targets)
    decoder, matches, objects = outputs.decoder, match_layers(outputs, targets), torch.tensor(5.)
    weights = DetrLossWeights()
    alone = [set_losses(logits[None], boxes[None],
                        matches.of_layer(layer)._replace(layers=torch.zeros(5).long()), targets,
                        objects, weights)[0]
             for layer, (logits, boxes) in enumerate(zip(
                 [*decoder.logits, decoder.selected_logits],
                 [*decoder.boxes, decoder.selected_boxes]))]
    terms = loss(outputs, targets)
    assert set(terms) == TERMS
    torch.testing.assert_close(torch.stack([terms[n] for n in ('classes', 'l1', 'giou')]),
                               alone[2])
    torch.testing.assert_close(terms['auxiliary'], (alone[0] + alone[1]).sum())
    torch.testing.assert_close(terms['selected'], alone[3].sum())


def test_denoising_restores_the_objects_it_was_drawn_from() -> None:
    """Queries that say exactly the truth lose nothing but the background's scores."""
    targets = random_targets([3, 0, 2])
    outputs = random_outputs(targets)
    noise = outputs.denoising
    said_logits = torch.full_like(outputs.decoder.denoising_logits, -20.0)
    said_boxes = outputs.decoder.denoising_boxes.detach().clone()
    for image, (positives, objects) in enumerate(zip(noise.positives, noise.objects)):
        said_boxes[:, image, positives] = targets[image].boxes[objects]
        said_logits[:, image, positives, targets[image].labels[objects]] = 20.0
    perfect = outputs._replace(decoder=outputs.decoder._replace(
        denoising_logits=said_logits, denoising_boxes=said_boxes))
    assert float(loss(perfect, targets)['denoising'].detach()) < 1e-4
    assert float(loss(outputs, targets)['denoising'].detach()) > 1


def test_denoising_is_divided_by_its_groups() -> None:
    targets = random_targets([2])
    twice: list[Tensor] = []
    for groups in (1, 3):
        noise = draw_denoising([t.labels for t in targets], [t.boxes for t in targets], CLASSES,
                               count=2 * groups, label_noise=0, box_noise=0)
        assert noise.groups == groups
        every = random_outputs(targets).decoder
        outputs = DetrOutputs(every._replace(
            denoising_logits=torch.zeros(3, 1, 4 * groups, CLASSES),
            denoising_boxes=noise.boxes.expand(3, -1, -1, -1) * 0.9), noise, {})
        twice.append(loss(outputs, targets)['denoising'])
    torch.testing.assert_close(*twice)


def test_denoising_matches() -> None:
    targets = random_targets([2, 0, 1])
    noise = DenoisingQueries(torch.zeros(3, 8).long(), torch.zeros(3, 8, 4), 2, (
        torch.tensor([0, 1, 4, 5]), torch.tensor([]).long(), torch.tensor([0, 4])), (
        torch.tensor([0, 1, 0, 1]), torch.tensor([]).long(), torch.tensor([0, 0])))
    matches = denoising_matches(noise, targets, 2)
    assert matches.layers.tolist() == [0] * 6 + [1] * 6
    assert matches.images.tolist() == [0, 0, 0, 0, 2, 2] * 2
    assert matches.queries.tolist() == [0, 1, 4, 5, 0, 4] * 2
    assert matches.objects.tolist() == [0, 1, 0, 1, 2, 2] * 2


def test_order_of_queries_and_objects_does_not_matter() -> None:
    targets = random_targets([4, 3])
    outputs = random_outputs(targets)
    decoder, noise = outputs.decoder, outputs.denoising
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    moved = decoder._replace(
        logits=decoder.logits[:, :, order], boxes=decoder.boxes[:, :, order],
        selected_logits=decoder.selected_logits[:, order],
        selected_boxes=decoder.selected_boxes[:, order])
    other = [torch.tensor([2, 0, 3, 1]), torch.tensor([1, 2, 0])]
    swapped = [Targets(t.labels[o], t.boxes[o]) for t, o in zip(targets, other)]
    renamed = dataclasses.replace(noise, objects=tuple(
        o.argsort()[objects] for o, objects in zip(other, noise.objects)))
    expected = loss(outputs, targets)
    got = loss(DetrOutputs(moved, renamed, {}), swapped)
    for name in TERMS:
        torch.testing.assert_close(got[name], expected[name])


def test_normaliser_and_factors_scale_the_terms() -> None:
    targets = random_targets([3, 1])
    outputs = random_outputs(targets)
    one, half = loss(outputs, targets, 1), loss(outputs, targets, 2)
    double = loss(outputs, targets, 1, DetrLossWeights(classes=2, l1=10, giou=4))
    for name in TERMS:
        torch.testing.assert_close(one[name], 2 * half[name])
        torch.testing.assert_close(2 * one[name], double[name])


@pytest.mark.parametrize('counts', [[0, 0], [9, 12], [0, 9]],
                         ids=['no object', 'more objects than queries', 'both'])
def test_odd_batches_are_finite_and_reach_every_output(counts: list[int]) -> None:
    targets = random_targets(counts)
    outputs = random_outputs(targets, queries=4)
    terms = loss(outputs, targets, max(1, sum(counts)))
    assert set(terms) == TERMS
    assert all(term.isfinite() for term in terms.values())
    torch.stack(list(terms.values())).sum().backward()
    for name, tensor in zip(outputs.decoder._fields, outputs.decoder):
        assert tensor.grad is not None, name
        assert tensor.grad.isfinite().all(), name
    if not any(counts):
        for name in ('l1', 'giou', 'denoising'):
            assert terms[name].item() == 0
        assert float(terms['classes'].detach()) > 0


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_predictions_that_are_not_finite_show_in_the_terms(value: float) -> None:
    targets = random_targets([3, 1])
    outputs = random_outputs(targets)
    for name in ('logits', 'boxes', 'selected_logits', 'selected_boxes'):
        spoilt = torch.full_like(getattr(outputs.decoder, name), value)
        broken = outputs._replace(decoder=outputs.decoder._replace(**{name: spoilt}))
        assert not all(term.isfinite() for term in loss(broken, targets).values())


def test_class_term_moves_no_box() -> None:
    """The IoU a score aims at is a fixed number, or boxes would worsen to please scores."""
    outputs = random_outputs(targets := random_targets([3, 1]))
    gradient, = torch.autograd.grad(loss(outputs, targets)['classes'], outputs.decoder.boxes,
                                    materialize_grads=True)
    assert not gradient.any()


def test_gradient_pulls_scores_and_boxes_to_the_object() -> None:
    targets = random_targets([1])
    outputs = random_outputs(targets, queries=1, layers=1)
    decoder = outputs.decoder
    torch.stack(list(loss(outputs, targets).values())).sum().backward()
    step = 1e-3
    closer = (decoder.boxes - step * decoder.boxes.grad - targets[0].boxes).abs().sum()
    assert closer < (decoder.boxes - targets[0].boxes).abs().sum()
    others = torch.arange(CLASSES) != targets[0].labels
    assert (decoder.logits.grad[0, 0, 0, others] > 0).all()
