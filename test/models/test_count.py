# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Counting: by hand for a network small enough, and in order along the depths."""

import pytest
import torch
from torch import nn

from anydepth_core.depth import DepthSpace
from anydepth_core.models.base import AnyDepthModel, RawPredictions
from anydepth_core.models.count import count_gflops, count_parameters
from anydepth_core.models.registry import create_model


class ByHand(AnyDepthModel):
    """One convolution and one linear layer that shares nothing, and a norm."""

    depths = DepthSpace(('p2',))

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.linear = nn.Linear(8, 5)
        self.again = self.linear

    def forward(self, images, depth):
        x = self.norm(self.conv(images)).flatten(2).mT
        x = self.linear(x)
        if self.depths.resolve(depth)['p2']:
            x = self.again(x @ x.mT @ x @ self.linear.weight)
        return RawPredictions(x, x)


def test_by_hand():
    model = ByHand()
    assert count_parameters(model) == 3 * 8 * 9 + 2 * 8 + 8 * 5 + 5
    conv, linear = 2 * 32 * 32 * 3 * 8 * 9, 2 * 32 * 32 * 8 * 5
    assert count_gflops(model, 'base', (64, 64)) * 1e9 == pytest.approx(conv + linear)
    assert next(model.parameters()).device.type == 'cpu'


@pytest.mark.parametrize('name', ['anydepth-yolo-tiny', 'anydepth-detr-tiny'])
def test_cost_grows_with_depth_and_size(name):
    with torch.device('meta'):
        model = create_model(name)
    ladder = ('base', 'base+p4', 'full-p2', 'full')
    costs = [count_gflops(model, depth, (64, 64)) for depth in ladder]
    assert costs == sorted(set(costs))
    assert count_gflops(model, 'base', (128, 64)) > 1.5 * costs[0]
