# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a step takes: images of a drawn size, and boxes that follow them."""

from __future__ import annotations

from tiny_runs import recipe
import torch

from anydepth_core.data.batches import Batch
from anydepth_core.losses.assign import Targets
from anydepth_core.train.inputs import input_size, to_inputs


def batch_of(*boxes: list[int]) -> Batch:
    """Return black images of 96x128, a white box in each."""
    images = torch.zeros(len(boxes), 3, 96, 128, dtype=torch.uint8)
    for image, (left, top, right, bottom) in zip(images, boxes):
        image[:, top:bottom, left:right] = 255
    targets = [Targets(torch.tensor([i]), torch.tensor([box]).float())
               for i, box in enumerate(boxes)]
    return Batch(images, targets, [f'image {i}' for i in range(len(boxes))], [], [])


def test_sizes_are_the_nearest_multiples_of_32_to_the_scales() -> None:
    """At 0.6, 57.6 rounds up and 76.8 down."""
    for scale, size in ((0.6, (64, 64)), (1.0, (96, 128)), (1.25, (128, 160))):
        assert input_size(recipe(scales=[scale]), 0) == size
    assert input_size(recipe(input_size=[32, 128], scales=[0.25]), 0) == (32, 32), 'not 0'
    both = recipe(scales=[0.6, 1.0])
    assert {input_size(both, iteration) for iteration in range(20)} == {(64, 64), (96, 128)}


def test_boxes_follow_the_images() -> None:
    """From 96x128 to 64x64: heights to two thirds, widths to a half."""
    batch = batch_of([16, 24, 64, 72], [0, 48, 32, 96])
    images, targets, ids = to_inputs(batch, (64, 64), torch.device('cpu'))
    assert images.shape == (2, 3, 64, 64) and ids == ['image 0', 'image 1']
    for image, target, expected in zip(images, targets, ([8, 16, 32, 48], [0, 32, 16, 64])):
        torch.testing.assert_close(target.boxes, torch.tensor([expected]).float())
        rows, columns = (image[0] > 0.5).nonzero(as_tuple=True)
        white = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert [int(edge) for edge in white] == expected
    assert [target.labels.tolist() for target in targets] == [[0], [1]]


def test_boxes_stay_where_the_size_is_the_same() -> None:
    images, targets, _ = to_inputs(batch_of([16, 24, 64, 72]), (96, 128), torch.device('cpu'))
    assert images.unique().tolist() == [0, 1]
    assert targets[0].boxes.tolist() == [[16, 24, 64, 72]]
