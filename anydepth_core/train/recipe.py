# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a training run does, as one strict value read from YAML and the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from anydepth_core.data.options import Augmentation, CocoData, SceneData, YoloTxtData
from anydepth_core.losses.detr import DetrLossWeights
from anydepth_core.losses.distill_detr import DetrDistillation
from anydepth_core.losses.distill_yolo import YoloDistillation
from anydepth_core.losses.yolo import YoloLossWeights
from anydepth_core.train.optimizer import OptimizerRecipe

Count = Annotated[int, Field(ge=1)]
Size = tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=32)]]
Data = Annotated[SceneData | CocoData | YoloTxtData, Field(discriminator='format')]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run; a family's own keys are in YoloRecipe and DetrRecipe.

    Attributes:
        model: registered name of the network.
        initial_weights: name or path of weights of the same network to start from; '' starts from
            random ones.
        new_classes: start the class heads anew, because `initial_weights` knows other classes.
        transfer: take what has the same name and shape from `initial_weights` of another network
            of the family, and of other classes; the rest starts anew.
        input_size: (height, width) of the network input in pixels.
        resize: how an image becomes that size; 'stretch' ignores its aspect ratio.
        scales: the input of each iteration is `input_size` times one of these, drawn at random.
        epochs, iterations: how long to train, one of the two; an iteration is an optimizer step.
        batch: images per optimizer step, over all processes.
        accumulate: how many forward passes share one optimizer step.
        workers: processes that render or read images, per training process.
        threads: CPU threads of each training process.
        device: 'auto' takes a CUDA device if there is one.
        precision: of the forward pass; weights, losses and gradients stay float32.
        passes: 'both' extremes as the paper trains; 'full' or 'base' alone for comparison.
        sandwich: also train a random mixture each iteration, distilled from the full pass.
        shared_norms: ablation (paper Table 3): both paths use the same norms.
        sliced_aggregators: ablation (paper Table 3): every aggregator of an essential path is a
            column slice.
        frozen: prefixes of module names whose parameters stay as they are ('backbone').
        frozen_norms: batch norms keep the statistics they start with.
        sync_norms: batch norms see the images of all processes (CUDA only).
        ema_decay, ema_ramp: the averaged weights keep `decay * (1 - exp(-step / ramp))`.
        seed: of the initial weights, the order of the images and everything drawn at random.
        evaluate_every: in iterations; by default once per epoch, or 500 for endless data.
        patience: stop after so many evaluations without a better `watch`; 0 never.
        watch: whose AP decides that.
        checkpoint_every, log_every: in iterations.
        description, licence: written into the weights.
        data, augmentation, optimizer: see their types.
    """

    model: str
    initial_weights: str = ''
    new_classes: bool = False
    transfer: bool = False
    input_size: Size = (640, 640)
    resize: Literal['letterbox', 'stretch'] = 'letterbox'
    scales: Annotated[tuple[Annotated[float, Field(ge=0.25, le=4)], ...],
                      Field(min_length=1)] = (1.0,)
    epochs: Count | None = None
    iterations: Count | None = None
    batch: Count = 16
    accumulate: Count = 1
    workers: Annotated[int, Field(ge=0)] = 1
    threads: Count = 2
    device: Annotated[str, Field(pattern=r'^(auto|cpu|cuda(:\d+)?)$')] = 'auto'
    precision: Literal['fp32', 'bf16', 'fp16'] = 'fp32'
    passes: Literal['both', 'full', 'base'] = 'both'
    sandwich: bool = False
    shared_norms: bool = False
    sliced_aggregators: bool = False
    frozen: tuple[str, ...] = ()
    frozen_norms: bool = False
    sync_norms: bool = False
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    ema_ramp: Annotated[float, Field(gt=0)] = 200.0
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    evaluate_every: Count | None = None
    patience: Annotated[int, Field(ge=0)] = 0
    watch: Literal['full', 'base', 'mean'] = 'mean'
    checkpoint_every: Count = 100
    log_every: Count = 20
    description: str = ''
    licence: str = ''
    data: Data = field(default_factory=SceneData)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)


@dataclass(frozen=True, kw_only=True)
class YoloRecipe(Recipe):
    """A run of the YOLO family; `loss` and `distillation` are its own."""

    loss: YoloLossWeights = field(default_factory=YoloLossWeights)
    distillation: YoloDistillation = field(default_factory=YoloDistillation)


@dataclass(frozen=True, kw_only=True)
class DetrRecipe(Recipe):
    """A run of the RT-DETR family; `loss` and `distillation` are its own."""

    loss: DetrLossWeights = field(default_factory=DetrLossWeights)
    distillation: DetrDistillation = field(default_factory=DetrDistillation)


# What may change when a run is resumed: nothing that changes its result.
MAY_CHANGE = frozenset({'workers', 'threads', 'device', 'checkpoint_every', 'log_every',
                        'description', 'licence'})
