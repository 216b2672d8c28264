# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Two paths that share every convolution and no norm."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from anydepth_core.nn.conv import ConvNorm, RepConv, fuse
from anydepth_core.nn.stage import TwoPathStage, two_paths


class Block(nn.Module):
    """A residual block whose shortcut is one object in both paths."""

    shared_norms = ('shortcut',)

    def __init__(self, norm=nn.BatchNorm2d) -> None:
        super().__init__()
        self.branch = ConvNorm(4, 4, 3, activation=nn.ReLU(), norm=norm)
        self.shortcut = ConvNorm(4, 4, norm=norm)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        return self.shortcut(x) + self.scale * self.branch(x)


def stage(norm=nn.BatchNorm2d) -> TwoPathStage:
    torch.manual_seed(0)
    made = two_paths(lambda full: nn.Sequential(*(Block(norm) for _ in range(3 if full else 2))))
    for module in made.modules():
        if isinstance(module, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
    return made.eval()


@pytest.mark.parametrize('norm', [nn.BatchNorm2d, FrozenBatchNorm2d])
def test_what_is_shared(norm) -> None:
    made = stage(norm)
    for full, essential in zip(made.full, made.essential):
        assert full.branch.conv.weight is essential.branch.conv.weight
        assert full.scale is essential.scale
        assert full.branch.norm is not essential.branch.norm
        assert full.branch.norm.weight is not essential.branch.norm.weight
        assert full.shortcut is essential.shortcut


def test_each_path_is_the_plain_module() -> None:
    made, x = stage(), torch.randn(2, 4, 8, 8)
    assert made(x, full=True).equal(made.full(x))
    assert made(x, full=False).equal(made.essential(x))
    assert not made.essential(x).equal(made.full[:2](x))
    for full, essential in zip(made.full, made.essential):
        essential.branch.norm.load_state_dict(full.branch.norm.state_dict())
    assert made.essential(x).equal(made.full[:2](x))


def test_gradients_add_up() -> None:
    made, x = stage().train(), torch.randn(2, 4, 8, 8)
    weight = made.full[0].branch.conv.weight
    gradients = []
    for full in (True, False):
        made.zero_grad()
        made(x, full=full).square().sum().backward()
        gradients.append(weight.grad.clone())
    made.zero_grad()
    (made(x, full=True).square().sum() + made(x, full=False).square().sum()).backward()
    torch.testing.assert_close(weight.grad, gradients[0] + gradients[1])
    assert len({id(p) for p in made.parameters()}) == len(list(made.parameters()))


def test_a_weight_of_another_shape_is_owned() -> None:
    made = two_paths(lambda full: nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6 if full else 5,
                                                                              1)))
    assert made.full[0].weight is made.essential[0].weight
    assert made.full[1].weight is not made.essential[1].weight


def test_an_optimizer_step_moves_both_paths() -> None:
    made, x = stage(), torch.randn(1, 4, 8, 8)
    before = made(x, full=False)
    optimizer = torch.optim.SGD([made.full[0].branch.conv.weight], 0.1)
    made(x, full=True).sum().backward()
    optimizer.step()
    assert not made(x, full=False).equal(before)


def test_copies_share_within_themselves() -> None:
    made = stage()
    copied = copy.deepcopy(made).half().float()
    assert copied.full[1].branch.conv.weight is copied.essential[1].branch.conv.weight
    assert copied.full[1].branch.conv.weight is not made.full[1].branch.conv.weight
    assert copied.full[0].shortcut is copied.essential[0].shortcut


def test_paths_with_nothing_in_common() -> None:
    with pytest.raises(ValueError, match='no parameter in common'):
        TwoPathStage(nn.Sequential(nn.Conv2d(1, 2, 3)), nn.Sequential(nn.Conv2d(1, 3, 1)))
    with pytest.raises(ValueError, match='no parameter in common'):
        TwoPathStage(nn.Sequential(nn.BatchNorm2d(3)), nn.Sequential(nn.BatchNorm2d(3)))


@pytest.mark.parametrize('norm', [nn.BatchNorm2d, FrozenBatchNorm2d])
def test_fusing_makes_the_paths_independent(norm) -> None:
    made, x = stage(norm).requires_grad_(False), torch.randn(1, 4, 8, 8)
    expected = made(x, full=True), made(x, full=False)
    fused = fuse(copy.deepcopy(made))
    torch.testing.assert_close(fused(x, full=True), expected[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fused(x, full=False), expected[1], atol=1e-5, rtol=1e-5)
    assert not [module for module in fused.modules()
                if isinstance(module, (nn.BatchNorm2d, FrozenBatchNorm2d))]
    assert fused.full[0].branch[0].weight is not fused.essential[0].branch[0].weight
    torch.testing.assert_close(made(x, full=False), expected[1])


@pytest.mark.parametrize('norm', [nn.BatchNorm2d, FrozenBatchNorm2d])
def test_rep_conv_fuses(norm) -> None:
    torch.manual_seed(0)
    block = RepConv(4, activation=nn.SiLU(), norm=norm).eval().requires_grad_(False)
    for part in (block.conv3, block.conv1):
        part.norm.running_mean.normal_()
        part.norm.running_var.uniform_(0.5, 2)
    x = torch.randn(1, 4, 9, 7)
    fused = block.fused()
    torch.testing.assert_close(fused(x), block(x), atol=1e-5, rtol=1e-5)
    assert sum(isinstance(module, nn.Conv2d) for module in fused.modules()) == 1


def test_sliced_columns_fuse() -> None:
    torch.manual_seed(0)
    made = ConvNorm(2, 3, sliced_from=5).eval().requires_grad_(False)
    made.norm.running_mean.normal_()
    x = torch.randn(1, 2, 4, 4)
    fused = made.fused()
    assert fused.weight.shape == (3, 2, 1, 1) and made.conv.weight.shape == (3, 5, 1, 1)
    torch.testing.assert_close(fused(x), made(x))
