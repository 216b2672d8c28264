# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Learn a few scenes by heart: `python benchmarks/overfit.py {yolo,detr} [--scenes 8]`.

Networks, assignment, losses and distillation have to work together for that, at both extremes.
Trains the family's tiny network from random weights, all scenes in every step, without
augmentation or averaging, and prints AP50 on the same scenes at full and base and the seconds it
took. Exits with 1 if one is not above 0.9.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from command import end
import torch
from torch import nn

from anydepth_core.commands.arguments import at_least
from anydepth_core.data.batches import Batch, validation_batches
from anydepth_core.data.dataset import SceneImages
from anydepth_core.evaluate.batches import evaluate_depths
from anydepth_core.losses.detr import DetrLossWeights
from anydepth_core.losses.distill_detr import DetrDistillation
from anydepth_core.losses.distill_yolo import YoloDistillation
from anydepth_core.losses.yolo import YoloLossWeights
from anydepth_core.models import create_model
from anydepth_core.models.rtdetr import AnyDepthDetr
from anydepth_core.models.yolo import AnyDepthYolo
from anydepth_core.runtime.cores import share_cores
from anydepth_core.train.memory import keep_freed_memory
from anydepth_core.train.step import TrainingStep, YoloStep
from anydepth_core.train.step_detr import DetrStep

ENOUGH = 0.9
LEARNING_RATES = {'yolo': 1e-2, 'detr': 1e-3}
# So few steps would leave the usual norms with the statistics of the random start.
NORM_MOMENTUM = 0.3


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('family', choices=LEARNING_RATES)
    parser.add_argument('--scenes', type=int, default=8)
    parser.add_argument('--size', type=int, nargs=2, default=(192, 256),
                        metavar=('HEIGHT', 'WIDTH'))
    parser.add_argument('--steps', type=at_least(1), default=200)
    parser.add_argument('--seed', type=int, default=0, help='of the weights')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args()
    share_cores()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    scenes = SceneImages(10, args.scenes, [tuple(args.size)])
    batch = next(validation_batches(scenes, input_size=tuple(args.size), resize='letterbox',
                                    batch=args.scenes, workers=0))
    step = make_step(args.family, len(scenes.class_names))
    begun = time.perf_counter()
    learn(step, batch, args.steps, LEARNING_RATES[args.family])
    seconds = time.perf_counter() - begun
    scores = {depth: evaluation.scores.ap50 for depth, evaluation
              in evaluate_depths(step.model, [batch], ['full', 'base']).items()}
    if args.json:
        print(json.dumps({'ap50': scores, 'seconds': seconds}))
    else:
        objects = sum(len(targets.labels) for targets in batch.targets)
        print(f'{args.family}: {args.scenes} scenes, {objects} objects, {args.steps} steps in '
              f'{seconds:.0f} s: ' + ', '.join(f'AP50 {score:.3f} at {depth}'
                                               for depth, score in scores.items()))
    return int(min(scores.values()) <= ENOUGH)


def make_step(family: str, classes: int) -> TrainingStep[Any, Any]:
    """Return the step of the family's tiny network with the paper's distillation."""
    model = create_model(f'anydepth-{family}-tiny', classes)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = NORM_MOMENTUM
    if isinstance(model, AnyDepthDetr):
        return DetrStep(model, DetrLossWeights(), DetrDistillation())
    assert isinstance(model, AnyDepthYolo)
    return YoloStep(model, YoloLossWeights(), YoloDistillation())


def learn(step: TrainingStep[Any, Any], batch: Batch, steps: int, rate: float) -> None:
    """Train on one batch so many times, with a learning rate that rises to `rate` and falls."""
    images = batch.images.float() / 255
    optimizer = torch.optim.AdamW(step.parameters(), lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    step.train()
    for _ in range(steps):
        terms = step(images, batch.targets)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        schedule.step()


if __name__ == '__main__':
    end(main)
