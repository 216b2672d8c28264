# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes: what is refused, in one line that names the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import ROOT, recipe, silent, values
import yaml

from anydepth_core.errors import AnyDepthError, RecipeError
from anydepth_core.models import list_models
from anydepth_core.train.recipe import DetrRecipe, YoloRecipe
from anydepth_core.train.recipe_file import (
    load_data_options,
    load_recipe,
    parse_recipe,
    recipe_values,
)
from anydepth_core.train.trainer import Trainer

# Of each PyYAML's constructors raise an error of another kind.
NO_VALUES = ('2026-02-30', '!!bool x', '!!timestamp x', '!!int ""', '[' * 3000)
SHIPPED = sorted((ROOT / 'training/recipes').rglob('*.yaml'))


@pytest.mark.parametrize(('changes', 'message'), [
    ({'batchs': 3}, "unknown key 'batchs'.*'batch'"),
    ({'batch': 'many'}, 'batch'),
    ({'batch': 0}, 'batch'),
    ({'optimizer': {'lr': 1.0}}, r'unknown key .optimizer\.lr'),
    ({'optimizer': {'learning_rat': 1.0}}, r"'optimizer\.learning_rat'.*optimizer\.learning_rate"),
    ({'distillation': {'alpha': 0.2, 'stages': 3}}, 'stages'),
    ({'data': {'size': [[96, 128]]}}, r'data.*size'),
    ({'data': {'format': 'voc'}}, 'data'),
    ({'epochs': 3}, 'one of epochs and iterations'),
    ({'iterations': None}, 'one of epochs and iterations'),
    ({'iterations': None, 'epochs': 3}, 'endless'),
    ({'batch': 3, 'accumulate': 2}, 'accumulate=2'),
    ({'input_size': [100, 128]}, 'multiples of 32'),
    ({'scales': []}, 'scales'),
    ({'sandwich': True, 'passes': 'full'}, 'sandwich'),
    ({'passes': 'full', 'patience': 2, 'watch': 'base'}, 'watch'),
    ({'new_classes': True}, 'initial_weights'),
    ({'transfer': True}, 'initial_weights'),
    ({'precision': 'fp16'}, 'bf16'),
    ({'sync_norms': True}, 'CUDA'),
    ({'device': 'tpu'}, 'device'),
    ({'seed': 1 << 64}, 'seed'),
    ({'model': 3}, 'model'),
    ({'loss': {'l1': 5.0}}, r'loss\.l1'),
])
def test_wrong_recipes_name_the_key(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        recipe(**changes)
    assert '\n' not in str(caught.value)


def test_an_unknown_model_is_told() -> None:
    with pytest.raises(AnyDepthError, match='anydepth-yolo-tiny'):
        recipe(model='anydepth-yolo-tinny')


def test_a_folder_that_is_missing_is_told_before_the_first_step(tmp_path: Path) -> None:
    data = {'format': 'coco', 'train_images': str(tmp_path / 'nowhere'),
            'train_annotations': str(tmp_path / 'nowhere.json'),
            'validation_images': str(tmp_path), 'validation_annotations': str(tmp_path / 'x')}
    with pytest.raises(AnyDepthError, match='nowhere'):
        Trainer(recipe(data=data), tmp_path / 'run', silent)


def test_the_family_decides_which_losses_a_recipe_has() -> None:
    assert isinstance(recipe(), YoloRecipe)
    assert isinstance(recipe(model='anydepth-detr-tiny', loss={'l1': 4.0}), DetrRecipe)


@pytest.mark.parametrize('model', ['anydepth-yolo-tiny', 'anydepth-detr-tiny'])
def test_values_round_trip(model: str) -> None:
    once = recipe(model=model, scales=[0.5, 1.0])
    assert parse_recipe(recipe_values(once)) == once


def test_overrides_reach_parts(tmp_path: Path) -> None:
    path = tmp_path / 'r.yaml'
    path.write_text(yaml.safe_dump(values()))
    changed = load_recipe(path, ['batch=4', 'optimizer.learning_rate=0.5', 'data.seed=7'])
    assert (changed.batch, changed.optimizer.learning_rate, changed.data.seed) == (4, 0.5, 7)
    for wrong in ('batch', 'batch.x=3', 'batch=[', '=3', *(f'licence={x}' for x in NO_VALUES)):
        with pytest.raises(RecipeError) as caught:
            load_recipe(path, [wrong])
        assert '\n' not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize('content', ['- 1', 'a: [', '\x00', '!!python/object/apply:os.system [ls]',
                                     '3: 4', '[' * 3000, *(f'licence: {x}' for x in NO_VALUES)])
def test_files_that_are_no_recipe(content: str, tmp_path: Path) -> None:
    path = tmp_path / 'r.yaml'
    path.write_text(content)
    with pytest.raises(RecipeError):
        load_recipe(path)


def test_data_options_from_a_recipe_or_a_file_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / 'r.yaml'
    path.write_text(yaml.safe_dump(values()))
    whole = load_data_options(path)
    path.write_text(yaml.safe_dump(values()['data']))
    assert load_data_options(path) == whole == recipe().data
    with pytest.raises(RecipeError):
        load_data_options(path, ['data.seeds=3'])


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.name)
def test_shipped_recipes_load(path: Path) -> None:
    assert load_recipe(path).model in list_models()
