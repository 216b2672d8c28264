# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Hungarian matching: the least cost of all permutations, whatever the predictions."""

from __future__ import annotations

import itertools
import math

from detr_cases import random_boxes, random_targets
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
import torch
from torch import Tensor
from torchvision.ops import box_convert, generalized_box_iou

from anydepth_core.losses.assign import Targets
from anydepth_core.losses.matching import Matches, match, pair_costs

CLASSES = 3


def predictions(layers: int, batch: int, queries: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return (torch.randn(layers, batch, queries, CLASSES, generator=source) * 2,
            random_boxes(source, layers, batch, queries))


def pairs_of(matches: Matches, layer: int, image: int) -> list[tuple[int, int]]:
    chosen = (matches.layers == layer) & (matches.images == image)
    return list(zip(matches.queries[chosen].tolist(), matches.objects[chosen].tolist()))


def test_cost_by_hand() -> None:
    logits, boxes = predictions(1, 1, 4)
    targets = random_targets([2], CLASSES)[0]
    costs = pair_costs(logits[:, 0], boxes[:, 0], targets)[0]
    giou = generalized_box_iou(box_convert(boxes[0, 0], 'cxcywh', 'xyxy'),
                               box_convert(targets.boxes, 'cxcywh', 'xyxy'))
    for query, item in itertools.product(range(4), range(2)):
        p = 1 / (1 + math.exp(-float(logits[0, 0, query, targets.labels[item]])))
        focal = 0.25 * (1 - p) ** 2 * -math.log(p) - 0.75 * p ** 2 * -math.log(1 - p)
        l1 = sum(abs(a - b) for a, b in zip(boxes[0, 0, query].tolist(),
                                            targets.boxes[item].tolist()))
        expected = 2 * focal + 5 * l1 - 2 * float(giou[query, item])
        assert float(costs[query, item]) == pytest.approx(expected, rel=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.lists(st.integers(0, 5), min_size=1, max_size=3),
       st.integers(0, 10_000))
def test_least_cost_of_all_ways(queries: int, counts: list[int], seed: int) -> None:
    """Against every way to pair queries and objects, with more of either."""
    layers = 2
    logits, boxes = predictions(layers, len(counts), queries, seed)
    targets = random_targets(counts, CLASSES, seed)
    matches = match(logits, boxes, targets)
    first = 0
    for image, count in enumerate(counts):
        costs = pair_costs(logits[:, image], boxes[:, image], targets[image]).double()
        for layer in range(layers):
            got = pairs_of(matches, layer, image)
            assert len(got) == min(queries, count)
            assert got == sorted(got)
            rows, columns = [q for q, _ in got], [item - first for _, item in got]
            assert len(set(rows)) == len(set(columns)) == len(got)
            assert all(0 <= column < count for column in columns)
            table = costs[layer] if queries >= count else costs[layer].T
            best = min(sum(float(table[row, column]) for column, row in enumerate(way))
                       for way in itertools.permutations(range(len(table)), len(table[0]))) \
                if count else 0.0
            assert float(costs[layer][rows, columns].sum()) == pytest.approx(best, abs=1e-5)
        first += count


def test_layers_and_images_are_matched_by_themselves() -> None:
    logits, boxes = predictions(3, 2, 6)
    targets = random_targets([3, 2], CLASSES)
    together = match(logits, boxes, targets)
    for layer in range(3):
        assert torch.equal(together.of_layer(layer).queries,
                           match(logits[layer][None], boxes[layer][None], targets).queries)
    alone = match(logits[:, 1:], boxes[:, 1:], targets[1:])
    chosen = together.images == 1
    assert torch.equal(together.queries[chosen], alone.queries)
    assert torch.equal(together.objects[chosen], alone.objects + 3)


def test_no_object_at_all() -> None:
    matches = match(*predictions(2, 3, 4), random_targets([0, 0, 0], CLASSES))
    assert all(len(column) == 0 and column.dtype == torch.int64 for column in matches)


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('what', ['logits', 'boxes'])
def test_what_is_not_finite_is_matched_last(value: float, what: str) -> None:
    logits, boxes = predictions(1, 1, 6)
    targets = random_targets([4], CLASSES)
    (logits if what == 'logits' else boxes)[0, 0, :2] = value
    queries = match(logits, boxes, targets).queries.tolist()
    assert len(queries) == 4
    # An infinite logit is a certain class, so it has a cost.
    assert queries == [2, 3, 4, 5] or (what == 'logits' and math.isinf(value))
    logits[:], boxes[:] = value, value
    assert len(match(logits, boxes, targets).queries) == 4


def test_objects_of_no_size() -> None:
    targets = [Targets(torch.tensor([0, 1]), torch.tensor([[.5, .5, 0, 0], [.2, .2, .1, 0]]))]
    assert len(match(*predictions(1, 1, 3), targets).queries) == 2
