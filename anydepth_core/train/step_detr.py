# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The training step of the DETR family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_convert

from anydepth_core.depth import Depth
from anydepth_core.losses.assign import Targets
from anydepth_core.losses.detr import FINAL_TERMS, DetrLossWeights, detr_loss, match_layers
from anydepth_core.losses.distill_detr import (
    DetrDistillation,
    FinalLayer,
    align_detr,
    distill_detr,
)
from anydepth_core.losses.matching import Matches
from anydepth_core.losses.normalise import normaliser
from anydepth_core.models.rtdetr import (
    AnyDepthDetr,
    DenoisingQueries,
    DetrOutputs,
    draw_denoising,
)
from anydepth_core.train.step import Passes, Terms, TrainingStep


class DetrTask(NamedTuple):
    """What the passes of one step share.

    Attributes:
        targets: the objects of each image, boxes as cx cy w h, normalised.
        denoising: the denoising queries; None for none.
        objects: what sums over objects are divided by, a scalar.
    """

    targets: list[Targets]
    denoising: DenoisingQueries | None
    objects: Tensor


class DetrPass(NamedTuple):
    """One pass of the DETR family: what the network says, and which objects it answers for.

    Attributes:
        outputs: of L decoder layers.
        matches: pairs of the L layers and, as layer L, of the selected queries.
    """

    outputs: DetrOutputs
    matches: Matches

    @property
    def final(self) -> FinalLayer:
        """The last decoder layer, which is what base learns from full."""
        decoder = self.outputs.decoder
        return FinalLayer(decoder.logits[-1], decoder.boxes[-1],
                          self.matches.of_layer(len(decoder.logits) - 1))


class DetrStep(TrainingStep[DetrTask, DetrPass]):
    """The step of the DETR family; see TrainingStep. Every pass runs all decoder layers.

    Args:
        model: the network that is trained.
        weights: factors of the ground-truth terms, and the denoising queries.
        distillation: factors and choices of the base pass.
        passes, sandwich: see TrainingStep.
    """

    model: AnyDepthDetr

    def __init__(self, model: AnyDepthDetr, weights: DetrLossWeights,
                 distillation: DetrDistillation, *, passes: Passes = 'both',
                 sandwich: bool = False) -> None:
        super().__init__(model, distillation, passes, sandwich)
        self.weights = weights
        self.distillation = distillation

    def ground_truth_share(self, term: str) -> float:
        """Return alpha where it covers the term, 1 elsewhere."""
        covered = self.distillation.alpha_covers == 'all' or term in FINAL_TERMS
        return self.alpha if covered else 1.0

    def prepare(self, images: Tensor, targets: Sequence[Targets]) -> DetrTask:
        """Normalise the boxes, and draw the denoising queries from torch's global generator."""
        height, width = images.shape[2:]
        size = images.new_tensor([width, height, width, height], dtype=torch.float32)
        scaled = [Targets(t.labels, box_convert(t.boxes.float() / size, 'xyxy', 'cxcywh'))
                  for t in targets]
        weights = self.weights
        noise = draw_denoising(
            [t.labels for t in scaled], [t.boxes for t in scaled], self.model.num_classes,
            count=weights.denoising_queries, label_noise=weights.label_noise,
            box_noise=weights.box_noise) if weights.denoising_queries else None
        count = size.new_tensor(sum(len(t.labels) for t in targets))
        return DetrTask(scaled, noise, normaliser(count))

    def run(self, stem: Tensor, depth: Depth, task: DetrTask) -> DetrPass:
        """Run the network at one depth and match every layer's queries with the objects."""
        outputs = self.model.train_outputs(self.model.stages(stem, depth), task.denoising)
        return DetrPass(outputs, match_layers(outputs, task.targets))

    def ground_truth_terms(self, result: DetrPass, task: DetrTask) -> Terms:
        """Return 'classes', 'l1', 'giou', 'auxiliary', 'selected' and 'denoising'."""
        return detr_loss(result.outputs, task.targets, result.matches, task.objects,
                         self.weights)

    def distill_terms(self, student: DetrPass, teacher: DetrPass, task: DetrTask) -> Terms:
        """Return 'classes', 'l1', 'giou', 'backbone' and 'neck'."""
        return distill_detr(student.final, teacher.final, task.objects, self.distillation) \
            | align_detr(student.outputs.features, teacher.outputs.features, self.distillation)
