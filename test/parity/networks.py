# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Random images and random networks for the parity checks; no reference code is imported here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
import tempfile
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.ops import FrozenBatchNorm2d

from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.importers import import_weights, plan_import, read_checkpoint
from anydepth_core.models.rtdetr.backbone import ResidualBlock

SIZES = ((640, 640), (480, 672))
# Brings the class scores of a random network to a standard deviation of about one per map.
HEAD_GAIN = 4.0
# Norms after which most of a signal lies where ReLU and SiLU are nearly straight.
CALM: Any = {'weight': (0.5, 1.0), 'bias': (0.5, 0.2)}


def random_images(count: int, height: int, width: int) -> Tensor:
    """Return random images with structure at several scales, (count, 3, height, width)."""
    noise = [interpolate(torch.randn(count, 3, height // step, width // step), (height, width),
                         mode='bilinear') for step in (1, 2, 4, 8, 16, 32)]
    return torch.stack(noise).sum(0).sigmoid()


def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Give a norm roughly the statistics of its input, so that no signal grows or dies on the way.

    The variance is that around zero: dividing a large mean's small deviations would magnify
    rounding.
    """
    power, mean = inputs[0].square().mean((0, 2, 3)), inputs[0].mean((0, 2, 3))
    norm.running_var.copy_(power * torch.empty_like(mean).uniform_(0.5, 1.5))
    norm.running_mean.copy_(mean * torch.empty_like(mean).uniform_(0.5, 1.5))


@torch.no_grad()
def randomise_norms(model: nn.Module, run: Callable[[], object], *, weight: tuple[float, float],
                    bias: tuple[float, float], weak: Collection[nn.Module] = ()) -> None:
    """Give every batch norm random weights, and statistics near those of its input.

    Near, so that the signal stays as large as it is; not equal, so that a norm left out shows.

    Args:
        model: their network or ours; left in evaluation mode.
        run: runs it on the images whose statistics the norms get.
        weight: smallest and largest.
        bias: mean and standard deviation.
        weak: norms that get 0.3 of both.
    """
    hooks = []
    for module in model.eval().modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            module.weight.uniform_(*weight)
            module.bias.normal_(*bias)
            if module in weak:
                module.weight.mul_(0.3)
                module.bias.mul_(0.3)
            hooks.append(module.register_forward_pre_hook(measure))
    run()
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def randomise_yolo(model: nn.Module, run: Callable[[], object]) -> None:
    """Give a YOLO random norms, gammas and heads with which rounding grows as in a trained one.

    With norms of weight one and bias zero, SiLU bends half of every signal, and each difference
    grows by a tenth a layer, fortyfold in all. No trained network does that: in the packaged one
    rounding is as large at the end as at the start. With these norms most of a signal lies above
    zero, where SiLU is nearly straight. yolo_faults.py shows that a mistake is still seen.

    Args:
        model: their network or ours; left in evaluation mode.
        run: runs it on the images whose statistics the norms get.
    """
    for name, parameter in model.named_parameters():
        if name.endswith('gamma'):  # the start, 0.01, would hide the attention stages
            parameter.uniform_(0.1, 0.5)
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            module.weight.mul_(HEAD_GAIN)
    randomise_norms(model, run, **CALM)


@torch.no_grad()
def randomise(model: AnyDepthModel, images: Tensor) -> AnyDepthModel:
    """Give our network of either family random norms, different in every path, and heads."""
    def run() -> None:
        for depth in ('base', 'full'):
            model(images, depth)

    if model.family == 'yolo':
        randomise_yolo(model, run)
        return model
    for name, parameter in model.named_parameters():
        if 'class_head' in name and parameter.ndim > 1:
            parameter.mul_(HEAD_GAIN)
        elif parameter.ndim > 1 and not parameter.any():
            parameter.normal_(0, 0.02)  # what starts at zero would hide what comes before it
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.weight.uniform_(0.7, 1.3)
            module.bias.normal_(0, 0.2)
    # As in trained ones, a residual block changes its input by less than that is.
    added = [module.branch[-1].norm for module in model.modules()
             if isinstance(module, ResidualBlock)]
    randomise_norms(model, run, **CALM, weak=added)
    return model


def through_a_file(content: object) -> AnyDepthModel:
    """Save a checkpoint as its authors would, import it as a stranger's, return our network."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'checkpoint.pt')
        torch.save(content, path)
        checkpoint = read_checkpoint(path)
        report = plan_import(checkpoint)
        model, _ = import_weights(checkpoint, report)
    print(f'  {report.format.title} -> {report.model}: {len(report.matched)} matched, '
          f'{len(report.missing)} missing, {len(report.left_over)} left over', flush=True)
    return model
