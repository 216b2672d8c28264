# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes from YAML files: strict, with overrides, and errors that name the key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import dataclasses
from pathlib import Path
import reprlib
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
import torch

from anydepth_core.data.options import Augmentation, CocoData, SceneData, YoloTxtData
from anydepth_core.errors import RecipeError, nearest
from anydepth_core.losses.detr import DetrLossWeights
from anydepth_core.losses.distill_detr import DetrDistillation
from anydepth_core.losses.distill_yolo import YoloDistillation
from anydepth_core.losses.yolo import YoloLossWeights
from anydepth_core.models.registry import create_model
from anydepth_core.texts import load_yaml
from anydepth_core.train.optimizer import OptimizerRecipe
from anydepth_core.train.recipe import Data, DetrRecipe, Recipe, YoloRecipe

for _part in (SceneData, CocoData, YoloTxtData, Augmentation, OptimizerRecipe, YoloLossWeights,
              YoloDistillation, DetrLossWeights, DetrDistillation, Recipe, YoloRecipe, DetrRecipe):
    with_config(ConfigDict(extra='forbid'))(_part)
_RECIPES = {'yolo': YoloRecipe, 'rtdetr': DetrRecipe}
_DATA: TypeAdapter[Any] = TypeAdapter(Data)
_UNKNOWN_KEY = ('unexpected_keyword_argument', 'extra_forbidden')


def load_recipe(path: Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a YAML recipe.

    Args:
        path: the file. With `extends: other.yaml` it holds only what differs from that recipe.
        overrides: each is `key=value` or `part.key=value`, the value YAML.

    Raises:
        RecipeError: an unreadable file, an unknown key (with the nearest), a wrong value, or
            settings that contradict each other.
    """
    values = read_yaml(path)
    for override in overrides:
        _apply(values, override)
    return parse_recipe(values)


def load_data_options(path: Path, overrides: Iterable[str] = ()) -> Data:
    """Read the `data` part of a recipe, or a YAML file that holds nothing but such a part.

    Raises:
        RecipeError: as `load_recipe`.
    """
    values = read_yaml(path)
    if 'data' not in values and 'model' not in values:
        values = {'data': values}
    for override in overrides:
        _apply(values, override)
    part = values.get('data', {})
    return validated(_DATA, _with_format(part), 'data')


def parse_recipe(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a mapping; RecipeError names the first key that is wrong."""
    name = values.get('model')
    if not isinstance(name, str):
        raise RecipeError("recipe: 'model' must name a network; 'anydepth models' lists them")
    with torch.device('meta'):
        kind = _RECIPES[create_model(name, num_classes=1).family]
    if 'data' in values:
        values = {**values, 'data': _with_format(values['data'])}
    recipe: Recipe = validated(TypeAdapter(kind), values, '', kind)
    _refuse_contradictions(recipe)
    return recipe


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as plain values, as `parse_recipe` takes them."""
    return dict(TypeAdapter(type(recipe)).dump_python(recipe, mode='json'))


def read_yaml(path: Path, before: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the keys of a file, on top of those of the file it extends.

    Raises:
        RecipeError: it cannot be read, or is no mapping.
    """
    try:
        values = load_yaml(path.read_text(encoding='utf-8')) or {}
    except (OSError, ValueError) as error:
        raise RecipeError(f'cannot read recipe {path}: {error}') from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise RecipeError(f'{path}: a recipe is a mapping of keys to values')
    extended = values.pop('extends', None)
    if extended is None:
        return values
    if not isinstance(extended, str) or path.resolve() in before:
        raise RecipeError(f'{path}: extends names another recipe, beside this one')
    return _merged(read_yaml(path.parent / extended, (*before, path.resolve())), values)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return both mappings as one; where both have a mapping, these are merged."""
    return {**below, **{
        key: _merged(below[key], value)
        if isinstance(value, dict) and isinstance(below.get(key), dict) else value
        for key, value in above.items()}}


def _with_format(part: Any) -> Any:
    """Generated scenes are the data unless another format is named."""
    return {'format': 'scenes', **part} if isinstance(part, dict) else part


def validated(adapter: TypeAdapter[Any], values: Any, where: str,
              kind: type | None = None) -> Any:
    """Return what plain values mean; RecipeError names the first key that is wrong.

    Args:
        adapter: of the type they should have.
        values: as read from YAML.
        where: dotted path of the values in their file.
        kind: a recipe, whose nearest keys are then named.
    """
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        path = [str(part) for part in first['loc']]
        key = '.'.join([where, *path] if where else path)
        if first['type'] in _UNKNOWN_KEY:
            known = _known_keys(kind) if kind else ()
            raise RecipeError(f'recipe: unknown key {key!r}{nearest(key, known)}') from None
        told = reprlib.repr(first['input'])  # which may be huge: YAML can repeat a part by name
        raise RecipeError(f'recipe: {key}: {first["msg"]}, not {told}') from None


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
        values[last] = load_yaml(text)
    except ValueError:
        raise RecipeError(f'{override[:200]!r}: the value is not YAML') from None


def _known_keys(kind: type) -> list[str]:
    """Return every key of a recipe with its dotted path; a data key once per format it is in."""
    keys: list[str] = []
    for name, hint in get_type_hints(kind).items():
        keys.append(name)
        for part in (hint, *get_args(hint)):
            if not dataclasses.is_dataclass(part):
                continue
            inner = [f.name for f in dataclasses.fields(part)]
            keys.extend(f'{name}.{key}' for key in inner)
            if name == 'data':
                keys.extend(f'data.{part.__dataclass_fields__["format"].default}.{key}'
                            for key in inner)
    return keys


def _refuse_contradictions(recipe: Recipe) -> None:
    """Raise RecipeError for settings that are each fine but not together."""
    endless = isinstance(recipe.data, SceneData) and not recipe.data.count
    watched = ('full', 'base') if recipe.watch == 'mean' else (recipe.watch,)
    rules = (
        ((recipe.epochs is None) == (recipe.iterations is None),
         'give one of epochs and iterations'),
        (recipe.epochs is not None and endless,
         'epochs: generated scenes are endless; give iterations, or data.count'),
        (recipe.augmentation.close_mosaic and endless,
         'augmentation.close_mosaic: endless data has no last epochs'),
        (recipe.batch % recipe.accumulate,
         f'batch: {recipe.batch} images do not divide into accumulate={recipe.accumulate} passes'),
        (any(side % 32 for side in recipe.input_size),
         f'input_size: {list(recipe.input_size)} are not multiples of 32'),
        (recipe.sandwich and recipe.passes != 'both',
         f'sandwich: needs passes=both, not {recipe.passes}'),
        (recipe.patience and recipe.passes != 'both' and watched != (recipe.passes,),
         f'watch: {recipe.watch} is not trained with passes={recipe.passes}'),
        (recipe.new_classes and not recipe.initial_weights,
         'new_classes: there are no initial_weights to take the rest from'),
        (recipe.transfer and not recipe.initial_weights,
         'transfer: there are no initial_weights to take anything from'),
        (recipe.precision == 'fp16' and recipe.device == 'cpu',
         'precision: fp16 needs a CUDA device; bf16 runs on a CPU'),
        (recipe.sync_norms and recipe.device == 'cpu', 'sync_norms: needs CUDA devices'),
    )
    for broken, message in rules:
        if broken:
            raise RecipeError(f'recipe: {message}')
