# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Events of a run that never was."""

from __future__ import annotations

import numpy as np
import torch

from anydepth_core.data.batches import Batch
from anydepth_core.data.dataset import Objects
from anydepth_core.evaluate.batches import Evaluation, Shown
from anydepth_core.evaluate.coco import Found, coco_scores
from anydepth_core.losses.assign import Targets
from anydepth_core.runtime.preprocess import place
from anydepth_core.train.events import BatchEvent, EvaluationEvent, StepEvent

NAMES = ('ball', 'robot', 'goal post')
IMAGE, INPUT = (60, 80), (64, 96)


def step(iteration: int, loss: float = 1.5, **more: float) -> StepEvent:
    """Return a logged step; `more` are further terms, with __ for the slash."""
    terms = {'full/classes': loss, 'base/box': 0.25, 'distill/features': 0.125}
    return StepEvent(iteration, 100, terms | {name.replace('__', '/'): value
                                              for name, value in more.items()},
                     1e-3, 12.5, {'data': 0.1, 'forward': 0.2, 'backward': 0.4, 'optimizer': 0.1})


def evaluation(names: tuple[str, ...] = NAMES, images: int = 3, shift: int = 1,
               seed: int = 0) -> Evaluation:
    """Return an evaluation in which boxes are `shift` pixels off and one class is missed."""
    rng = np.random.default_rng(seed)
    truth, found, shown = [], [], []
    for index in range(images):
        corner = rng.integers(0, 30, (4, 2))
        boxes = np.concatenate((corner, corner + 25), axis=1).astype(np.float32)
        labels = rng.integers(0, len(names), 4)
        crowd = np.array([False, False, False, index == 0])
        truth.append(Objects(boxes, labels, crowd, np.full(4, 625, np.float32)))
        seen = labels > 0
        found.append(Found(boxes[seen] + np.float32(shift), rng.random(4).astype(np.float32)[seen],
                           labels[seen]))
        shown.append(Shown(rng.integers(0, 256, (*INPUT, 3), np.uint8),
                           place(IMAGE, INPUT, 'letterbox')))
    return Evaluation(coco_scores(truth, found, len(names)), truth, found,
                      [f'{index}.jpg' for index in range(images)], shown)


def evaluated(iteration: int, names: tuple[str, ...] = NAMES) -> EvaluationEvent:
    """Return an evaluation of full and base."""
    return EvaluationEvent(iteration, {'full': evaluation(names), 'base': evaluation(names,
                                                                                    shift=4)},
                           names)


def batch(iteration: int = 0) -> BatchEvent:
    """Return a batch of two images, one of them without objects."""
    targets = [Targets(torch.tensor([0, 2]), torch.tensor([[1., 2., 30., 40.], [40, 5, 90, 60]])),
               Targets(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))]
    images = torch.randint(0, 256, (2, 3, *INPUT), dtype=torch.uint8)
    return BatchEvent(iteration, Batch(images, targets, ['a.jpg', 'b.jpg'], [], []))
