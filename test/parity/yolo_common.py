# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the two YOLO parity checks share; no reference code is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import copy
import sys
from typing import Any
from unittest import mock

from networks import SIZES, random_images, randomise_yolo, through_a_file
import torch
from torch import Tensor, nn
from torch.nn import functional

from anydepth_core.models.base import RawPredictions

TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-9}
# A reference's outputs: (B, N, C) logits and (B, N, 4) centre x, y, width, height in pixels.
Outputs = tuple[Tensor, Tensor]
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def compare(reference: nn.Module, outputs: Callable[[Any], Outputs], attention: Attention,
            ) -> bool:
    """Print the largest differences at SIZES, in both precisions; return whether all are small.

    Args:
        reference: their network.
        outputs: takes what it returns to logits and boxes.
        attention: attention in the steps that it takes, see `main`.
    """
    agree = True
    for height, width in SIZES:
        images = random_images(2, height, width)
        theirs = copy.deepcopy(reference).float()
        randomise_yolo(theirs, lambda theirs=theirs, images=images: theirs(images))
        ours = through_a_file({'ema': None, 'model': theirs})
        with torch.inference_mode():
            single = predictions(theirs, outputs, images)
            found = {torch.float32: differences(ours(images, 'full'), single)}
            with mock.patch.object(functional, 'scaled_dot_product_attention', attention):
                same_order = differences(ours(images, 'full'), single)[0]
            exact = predictions(theirs.double(), outputs, images.double())
            found[torch.float64] = differences(ours.double()(images.double(), 'full'), exact)
        print(f'  {height}x{width}: logits of standard deviation '
              f'{exact.logits.std(1).mean():.2f}; float32 moves the reference itself by '
              f'{differences(single, exact)[0]:.1e}')
        for dtype, (logits, boxes) in found.items():
            agree &= max(logits, boxes) <= TOLERANCES[dtype]
            print(f'    {str(dtype).removeprefix("torch.")}: logits {logits:.1e}, boxes '
                  f'{boxes:.1e} of the longer side', end='')
            print(f'; with its steps of attention {same_order:.1e}'
                  if dtype == torch.float32 else '', flush=True)
    return agree


def predictions(reference: nn.Module, outputs: Callable[[Any], Outputs], images: Tensor,
                ) -> RawPredictions:
    """Return what their network predicts, in the form of ours."""
    logits, centred = outputs(reference(images))
    centre, half = centred[..., :2], centred[..., 2:] / 2
    return RawPredictions(logits, torch.cat((centre - half, centre + half), dim=-1))


def differences(actual: RawPredictions, expected: RawPredictions) -> tuple[float, float]:
    """Return the largest difference of logits, and of boxes as a fraction of the longer side."""
    longer = max(map(max, SIZES))
    return ((actual.logits - expected.logits).abs().max().item(),
            (actual.boxes - expected.boxes).abs().max().item() / longer)


def main(names: Mapping[str, str], build: Callable[[str], nn.Module],
         outputs: Callable[[Any], Outputs], attention: Attention) -> int:
    """Compare the sizes named on the command line, or all; return the exit status.

    Args:
        names: what they call each size.
        build: makes their network of that name.
        outputs: takes what it returns to logits and boxes.
        attention: scaled dot-product attention in the steps that it takes. We leave the steps to
            PyTorch's one call, which rounds in other places; with the same steps the logits are
            equal to the bit, which shows that rounding is all there is between the two.
    """
    agree = True
    for size in sys.argv[1:] or names:
        print(names[size])
        torch.manual_seed(0)
        agree &= compare(build(names[size]), outputs, attention)
    print('equal' if agree else 'NOT equal', 'within', TOLERANCES)
    return int(not agree)
