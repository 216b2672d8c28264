# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Whether batches pay: on detectors that only say how long they took."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from anydepth_core.depth import DepthSpace
from anydepth_core.detections import FrameTiming
from anydepth_core.runtime.batching import MOST_IMAGES, Batching, measure_batching, pays


class Says:
    """A detector whose pass of `n` images at a depth takes `cost(n, depth)` ms."""

    depths = DepthSpace()
    input_size = (32, 32)

    def __init__(self, cost):
        self._cost = cost
        self.sizes: list[int] = []

    def detect_batch(self, images, *, depth):
        self.sizes.append(len(images))
        share = self._cost(len(images), str(depth)) / len(images)
        return [SimpleNamespace(timing=FrameTiming(0.0, share, 0.0))] * len(images)


def test_a_batch_pays_if_its_images_are_done_no_later_on_average():
    assert pays(2, 0.75) and not pays(2, 0.76)
    assert pays(3, 2 / 3) and not pays(3, 0.67)


@pytest.mark.parametrize(('cost', 'most', 'found'), [
    (lambda n, depth: 10 * n, 4, 1),  # a CPU: twice the work takes twice the time
    (lambda n, depth: 9 + n, 4, 4),  # a large GPU: launching costs more than computing
    (lambda n, depth: 9 + n, 99, MOST_IMAGES),
    (lambda n, depth: 10 if n < 3 else 10 * n, 4, 2),  # full at two
    (lambda n, depth: 10 if depth == 'base' else 10 * n, 4, 1),  # pays at base alone
    (lambda n, depth: 9 + n, 1, 1),
])
def test_the_largest_that_pays_at_both_extremes_is_found(cost, most, found):
    detector = Says(cost)
    batching = measure_batching(detector, most)
    assert batching.most == found
    assert not detector.sizes or max(detector.sizes) <= found + 1


def test_what_was_found_is_told_with_its_numbers():
    assert '2 in one pass take 1.00 of the time of 2 passes' in str(
        measure_batching(Says(lambda n, depth: 10 * n), 2))
    assert 'do not pay' in str(Batching(1, {2: 1.0}))
    assert 'up to 3' in str(Batching(3, {2: 0.6, 3: 0.5}))
    assert 'nothing to batch' in str(Batching())


def test_measuring_ends_when_it_is_told_to():
    detector = Says(lambda n, depth: 9 + n)
    assert measure_batching(detector, 8, lambda: True).most == 1
    assert len(detector.sizes) <= 2
