# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions of joined maps, and those that are split: whole, fused and in parts."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from anydepth_core.models.base import two_path_stages
from anydepth_core.models.registry import create_model
from anydepth_core.nn.conv import fuse
from anydepth_core.nn.divided import (
    Divisible,
    DoubledSum,
    JoinConvNorm,
    SideBySide,
    SplitConvNorm,
    divide,
)


def lively(module):
    torch.manual_seed(0)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.normal_()
            each.running_var.uniform_(0.5, 2)
            each.weight.data.uniform_(0.5, 2)
            each.bias.data.normal_()
    return module.eval()


def outputs(module, *inputs):
    with torch.no_grad():
        found = module(*inputs)
    return found if isinstance(found, tuple) else (found,)


def forms(module):
    """Yield the module in its other forms."""
    holder = nn.Sequential(copy.deepcopy(module))
    yield fuse(copy.deepcopy(module))
    divide(holder)
    assert not any(isinstance(each, Divisible) for each in holder.modules())
    yield holder[0]
    yield fuse(copy.deepcopy(holder[0]))


@pytest.mark.parametrize('count, repeats', [(1, 1), (2, 1), (3, 1), (3, 4), (2, 6)])
@pytest.mark.parametrize('activation', [None, nn.SiLU()])
def test_split_is_the_same_in_every_form(count, repeats, activation):
    module = lively(SplitConvNorm(5, 24, count, repeats, activation=activation))
    x = torch.randn(2, 5, 4, 6)
    expected = outputs(module, x)
    whole = torch.zeros(2, 24, 4, 6)
    of_map = torch.arange(24).reshape(repeats, count, -1)
    for index, each in enumerate(expected):
        whole[:, of_map[:, index].flatten()] = each
    with torch.no_grad():
        plain = module.norm(module.conv(x))
    assert whole.equal(plain if activation is None else activation(plain))
    for form in forms(module):
        for one, other in zip(outputs(form, x), expected, strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize('activation', [None, nn.SiLU()])
def test_join_is_the_same_in_every_form(activation):
    module = lively(JoinConvNorm(3, 4, 6, activation=activation))
    deeper, beside = torch.randn(2, 3, 4, 6), torch.randn(2, 4, 8, 12)
    up = deeper.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    with torch.no_grad():
        plain = module.norm(module.conv(torch.cat((up, beside), dim=1)))
    expected, = outputs(module, deeper, beside)
    assert expected.equal(plain if activation is None else activation(plain))
    for form in forms(module):
        torch.testing.assert_close(outputs(form, deeper, beside)[0], expected)


@pytest.mark.parametrize('name', ['anydepth-yolo-tiny', 'anydepth-yolo-n-ultralytics'])
def test_a_divided_network_shares_what_it_shared(name):
    model = lively(create_model(name))
    divided = copy.deepcopy(model)
    divide(divided)
    kinds = [type(each) for each in divided.modules()]
    assert SideBySide in kinds and DoubledSum in kinds

    def kernels(network):
        return {id(each): each.numel() for each in network.parameters() if each.dim() == 4}

    assert sum(kernels(divided).values()) == sum(kernels(model).values())
    for stage in two_path_stages(divided).values():
        full = dict(stage.full.named_parameters())
        tied = [(full[name], each) for name, each in stage.essential.named_parameters()
                if each.dim() == 4 and name in full and full[name].shape == each.shape]
        assert tied and all(one is other for one, other in tied)
    images = torch.rand(1, 3, 64, 96)
    for depth in model.depths.covering:
        for one, other in zip(outputs(model, images, depth), outputs(divided, images, depth)):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float16])
def test_parts_are_of_the_type_of_the_whole(dtype):
    divided = nn.Sequential(SplitConvNorm(4, 8, 2)).to(dtype)
    divide(divided)
    assert {each.dtype for each in divided.parameters()} == {dtype}
