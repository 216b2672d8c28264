# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a run starts from: the network with its initial weights, and its step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from anydepth_core.errors import RecipeError, nearest
from anydepth_core.models import create_model
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.rtdetr import AnyDepthDetr
from anydepth_core.models.weights import load_weights
from anydepth_core.models.yolo import AnyDepthYolo
from anydepth_core.nn.csp import slice_aggregators
from anydepth_core.nn.stage import share_norms
from anydepth_core.train.recipe import DetrRecipe, Recipe, YoloRecipe
from anydepth_core.train.step import TrainingStep, YoloStep
from anydepth_core.train.step_detr import DetrStep

LEAST_TRANSFER = 0.5


def make_folder(folder: Path) -> None:
    """Make the folder of a run; RecipeError if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(f'cannot make the folder {folder}: {error.strerror}') from error


def make_model(recipe: Recipe, class_names: Sequence[str]) -> AnyDepthModel:
    """Return the network that a run starts with, on the CPU.

    Raises:
        RecipeError: initial weights of another network or other classes, or a `frozen` prefix
            that no parameter has, or by which all parameters stay as they are.
        WeightsError: initial weights that cannot be read.
    """
    torch.manual_seed(recipe.seed)
    model = create_model(recipe.model, len(class_names))
    if recipe.initial_weights:
        start_from(model, recipe, class_names)
    if recipe.shared_norms:
        share_norms(model)
    if recipe.sliced_aggregators:
        slice_aggregators(model)
    for prefix in recipe.frozen:
        freeze(model, prefix)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RecipeError(f'frozen: nothing is left to train beside {", ".join(recipe.frozen)}')
    return model.to(memory_format=torch.channels_last)


def make_step(recipe: Recipe, model: AnyDepthModel) -> TrainingStep:
    """Return the module that maps a batch to the terms of the recipe's loss."""
    if isinstance(recipe, YoloRecipe) and isinstance(model, AnyDepthYolo):
        return YoloStep(model, recipe.loss, recipe.distillation, passes=recipe.passes,
                        sandwich=recipe.sandwich)
    if isinstance(recipe, DetrRecipe) and isinstance(model, AnyDepthDetr):
        return DetrStep(model, recipe.loss, recipe.distillation, passes=recipe.passes,
                        sandwich=recipe.sandwich)
    raise TypeError(f'{type(recipe).__name__} is not a recipe for {type(model).__name__}')


def start_from(model: nn.Module, recipe: Recipe, class_names: Sequence[str]) -> None:
    """Give `model` the recipe's initial weights, but for class heads that start anew."""
    known, info = load_weights(recipe.initial_weights)
    what = f'initial_weights: {recipe.initial_weights}'
    state = known.state_dict()
    if recipe.transfer:
        model.load_state_dict(_what_fits(model, state, f'{what} is {info.model}'), strict=False)
        return
    if info.model != recipe.model:
        raise RecipeError(f'{what} is {info.model}, not {recipe.model}; transfer=true takes what '
                          'the two have in common')
    if recipe.new_classes:
        for name in class_heads(recipe.model):
            del state[name]
    elif info.class_names != tuple(class_names):
        raise RecipeError(
            f'{what} knows {len(info.class_names)} classes ({_few(info.class_names)}), the data '
            f'{len(class_names)} ({_few(class_names)}); new_classes=true starts the class heads '
            'anew')
    model.load_state_dict(state, strict=False)


def _what_fits(model: nn.Module, state: dict[str, Tensor], what: str) -> dict[str, Tensor]:
    """Return the tensors of `state` that the model has under the same name, in the same shape.

    Raises:
        RecipeError: they are less than half of the model.
    """
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in state.items()
               if name in own and own[name].shape == tensor.shape}
    share = sum(tensor.numel() for tensor in fitting.values()) / sum(
        tensor.numel() for tensor in own.values())
    if share < LEAST_TRANSFER:
        raise RecipeError(f'{what}, of which {100 * share:.0f} % fit; transfer needs a network '
                          'of the same family and width')
    return fitting


def class_heads(name: str) -> list[str]:
    """Return the tensors of a model whose shapes depend on the number of classes."""
    with torch.device('meta'):
        one, two = (create_model(name, count).state_dict() for count in (1, 2))
    return [key for key in one if one[key].shape != two[key].shape]


def freeze(model: nn.Module, prefix: str) -> None:
    """Exclude the parameters below a module from training.

    Raises:
        RecipeError: there are none.
    """
    inside = [parameter for name, parameter in model.named_parameters(remove_duplicate=False)
              if name.startswith(f'{prefix}.')]
    if not inside:
        names = [name for name, _ in model.named_modules() if name]
        raise RecipeError(f'frozen: no parameters below {prefix!r}{nearest(prefix, names)}')
    for parameter in inside:
        parameter.requires_grad_(False)


def train_mode(step: TrainingStep, recipe: Recipe) -> None:
    """Put the network into training mode, frozen norms excepted."""
    step.train()
    for name, module in step.model.named_modules():
        frozen = recipe.frozen_norms or any(name.startswith(f'{p}.') for p in recipe.frozen)
        if frozen and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _few(names: Sequence[str]) -> str:
    return ', '.join(names[:3]) + (', …' if len(names) > 3 else '')
