# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the RT-DETR tests share."""

from __future__ import annotations

from scipy.optimize import linear_sum_assignment
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FrozenBatchNorm2d

from anydepth_core.models.base import RawPredictions
from anydepth_core.models.rtdetr import AnyDepthDetr


def random_images(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Return images with structure at several scales, so that no two places look the same."""
    source = torch.Generator().manual_seed(seed)
    noise = [F.interpolate(torch.randn(batch, 3, height // step, width // step, generator=source),
                           (height, width), mode='bilinear') for step in (1, 8, 32)]
    return torch.stack(noise).sum(0).sigmoid()


@torch.no_grad()
def randomise(model: AnyDepthDetr, seed: int = 0) -> AnyDepthDetr:
    """Give the model random weights and norm statistics, different in the two paths.

    Norms get roughly the statistics of their inputs, otherwise the signal dies in the neck and
    queries are selected by rounding. They leave most of it where activations are nearly straight:
    as in a trained network, rounding does not grow from layer to layer.
    """
    torch.manual_seed(seed)

    def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        deviation, mean = torch.std_mean(inputs[0], (0, 2, 3))
        norm.running_var.copy_(deviation ** 2 * torch.empty_like(mean).uniform_(0.5, 1.5) + 1e-3)
        norm.running_mean.copy_(mean * torch.empty_like(mean).uniform_(0.8, 1.2))

    for name, tensor in model.named_parameters():
        if tensor.dim() > 1:
            calm = 0.1 if 'offsets' in name or 'box_head' in name else 1.0
            tensor.normal_(0, calm * tensor[0].numel() ** -0.5)
    hooks = []
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            module.weight.uniform_(0.5, 1.0)
            module.bias.normal_(0.5, 0.2)
            hooks.append(module.register_forward_pre_hook(measure))
        elif isinstance(module, nn.LayerNorm):
            module.weight.uniform_(0.7, 1.3)
            module.bias.normal_(0, 0.2)
    model.eval()
    for depth in ('full', 'base'):
        model(random_images(2, 320, 320, seed=9), depth)
    for hook in hooks:
        hook.remove()
    return model


def assert_same(actual: RawPredictions, expected: RawPredictions, tolerance: float = 1e-4) -> None:
    """Assert equal logits, and boxes equal to the tolerance times 1000 pixels, query by query.

    Queries selected with scores equal to rounding may have changed places.
    """
    for row in range(len(expected.logits)):
        order = linear_sum_assignment(torch.cdist(expected.logits[row], actual.logits[row]))[1]
        torch.testing.assert_close(actual.logits[row, order], expected.logits[row],
                                   atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(actual.boxes[row, order], expected.boxes[row],
                                   atol=1e3 * tolerance, rtol=0)
