# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of a model on batches, at one or more depths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import torch

from anydepth_core.data.batches import Batch, network_input
from anydepth_core.data.dataset import Objects
from anydepth_core.depth import Depth
from anydepth_core.evaluate.coco import CocoScores, Found, coco_scores
from anydepth_core.models.base import AnyDepthModel, RawPredictions
from anydepth_core.models.decode import decode
from anydepth_core.runtime.detector import in_image
from anydepth_core.runtime.preprocess import Placement

SCORE_THRESHOLD = 0.001
NMS_IOU = 0.7
KEEP = 6
MAX_DETECTIONS = 300  # as the papers of both families keep; COCO then counts 100 of each class


class Shown(NamedTuple):
    """An image kept for pictures: (H, W, 3) uint8 RGB as the network saw it, and where it lay."""

    image: NDArray[np.uint8]
    placement: Placement


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one depth found in a data set.

    Attributes:
        scores: COCO's numbers.
        truth: per image, the objects that are there, in pixels of the image.
        found: per image, the detections, in pixels of the image, best first.
        ids: per image, what to call it.
        shown: the first images, for pictures; as many as `evaluate` was asked to keep.
    """

    scores: CocoScores
    truth: list[Objects]
    found: list[Found]
    ids: list[str]
    shown: list[Shown]


def evaluate(model: AnyDepthModel, batches: Iterable[Batch], depth: Depth | str, *,
             dtype: torch.dtype = torch.float32, keep: int = KEEP) -> Evaluation:
    """Evaluate `model` at one depth; see `evaluate_depths`."""
    return evaluate_depths(model, batches, [depth], dtype=dtype, keep=keep)[
        str(model.depths.resolve(depth))]


@torch.inference_mode()
def evaluate_depths(model: AnyDepthModel, batches: Iterable[Batch],
                    depths: Sequence[Depth | str], *, dtype: torch.dtype = torch.float32,
                    keep: int = KEEP) -> dict[str, Evaluation]:
    """Evaluate `model` at several depths, each batch read once.

    Boxes are mapped back to the original images, clipped to them, and left out where nothing of
    them is inside, as `Detector.detect` does.

    Args:
        model: stays as it is; runs where its weights are.
        batches: with `truth` and `placements`, as `validation_batches` yields them.
        depths: depths of `model.depths`, or their texts; one that is named twice counts once.
        dtype: torch.bfloat16 or torch.float16 for autocast.
        keep: how many images to keep for pictures.

    Returns:
        One evaluation for each depth, by its canonical text, in the order given.
    """
    chosen = list(dict.fromkeys(model.depths.resolve(depth) for depth in depths))
    fused = model.fused().to(memory_format=torch.channels_last)
    device = next(fused.parameters()).device
    found: dict[str, list[Found]] = {str(depth): [] for depth in chosen}
    truth: list[Objects] = []
    ids: list[str] = []
    shown: list[Shown] = []
    for batch in batches:
        images = network_input(batch.images, device)
        for depth in chosen:
            with torch.autocast(device.type, dtype, dtype is not torch.float32):
                raw = fused(images, depth)
            raw = RawPredictions(raw.logits.float(), raw.boxes.float())
            selected = decode(raw, model.decoding, score_threshold=SCORE_THRESHOLD,
                              iou_threshold=NMS_IOU, max_detections=MAX_DETECTIONS)
            found[str(depth)] += [
                Found(*in_image(*each)) for each in zip(selected, batch.placements)]
        truth += batch.truth
        ids += batch.ids
        for pixels, placement in zip(batch.images[:max(0, keep - len(shown))], batch.placements):
            shown.append(Shown(pixels.permute(1, 2, 0).cpu().numpy().copy(), placement))
    return {text: Evaluation(coco_scores(truth, each, model.num_classes), truth, each, ids, shown)
            for text, each in found.items()}
