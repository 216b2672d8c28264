# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the two YOLO parity checks share; no reference code is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
import sys
import tempfile
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.importers import import_weights, plan_import, read_checkpoint

SIZES = ((640, 640), (480, 672))
# Rounding grows from layer to layer; what double precision does not remove is a real difference.
TOLERANCES = {torch.float32: 1e-3, torch.float64: 1e-9}
# A reference's outputs: (B, N, C) logits and (B, N, 4) centre x, y, width, height in pixels.
Outputs = tuple[Tensor, Tensor]


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
def randomise_norms(model: nn.Module, images: Tensor) -> None:
    """Give every norm random weights, and random statistics near those of the images.

    Far from them, the signals of a random network grow until rounding is all one measures.
    """
    hooks = []
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.weight.uniform_(0.7, 1.3)
        norm.bias.normal_(0, 0.2)
        hooks.append(norm.register_forward_pre_hook(measure))
    model.eval()(images)
    for hook in hooks:
        hook.remove()


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


def compare(reference: nn.Module, outputs: Callable[[Any], Outputs]) -> bool:
    """Print the largest differences at SIZES, in both precisions; return whether all are small.

    Args:
        reference: their network; its norms are changed.
        outputs: takes what it returns to logits and boxes.
    """
    agree = True
    for height, width in SIZES:
        images = random_images(2, height, width)
        randomise_norms(reference.float(), images)
        ours = through_a_file({'ema': None, 'model': reference})
        for dtype, tolerance in TOLERANCES.items():
            errors = differences(ours.to(dtype), reference.to(dtype), outputs, images.to(dtype))
            agree &= max(errors) <= tolerance
            print(f'  {height}x{width} {str(dtype).removeprefix("torch.")}: logits '
                  f'{errors[0]:.1e}, boxes {errors[1]:.1e} of the longer side', flush=True)
    return agree


@torch.inference_mode()
def differences(ours: AnyDepthModel, reference: nn.Module, outputs: Callable[[Any], Outputs],
                images: Tensor) -> tuple[float, float]:
    """Return the largest difference of logits, and of boxes as a fraction of the longer side."""
    logits, centred = outputs(reference(images))
    centre, half = centred[..., :2], centred[..., 2:] / 2
    boxes = torch.cat((centre - half, centre + half), dim=-1)
    raw = ours(images, 'full')
    return ((raw.logits - logits).abs().max().item(),
            (raw.boxes - boxes).abs().max().item() / max(images.shape[2:]))


def main(names: Mapping[str, str], build: Callable[[str], nn.Module],
         outputs: Callable[[Any], Outputs]) -> int:
    """Compare the sizes named on the command line, or all; return the exit status."""
    agree = True
    for size in sys.argv[1:] or names:
        print(names[size])
        torch.manual_seed(0)
        agree &= compare(build(names[size]), outputs)
    print('equal' if agree else 'NOT equal', 'within', TOLERANCES)
    return int(not agree)
