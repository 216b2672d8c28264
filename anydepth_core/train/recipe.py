# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a training run does, as one strict value read from YAML and the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
import yaml

from anydepth_core.errors import RecipeError, nearest
from anydepth_core.losses.distill import YoloDistillation
from anydepth_core.losses.yolo import YoloLossWeights


@dataclass(frozen=True, kw_only=True)
class SceneData:
    """Generated scenes as training data: endless, so no image is seen twice.

    Attributes:
        sizes: (height, width) of the cameras; each image takes one in turn, letterboxed to the
            network's input.
        seed: seed of the first training scene; later ones count up.
        validation_seed: seed of the first validation scene.
        validation_count: how many validation scenes.
    """

    sizes: tuple[tuple[int, int], ...] = ((480, 640),)
    seed: int = 1_000_000
    validation_seed: int = 0
    validation_count: int = 256


@dataclass(frozen=True, kw_only=True)
class OptimizerRecipe:
    """How the weights move.

    Attributes:
        name: optimizer.
        learning_rate: peak, after the warm-up.
        final_fraction: learning rate at the end, as a share of the peak (cosine).
        warm_up: iterations of linear warm-up.
        weight_decay: on weights of two dimensions and more only.
        momentum: SGD's momentum, AdamW's first beta.
        clip_norm: greatest norm of the gradient.
    """

    name: Literal['adamw', 'sgd'] = 'adamw'
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.01
    warm_up: Annotated[int, Field(ge=0)] = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    clip_norm: Annotated[float, Field(gt=0)] = 10.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run.

    Attributes:
        model: registered name of the network.
        initial_weights: name or path of weights of the same network to start from; '' starts from
            random ones.
        input_size: (height, width) of the network input in pixels.
        iterations: optimizer steps.
        batch: images per step.
        workers: processes that render or read images.
        threads: CPU threads of the training process.
        ema_decay, ema_ramp: the averaged weights keep `decay * (1 - exp(-step / ramp))`.
        seed: of the initial weights.
        evaluate_every, checkpoint_every, log_every: in iterations.
        description, licence: written into the weights.
    """

    model: str
    initial_weights: str = ''
    input_size: tuple[int, int] = (320, 416)
    iterations: Annotated[int, Field(ge=1)] = 1000
    batch: Annotated[int, Field(ge=1)] = 16
    workers: Annotated[int, Field(ge=0)] = 1
    threads: Annotated[int, Field(ge=1)] = 2
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    ema_ramp: Annotated[float, Field(gt=0)] = 200.0
    seed: int = 0
    evaluate_every: Annotated[int, Field(ge=1)] = 500
    checkpoint_every: Annotated[int, Field(ge=1)] = 100
    log_every: Annotated[int, Field(ge=1)] = 20
    description: str = ''
    licence: str = 'Apache-2.0'
    data: SceneData = field(default_factory=SceneData)
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)
    loss: YoloLossWeights = field(default_factory=YoloLossWeights)
    distillation: YoloDistillation = field(default_factory=YoloDistillation)


for _part in (SceneData, OptimizerRecipe, YoloLossWeights, YoloDistillation, Recipe):
    with_config(ConfigDict(extra='forbid'))(_part)
_ADAPTER = TypeAdapter(Recipe)


def load_recipe(path: Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a YAML recipe; each override is `key=value` or `part.key=value`, the value YAML.

    Raises:
        RecipeError: an unreadable file, an unknown key (with the nearest), or a wrong value.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8')) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = ' '.join(str(error).split())
        raise RecipeError(f'cannot read recipe {path}: {reason}') from None
    if not isinstance(values, dict):
        raise RecipeError(f'{path}: a recipe is a mapping of keys to values')
    for override in overrides:
        _apply(values, override)
    return parse_recipe(values)


def parse_recipe(values: dict[str, Any]) -> Recipe:
    """Return the recipe of a mapping; RecipeError names the first key that is wrong."""
    try:
        return _ADAPTER.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = '.'.join(str(part) for part in first['loc'])
        if first['type'] in ('unexpected_keyword_argument', 'extra_forbidden'):
            known = _known_keys()
            raise RecipeError(f'recipe: unknown key {key!r}{nearest(key, known)}') from None
        raise RecipeError(f'recipe: {key}: {first["msg"]}, not {first["input"]!r}') from None


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as plain values, as `parse_recipe` takes them."""
    return dict(_ADAPTER.dump_python(recipe, mode='json'))


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition('=')
    if not equals or not key:
        raise RecipeError(f'{override!r}: an override is key=value')
    *parents, last = key.split('.')
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise RecipeError(f'{override!r}: {parent!r} has no keys below it')
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise RecipeError(f'{override!r}: the value is not YAML') from None


def _known_keys() -> list[str]:
    """Return every key of a recipe with its dotted path."""
    keys: list[str] = []
    for name, info in Recipe.__dataclass_fields__.items():
        keys.append(name)
        part = getattr(info.default_factory, '__dataclass_fields__', {})
        keys.extend(f'{name}.{inner}' for inner in part)
    return keys
