# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of a model on batches, at one depth."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from anydepth_core.data.batches import Batch
from anydepth_core.depth import Depth
from anydepth_core.evaluate.coco import Boxes, CocoScores, Scored, coco_scores
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.decode import decode

SCORE_THRESHOLD = 0.001
NMS_IOU = 0.7
MAX_DETECTIONS = 100


@torch.inference_mode()
def evaluate(model: AnyDepthModel, source: Iterable[Batch], depth: Depth | str) -> CocoScores:
    """Return the COCO scores of `model` at `depth`, in pixels of the batches' images."""
    fused = model.fused()
    truth: list[Boxes] = []
    found: list[Scored] = []
    for batch in source:
        raw = fused(batch.images.float() / 255, depth)
        for boxes, scores, labels in decode(raw, model.decoding, score_threshold=SCORE_THRESHOLD,
                                            iou_threshold=NMS_IOU, max_detections=MAX_DETECTIONS):
            found.append((boxes.numpy(), scores.numpy(), labels.numpy()))
        truth += [(target.boxes.numpy(), target.labels.numpy()) for target in batch.targets]
    return coco_scores(truth, found, model.num_classes)
