# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Optimizers with the families' parameter groups, and the learning rate over a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math
from typing import Annotated, Any, Literal

from pydantic import Field
import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class OptimizerRecipe:
    """How the weights move.

    Attributes:
        name: optimizer.
        learning_rate: peak, after the warm-up.
        backbone_factor: learning rate of the backbone as a share of the others'.
        schedule: way from the peak down to `final_fraction` of it; 'constant' stays at the peak.
        final_fraction: learning rate at the end, as a share of the peak.
        warm_up: iterations of linear warm-up.
        weight_decay: on weights of two dimensions and more only.
        momentum: SGD's momentum, AdamW's first beta.
        warm_up_momentum: SGD's momentum at the start, rising to `momentum` in the warm-up.
        gradient_factor: multiplies the gradient before it is clipped. The published YOLO recipes
            sum the loss over the images of a step where ours is a mean; their number as a factor
            makes the same step.
        clip_norm: greatest norm of the gradient.
    """

    name: Literal['adamw', 'sgd'] = 'adamw'
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    backbone_factor: Annotated[float, Field(gt=0)] = 1.0
    schedule: Literal['cosine', 'linear', 'constant'] = 'cosine'
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.01
    warm_up: Annotated[int, Field(ge=0)] = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    warm_up_momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    gradient_factor: Annotated[float, Field(gt=0)] = 1.0
    clip_norm: Annotated[float, Field(gt=0)] = 10.0


def make_optimizer(model: nn.Module, recipe: OptimizerRecipe) -> torch.optim.Optimizer:
    """Return the optimizer; vectors (norms, biases, scales) are not decayed.

    The backbone, if its learning rate differs, has groups of its own. On a GPU one kernel moves
    all weights, where a network of many small ones waits for the kernels' launches.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            apart = recipe.backbone_factor != 1 and 'backbone' in name.split('.')
            groups.setdefault((apart, parameter.dim() >= 2), []).append(parameter)
    options: list[dict[str, Any]] = [
        {'params': parameters, 'weight_decay': recipe.weight_decay if decayed else 0.0,
         'lr': recipe.learning_rate * (recipe.backbone_factor if apart else 1)}
        for (apart, decayed), parameters in sorted(groups.items(), key=lambda item: item[0])]
    fused = next(model.parameters()).is_cuda
    if recipe.name == 'sgd':
        return torch.optim.SGD(options, lr=recipe.learning_rate, momentum=recipe.momentum,
                               nesterov=recipe.momentum > 0, fused=fused)
    return torch.optim.AdamW(options, lr=recipe.learning_rate, betas=(recipe.momentum, 0.999),
                             fused=fused)


def make_schedule(optimizer: torch.optim.Optimizer, recipe: OptimizerRecipe, iterations: int,
                  ) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the learning rate's way through a run of so many optimizer steps."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_curve(recipe, iterations))


def learning_rate_curve(recipe: OptimizerRecipe, iterations: int) -> Callable[[int], float]:
    """Return the share of the peak learning rate by iteration: linear up, then the schedule."""
    def curve(iteration: int) -> float:
        if iteration < recipe.warm_up:
            return (iteration + 1) / recipe.warm_up
        if recipe.schedule == 'constant':
            return 1.0
        done = min(1.0, (iteration - recipe.warm_up) / max(1, iterations - recipe.warm_up))
        left = (1 + math.cos(math.pi * done)) / 2 if recipe.schedule == 'cosine' else 1 - done
        return recipe.final_fraction + (1 - recipe.final_fraction) * left

    return curve


def warm_momentum(optimizer: torch.optim.Optimizer, recipe: OptimizerRecipe,
                  iteration: int) -> None:
    """Set SGD's momentum for this iteration, if it warms up."""
    if recipe.name != 'sgd' or recipe.warm_up_momentum is None:
        return
    done = min(1.0, iteration / max(1, recipe.warm_up))
    start = recipe.warm_up_momentum
    for group in optimizer.param_groups:
        group['momentum'] = start + done * (recipe.momentum - start)
