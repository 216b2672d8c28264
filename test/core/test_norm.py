# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The batch norm that does not learn is the one that torchvision has."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d as Torchvisions

from anydepth_core.nn.norm import FrozenBatchNorm2d


def learnt() -> nn.BatchNorm2d:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(5)
    for values in (norm.weight.data, norm.bias.data, norm.running_mean):
        values.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm.eval()


def test_equals_torchvisions_and_one_that_stopped_learning() -> None:
    norm, ours, theirs = learnt(), FrozenBatchNorm2d(5), Torchvisions(5)
    for frozen in (ours, theirs):
        assert not frozen.load_state_dict(norm.state_dict())[0]
    x = torch.randn(2, 5, 3, 4)
    assert ours(x).equal(theirs(x)) and ours.train()(x).equal(theirs(x))
    torch.testing.assert_close(ours(x), norm(x))


def test_has_the_state_and_no_parameter_of_torchvisions() -> None:
    ours, theirs = FrozenBatchNorm2d(5), Torchvisions(5)
    assert not list(ours.parameters())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(value.equal(theirs.state_dict()[name]) for name, value in ours.state_dict().items())
    x = torch.randn(2, 5, 3, 4)
    assert ours(x).equal(theirs(x))
