# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Check `model.at(depth)(x) == model(x, depth)` for every registered model, at 640x640.

    python test/parity/static_equals_dynamic.py [PATTERN] [--size 640] [--mixtures 2] [--single]

Random weights; norms with statistics near those of the images, different in every path. Prints
the largest differences of logits and boxes (pixels) per model and depth: full, base and random
mixtures. In double precision, or a DETR of random weights would select other queries by rounding
(--single shows that). Exits with 1 if one is too large. Takes many minutes; pytest does not
collect this file.
"""

from __future__ import annotations

import argparse
import random
import sys

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d
from yolo_common import measure, random_images

from anydepth_core.models import AnyDepthModel, RawPredictions, create_model, list_models

TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-3}


@torch.no_grad()
def randomise(model: AnyDepthModel, images: Tensor) -> AnyDepthModel:
    """Give every norm of both paths random weights and statistics near those of the images."""
    hooks = []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            module.weight.uniform_(0.7, 1.3)
            module.bias.normal_(0, 0.2)
            hooks.append(module.register_forward_pre_hook(measure))
    for parameter in model.parameters():
        # What starts at zero would hide what comes before it.
        if parameter.ndim > 1 and not parameter.any():
            parameter.normal_(0, 0.02)
    model.eval()
    for depth in ('base', 'full'):
        model(images, depth)
    for hook in hooks:
        hook.remove()
    return model


def difference(actual: RawPredictions, expected: RawPredictions) -> tuple[float, float]:
    """Return the largest differences of logits and boxes.

    A DETR's queries are in order of their scores, which rounding may swap; each is compared with
    its nearest.
    """
    nearest = torch.arange(expected.boxes.shape[1])[None]
    if expected.boxes.shape[1] <= 300:
        both = [torch.cat((raw.logits, raw.boxes / 640), dim=-1) for raw in (expected, actual)]
        nearest = torch.cdist(*both, compute_mode='donot_use_mm_for_euclid_dist').argmin(-1)
    logits, boxes = (part.take_along_dim(nearest[..., None], dim=1) for part in actual)
    return ((logits - expected.logits).abs().max().item(),
            (boxes - expected.boxes).abs().max().item())


@torch.inference_mode()
def main() -> int:
    """Compare the models that match the pattern."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pattern', nargs='?', default='*')
    parser.add_argument('--size', type=int, default=640)
    parser.add_argument('--mixtures', type=int, default=2)
    parser.add_argument('--single', action='store_true')
    args = parser.parse_args()
    bad = False
    for name in list_models(args.pattern):
        torch.manual_seed(0)
        source = random.Random(0)
        dtype = torch.float32 if args.single else torch.float64
        images = random_images(1, args.size, args.size).to(dtype)
        model = randomise(create_model(name).to(dtype), images)
        depths = [model.depths.full, model.depths.base,
                  *(model.depths.sample(source) for _ in range(args.mixtures))]
        for depth in depths:
            errors = difference(model.at(depth)(images), model(images, depth))
            bad |= max(errors[0], errors[1] / args.size) > TOLERANCES[dtype]
            print(f'{name:32}{depth!s:36} logits {errors[0]:.1e}  boxes {errors[1]:.1e}',
                  flush=True)
    return int(bad)


if __name__ == '__main__':
    sys.exit(main())
