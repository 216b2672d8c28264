# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Fit a router to what a detector finds in generated video; see runtime/router.py.

The detector is frozen. Each frame runs at base and at full; how much more full finds is the truth
for what the router, from the frame before at either depth, should have predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from anydepth_core.data.batches import network_input
from anydepth_core.data.dataset import Objects, scene_objects
from anydepth_core.data.scenes import SIZE_LIMITS, SceneVideo
from anydepth_core.evaluate.batches import MAX_DETECTIONS, NMS_IOU
from anydepth_core.evaluate.coco import Found
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.decode import decode
from anydepth_core.models.model_info import ModelInfo
from anydepth_core.runtime.detector import in_image
from anydepth_core.runtime.preprocess import fit as fit_image
from anydepth_core.runtime.router import Router, pool

LEVELS = ('base', 'full')
SCORE_THRESHOLD = 0.01
LEAST_IOU = 0.5
BATCH = 8
FOLDS = 5
LEAST_FRAMES = 40
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
LEAST_SPREAD = 1e-3


@dataclass(frozen=True, eq=False)
class Footage:
    """What both levels made of T successive frames of video.

    Attributes:
        pooled: (T, 2, inputs), what a router reads after base and after full.
        benefit: (T,), how much more full finds in each frame than base, in objects.
        truth: the objects of each frame.
        found: the detections of each frame, at base and at full.
        scene: (T,) number of the scene that each frame is of.
        num_classes: of the detector.
    """

    pooled: Tensor
    benefit: Tensor
    truth: list[Objects]
    found: tuple[list[Found], list[Found]]
    scene: Tensor
    num_classes: int

    def __len__(self) -> int:
        return len(self.truth)


def quality(truth: Objects, found: Found) -> float:
    """Return how many objects were found, as sure and as exact as they were, less false ones.

    Detections take their objects best first. One that overlaps an object of its class by an IoU
    of `LEAST_IOU` or more counts its score times that IoU; half the score of all others is lost.
    """
    if not len(found.scores):
        return 0.0
    overlap = box_iou(torch.from_numpy(found.boxes), torch.from_numpy(truth.boxes)).numpy()
    overlap = overlap * (found.labels[:, None] == truth.labels[None])
    total = 0.0
    for row, score in zip(overlap, found.scores):
        best = int(row.argmax()) if row.size else -1
        if best >= 0 and row[best] >= LEAST_IOU:
            total += float(score * row[best])
            overlap[:, best] = 0.0
        else:
            total -= float(score) / 2
    return total


@torch.no_grad()
def film(model: AnyDepthModel, info: ModelInfo, seed: int, frames: int, frames_per_scene: int,
         fps: float, done: Callable[[int], None] = lambda count: None) -> Footage:
    """Run a detector at both levels on a generated video.

    Args:
        model: frozen; runs where its weights are.
        info: of its weights; the classes must be those of the generated scenes.
        seed: of the video.
        frames: how many, at least 1.
        frames_per_scene: the place changes after so many.
        fps: of the video.
        done: called after some frames with how many they were.
    """
    fused = model.fused().to(memory_format=torch.channels_last)
    device = next(fused.parameters()).device
    low, high = SIZE_LIMITS
    height, width = (min(max(side, low), high) for side in info.input_size)
    video = SceneVideo(seed, (height, width), frames_per_scene=frames_per_scene, fps=fps)
    pooled: list[list[Tensor]] = [[], []]
    found: tuple[list[Found], list[Found]] = ([], [])
    truth: list[Objects] = []
    for numbers in _batches(frames):
        scenes = [video.frame(number) for number in numbers]
        pixels = np.empty((len(scenes), *info.input_size, 3), np.uint8)
        places = [fit_image(scene.image, canvas, info.resize, 'rgb')
                  for scene, canvas in zip(scenes, pixels)]
        images = network_input(torch.from_numpy(pixels).permute(0, 3, 1, 2), device)
        for level, name in enumerate(LEVELS):
            depth = model.depths.parse(name)
            features = fused.features(images, depth)
            raw = fused.predict(features, depth, info.input_size)
            pooled[level].append(pool(features, raw, depth).cpu())
            selected = decode(raw, model.decoding, score_threshold=SCORE_THRESHOLD,
                              iou_threshold=NMS_IOU, max_detections=MAX_DETECTIONS)
            found[level].extend(Found(*in_image(*each)) for each in zip(selected, places))
        truth.extend(map(scene_objects, scenes))
        done(len(scenes))
    benefit = torch.tensor([quality(there, full) - quality(there, base)
                            for there, base, full in zip(truth, *found)])
    return Footage(torch.stack([torch.cat(each) for each in pooled], dim=1), benefit, truth, found,
                   torch.arange(frames) // frames_per_scene, model.num_classes)


def _batches(frames: int) -> Iterator[range]:
    return (range(start, min(start + BATCH, frames)) for start in range(0, frames, BATCH))


def correlation(one: Tensor, other: Tensor) -> float:
    """Return Pearson's correlation of two (N,) tensors; 0 where one is constant."""
    both = torch.stack((one.double(), other.double()))
    value = float(torch.corrcoef(both)[0, 1])
    return value if np.isfinite(value) else 0.0


def fit(footage: Footage) -> tuple[Router, float]:
    """Return the router that predicts best, and the correlation to expect on other scenes.

    Ridge regression on all pairs of successive frames of a scene, after base and after full. How
    strongly it is held back is what predicts best in scenes that it was not fitted on.
    """
    first = (footage.scene[:-1] == footage.scene[1:]).nonzero()[:, 0]
    inputs = footage.pooled[first].flatten(0, 1)
    target = footage.benefit[first + 1].repeat_interleave(2)
    fold = (footage.scene[first] % FOLDS).repeat_interleave(2)

    def expected(strength: float) -> float:
        predicted = torch.zeros_like(target)
        for number in range(FOLDS):
            router = _ridge(inputs[fold != number], target[fold != number], strength)
            predicted[fold == number] = router(inputs[fold == number])
        return correlation(predicted, target)

    scores = {strength: expected(strength) for strength in STRENGTHS}
    best = max(scores, key=lambda strength: scores[strength])
    return _ridge(inputs, target, best), scores[best]


def _ridge(inputs: Tensor, target: Tensor, strength: float) -> Router:
    """Return the router of least squared error; `strength` in standard deviations squared."""
    router = Router(inputs.shape[1])
    router.mean.copy_(inputs.mean(0))
    router.scale.copy_(1 / inputs.std(0).clamp(min=LEAST_SPREAD))
    x = router.standardised(inputs).double()
    gram = x.T @ x + strength * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    router.bias.copy_(target.mean())
    router.weight.copy_(torch.linalg.solve(gram, x.T @ (target - target.mean()).double()))
    return router.eval()
