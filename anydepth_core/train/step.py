# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One training step: both extremes in one forward, so that one backward serves them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from anydepth_core.losses.assign import Targets
from anydepth_core.losses.distill import YoloDistillation, align_features, distill_yolo
from anydepth_core.losses.yolo import YoloLossWeights, assign_batch, yolo_loss
from anydepth_core.models.yolo import AnyDepthYolo


class YoloStep(nn.Module):
    """The full pass against ground truth, the base pass against both (paper Eq. 4 and 5).

    Args:
        model: the network that is trained.
        weights: factors of the ground-truth terms.
        distillation: factors and choices of the base pass.
    """

    def __init__(self, model: AnyDepthYolo, weights: YoloLossWeights,
                 distillation: YoloDistillation) -> None:
        super().__init__()
        self.model = model
        self.weights = weights
        self.distillation = distillation

    def forward(self, images: Tensor, targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Return every weighted term as 'full/NAME', 'base/NAME' or 'distill/NAME', scalars.

        Args:
            images: (B, 3, H, W) float in [0, 1].
            targets: the objects of each image.

        The loss to minimise is the sum of the terms.
        """
        depths, options = self.model.depths, self.distillation
        full_features = self.model.features(images, depths.full)
        full = self.model.detect_dense(full_features)
        full_assigned = assign_batch(full, targets)
        terms = {f'full/{name}': term for name, term
                 in yolo_loss(full, targets, full_assigned, self.weights).items()}
        base_features = self.model.features(images, depths.base)
        base = self.model.detect_dense(base_features)
        base_assigned = assign_batch(base, targets)
        truth = yolo_loss(base, targets, base_assigned, self.weights)
        terms |= {f'base/{name}': options.alpha * term for name, term in truth.items()}
        distilled = distill_yolo(base, full, base_assigned, full_assigned, options)
        distilled['features'] = options.features * align_features(
            base_features, full_features, options.stages, options.alignment)
        return terms | {f'distill/{name}': (1 - options.alpha) * term
                        for name, term in distilled.items()}
