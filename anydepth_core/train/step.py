# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One training step: all its passes in one forward, so that one backward serves them."""

from __future__ import annotations

from collections.abc import Sequence
import random
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from anydepth_core.depth import Depth
from anydepth_core.losses.align import align_features
from anydepth_core.losses.assign import Assignment, Targets
from anydepth_core.losses.distill_detr import DetrDistillation
from anydepth_core.losses.distill_yolo import YoloDistillation, distill_yolo
from anydepth_core.losses.yolo import YoloLossWeights, assign_batch, yolo_loss
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.yolo import AnyDepthYolo
from anydepth_core.models.yolo.head import DenseOutputs

Terms = dict[str, Tensor]
Passes = Literal['both', 'full', 'base']
Task = TypeVar('Task')
Pass = TypeVar('Pass')


class TrainingStep(nn.Module, Generic[Task, Pass]):
    """The full pass against ground truth, the base pass against both (paper Eq. 4 and 5).

    Args:
        model: the network that is trained.
        distillation: how a pass learns from the full pass.
        passes: 'both' extremes, or one of them against ground truth alone.
        sandwich: a third pass at a random mixture of stages, which learns as base does. Every
            process of a distributed run draws its own. Only with 'both'.
    """

    model: AnyDepthModel

    def __init__(self, model: AnyDepthModel, distillation: YoloDistillation | DetrDistillation,
                 passes: Passes, sandwich: bool) -> None:
        super().__init__()
        self.model = model
        self.alpha = distillation.alpha
        self.passes = passes
        self.sandwich = sandwich

    def forward(self, images: Tensor, targets: Sequence[Targets]) -> Terms:
        """Return every weighted term, a scalar; the loss to minimise is their sum.

        Args:
            images: (B, 3, H, W) float in [0, 1].
            targets: the objects of each image, in pixels of `images`, on their device.

        Ground-truth terms are 'full/NAME' and 'base/NAME', those of the teacher 'distill/NAME'; of
        the third pass 'mixture/NAME' and 'distill_mixture/NAME'. A term that the options weigh
        with 0 is left out; which terms there are depends on nothing else.
        """
        depths = self.model.depths
        task = self.prepare(images, targets)
        # Once for all passes: nothing in it depends on the depth.
        stem = self.model.stem(images)
        if self.passes != 'both':
            only = self.run(stem, depths.resolve(self.passes), task)
            return _named(self.passes, self.ground_truth_terms(only, task))
        full = self.run(stem, depths.full, task)
        terms = _named('full', self.ground_truth_terms(full, task))
        base = self.run(stem, depths.base, task)
        terms |= self.student_terms(base, full, task, 'base', 'distill')
        if self.sandwich:
            # From torch's generator, so that a resumed run draws what the first would have.
            seed = int(torch.randint(2 ** 31, ()))
            mixture = self.run(stem, depths.sample(random.Random(seed)), task)
            terms |= self.student_terms(mixture, full, task, 'mixture', 'distill_mixture')
        return terms

    def student_terms(self, student: Pass, teacher: Pass, task: Task, truth: str,
                      distilled: str) -> Terms:
        """Return the terms of Eq. 5, named after `truth` and `distilled`."""
        terms = _named(truth, {name: share * term for name, term
                               in self.ground_truth_terms(student, task).items()
                               if (share := self.ground_truth_share(name))})
        if self.alpha < 1:
            terms |= _named(distilled, {
                name: (1 - self.alpha) * term for name, term
                in self.distill_terms(student, teacher, task).items()})
        return terms

    def ground_truth_share(self, term: str) -> float:
        """Return by how much a student's ground-truth term counts."""
        return self.alpha

    def prepare(self, images: Tensor, targets: Sequence[Targets]) -> Task:
        """Return what all passes of one step share."""
        raise NotImplementedError

    def run(self, stem: Tensor, depth: Depth, task: Task) -> Pass:
        """Run the network at one depth and assign its predictions to the objects.

        Args:
            stem: the output of the model's stem for the images.
            depth: of this pass.
            task: from `prepare`.
        """
        raise NotImplementedError

    def ground_truth_terms(self, result: Pass, task: Task) -> Terms:
        """Return the weighted terms of one pass against ground truth (Eq. 4)."""
        raise NotImplementedError

    def distill_terms(self, student: Pass, teacher: Pass, task: Task) -> Terms:
        """Return the weighted terms of one pass against another, fixed one (Eq. 6)."""
        raise NotImplementedError


class YoloPass(NamedTuple):
    """One pass of the YOLO family: the stages' outputs, the head's, and what they answer for."""

    features: dict[str, Tensor]
    outputs: DenseOutputs
    assignment: Assignment


class YoloStep(TrainingStep[Sequence[Targets], YoloPass]):
    """The step of the YOLO family; see TrainingStep.

    Args:
        model: the network that is trained.
        weights: factors of the ground-truth terms.
        distillation: factors and choices of the base pass.
        passes, sandwich: see TrainingStep.
    """

    model: AnyDepthYolo

    def __init__(self, model: AnyDepthYolo, weights: YoloLossWeights,
                 distillation: YoloDistillation, *, passes: Passes = 'both',
                 sandwich: bool = False) -> None:
        super().__init__(model, distillation, passes, sandwich)
        self.weights = weights
        self.distillation = distillation

    def prepare(self, images: Tensor, targets: Sequence[Targets]) -> Sequence[Targets]:
        """Return the objects of each image."""
        return targets

    def run(self, stem: Tensor, depth: Depth, task: Sequence[Targets]) -> YoloPass:
        """Run the network at one depth and assign its anchors to the objects."""
        features = self.model.stages(stem, depth)
        outputs = self.model.detect_dense(features)
        return YoloPass(features, outputs, assign_batch(outputs, task, self.weights))

    def ground_truth_terms(self, result: YoloPass, task: Sequence[Targets]) -> Terms:
        """Return 'classes', 'box' and 'distribution'."""
        return yolo_loss(result.outputs, task, result.assignment, self.weights)

    def distill_terms(self, student: YoloPass, teacher: YoloPass,
                      task: Sequence[Targets]) -> Terms:
        """Return 'classes', 'box', 'distribution' and 'features'."""
        options = self.distillation
        terms = distill_yolo(student.outputs, teacher.outputs, student.assignment,
                             teacher.assignment, options)
        if options.alignment != 'none' and options.features:
            terms['features'] = options.features * align_features(
                student.features, teacher.features, options.stages, options.alignment)
        return terms


def _named(prefix: str, terms: dict[str, Any]) -> Terms:
    return {f'{prefix}/{name}': term for name, term in terms.items()}
