# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What every any-depth detector offers, whatever its family."""

from __future__ import annotations

import copy
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from anydepth_core.depth import STAGES, Depth, DepthSpace
from anydepth_core.nn.conv import fuse
from anydepth_core.nn.stage import TwoPathStage

Model = TypeVar('Model', bound='AnyDepthModel')


class RawPredictions(NamedTuple):
    """Predictions before any selection, the same for both families.

    Attributes:
        logits: (B, N, C) float, class scores before the sigmoid.
        boxes: (B, N, 4) float, corners x1 y1 x2 y2 in pixels of the network input.
    """

    logits: Tensor
    boxes: Tensor


class AnyDepthModel(nn.Module):
    """A detector whose depth is an argument of `forward`.

    Stages are TwoPathStage modules. A stage's module, or the container it lies in, is named after
    it (`backbone.p3`, `neck.fpn4.merge`), which is all that `at` needs to find them.

    Attributes:
        family: 'rtdetr' or 'yolo'.
        decoding: how raw predictions become detections: 'nms' or 'top_k'.
        stride: height and width of the input must be multiples of it.
        depths: every depth the model can run at.
        num_classes: C in RawPredictions.
    """

    family: str
    decoding: Literal['nms', 'top_k']
    stride: int = 32
    depths: DepthSpace
    num_classes: int

    def forward(self, images: Tensor, depth: Depth | str) -> RawPredictions:
        """Detect at one depth.

        Args:
            images: (B, 3, H, W) float, RGB in [0, 1]; H and W multiples of `stride`.
            depth: a depth of `depths`, or its text.
        """
        depth = self.depths.resolve(depth)
        height, width = images.shape[2:]
        return self.predict(self.features(images, depth), depth, (height, width))

    def features(self, images: Tensor, depth: Depth) -> dict[str, Tensor]:
        """Return the output of every stage by its name, each (B, C, H / stride, W / stride)."""
        return self.stages(self.stem(images), depth)

    def predict(self, features: dict[str, Tensor], depth: Depth,
                size: tuple[int, int]) -> RawPredictions:
        """Return what `forward` does for images of `size` (H, W), from what `features` did."""
        raise NotImplementedError(type(self).__name__)

    def stem(self, images: Tensor) -> Tensor:
        """Return what every depth begins with, the input of stage P2."""
        raise NotImplementedError(type(self).__name__)

    def stages(self, stem: Tensor, depth: Depth) -> dict[str, Tensor]:
        """Return what `features` does, from the output of `stem`."""
        raise NotImplementedError(type(self).__name__)

    def fused(self: Model) -> Model:
        """Return an inference copy, every path of every stage fused; any depth stays callable."""
        model = copy.deepcopy(self).eval()
        fuse(model)
        return model.requires_grad_(False)

    def at(self, depth: Depth | str) -> StaticModel:
        """Return a static, fused copy that runs one depth and holds only what that runs."""
        depth = self.depths.resolve(depth)
        model = copy.deepcopy(self).eval()
        for name, stage in two_path_stages(model).items():
            full = depth[stage_name(name)]
            path = stage.full if full else stage.essential
            model.set_submodule(name, OnePath(path, full=full))
        model.drop_unused(depth)
        fuse(model)
        return StaticModel(model.requires_grad_(False), depth)

    def new(self: Model) -> Model:
        """Return a network of the same kind and size with new random weights."""
        raise NotImplementedError(type(self).__name__)

    def drop_unused(self, depth: Depth) -> None:
        """Remove, in place, what this depth never runs outside the stages (decoder layers)."""


class OnePath(nn.Module):
    """What is left of a stage in a static model: the one path it runs."""

    def __init__(self, path: nn.Module, *, full: bool) -> None:
        super().__init__()
        self.path = path
        self.full = full

    def forward(self, *inputs: Any, full: bool) -> Any:
        """Run the path; ValueError if the other one was asked for."""
        if full != self.full:
            raise ValueError('this static model has the other path of the stage only')
        return self.path(*inputs)


class StaticModel(nn.Module):
    """An any-depth model reduced to one depth; `forward(images)` returns RawPredictions."""

    def __init__(self, model: AnyDepthModel, depth: Depth) -> None:
        super().__init__()
        self.model = model
        self.depth = depth

    def forward(self, images: Tensor) -> RawPredictions:
        """Detect in (B, 3, H, W) images at the depth the model was reduced to."""
        return self.model(images, self.depth)


def as_ordinary(model: Model) -> Model:
    """Return a copy whose paths have norms and aggregators of their own, with equal outputs.

    What `share_norms` and `slice_aggregators` made of a model has no registered name, so it cannot
    be saved as it is; this can. The copy is in the model's mode, type and place.
    """
    ordinary, example = model.new(), next(model.parameters())
    ordinary.to(example.device, example.dtype).train(model.training)
    shared = model.state_dict()
    with torch.no_grad():
        for name, tensor in ordinary.state_dict().items():
            source = shared[name]
            # An own aggregator reads the columns that the slice would.
            tensor.copy_(source if source.shape == tensor.shape else source[:, :tensor.shape[1]])
    return ordinary


def two_path_stages(model: nn.Module) -> dict[str, TwoPathStage]:
    """Return the stage modules of a model by their full module name."""
    return {name: module for name, module in model.named_modules()
            if isinstance(module, TwoPathStage)}


def stage_name(module_name: str) -> str:
    """Return which stage a module belongs to: the last part of its name that is a stage's."""
    return next(part for part in reversed(module_name.split('.')) if part in STAGES)
