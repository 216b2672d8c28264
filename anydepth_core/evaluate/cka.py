# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How alike the two paths of each stage are: linear CKA (Kornblith et al. 2019; paper A.3).

Every position of every image is one example and every channel one feature. Then

    CKA(X, Y) = |Yc' Xc|² / (|Xc' Xc| |Yc' Yc|)        Frobenius norms, columns centred

needs only C x C sums, which are added up over the batches in double precision: the result is that
of the whole data set at once, whatever the batch size. It is the plain estimate, not the unbiased
one: with far more positions than channels the two agree.

The paper compares "the essential and full path outputs at each stage boundary" and does not say
what a stage is fed. Both readings are measured:

    pass   the outputs of the base pass against those of the full pass, so that what the stages
           before have changed adds up. What the paper tells of its references, close to 1 at P2,
           falling stage by stage and lost in the neck, is the pattern of this reading.
    stage  both paths get the outputs of the full pass: this stage alone differs. It answers
           whether the next stage gets compatible inputs whichever path this one took.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from anydepth_core.data.batches import Batch, network_input
from anydepth_core.models.base import AnyDepthModel, two_path_stages
from anydepth_core.nn.stage import NORMS

READINGS = ('pass', 'stage')


class LinearCka:
    """Linear CKA of two sets of features, added up over batches.

    Args:
        first, second: numbers of features.
        device: where to add up.
    """

    def __init__(self, first: int, second: int, device: torch.device | None = None) -> None:
        sizes = (first, second)
        self._count = 0
        self._sums = [torch.zeros(size, dtype=torch.float64, device=device) for size in sizes]
        self._products = {
            (one, other): torch.zeros(sizes[one], sizes[other], dtype=torch.float64, device=device)
            for one, other in ((0, 0), (1, 1), (0, 1))}
        self._offsets: list[Tensor] = []

    def add(self, first: Tensor, second: Tensor) -> None:
        """Add examples: (N, first) and (N, second), any floating type."""
        if not self._offsets:
            # Any constant may be taken off; one near the mean keeps the sums of squares small.
            self._offsets = [each.double().mean(dim=0) for each in (first, second)]
        both = [each.double() - offset
                for each, offset in zip((first, second), self._offsets)]
        self._count += len(both[0])
        for total, each in zip(self._sums, both):
            total += each.sum(dim=0)
        for (one, other), total in self._products.items():
            total += both[one].T @ both[other]

    def value(self) -> float:
        """Return CKA in [0, 1]; NaN if one side is constant, as nothing can be said then."""
        norms = {}
        for (one, other), total in self._products.items():
            mean = torch.outer(self._sums[one], self._sums[other]) / max(1, self._count)
            norms[one, other] = float((total - mean).norm())
        scale = norms[0, 0] * norms[1, 1]
        return norms[0, 1] ** 2 / scale if scale > 0 else float('nan')


@torch.inference_mode()
def stage_similarity(model: AnyDepthModel, batches: Iterable[Batch],
                     ) -> dict[str, dict[str, float]]:
    """Return the CKA of the two paths of every stage, as ``{'pass': {'p2': …}, 'stage': …}``.

    Args:
        model: stays as it is; runs where its weights are.
        batches: the images to compare on.
    """
    fused = model.fused().to(memory_format=torch.channels_last)
    space = model.depths
    device = next(fused.parameters()).device
    sums: dict[str, dict[str, LinearCka]] = {reading: {} for reading in READINGS}
    for batch in batches:
        images = network_input(batch.images, device)
        full, base = (fused.features(images, depth) for depth in (space.full, space.base))
        for stage in space.stages:
            # All before it full and itself essential: what comes after does not matter.
            alone = space.make(set(space.stages) - {stage})
            there = positions(full[stage])
            others = {'pass': base, 'stage': fused.features(images, alone)}
            for reading, other in others.items():
                here = positions(other[stage])
                sums[reading].setdefault(stage, LinearCka(
                    here.shape[1], there.shape[1], device)).add(here, there)
    return {reading: {stage: cka.value() for stage, cka in stages.items()}
            for reading, stages in sums.items()}


def positions(features: Tensor) -> Tensor:
    """Return (B, C, H, W) features as (B H W, C) examples."""
    return features.permute(0, 2, 3, 1).flatten(0, 2)


@torch.no_grad()
def split_post_hoc(model: AnyDepthModel) -> None:
    """Make the base of a model whose full path alone was trained, in place.

    As for a single-depth checkpoint: the essential norms become those of the full path, and an
    essential aggregator of its own the columns of the blocks that it runs.
    """
    for stage in two_path_stages(model).values():
        full = dict(stage.full.named_modules())
        for name, module in stage.essential.named_modules():
            twin = full.get(name)
            if twin is None or twin is module:
                continue
            if isinstance(module, NORMS):
                module.load_state_dict(twin.state_dict())
            elif (isinstance(module, nn.Conv2d) and isinstance(twin, nn.Conv2d)
                  and module.weight.shape != twin.weight.shape):
                module.weight.copy_(twin.weight[:, :module.weight.shape[1]])
