# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The trainer end to end on tiny runs: learning, exact resume, refusals."""

from __future__ import annotations

from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest
import torch

from anydepth_core.errors import AnyDepthError, RecipeError
from anydepth_core.models.weights import load_weights
from anydepth_core.train.recipe import Recipe, parse_recipe
from anydepth_core.train.trainer import CHECKPOINT, WEIGHTS, Trainer

ROOT = Path(__file__).resolve().parents[2]


def recipe(**changes: object) -> Recipe:
    """Return a run of seconds: a tiny network on small scenes."""
    values = {'model': 'anydepth-yolo-tiny', 'input_size': [96, 128], 'iterations': 6, 'batch': 2,
              'workers': 0, 'threads': 1, 'evaluate_every': 100, 'checkpoint_every': 100,
              'log_every': 2,
              'data': {'sizes': [[96, 128]], 'validation_count': 2},
              'optimizer': {'warm_up': 2}}
    return parse_recipe(values | changes)


def silent(_line: str) -> None:
    """Swallow a report."""


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return everything the run has learned, raw and averaged."""
    return {f'raw {k}': v for k, v in trainer.step.model.state_dict().items()} | {
        f'average {k}': v for k, v in trainer.average.state_dict().items()}


def test_stopped_and_resumed_equals_never_stopped(tmp_path: Path) -> None:
    whole = Trainer(recipe(), tmp_path / 'whole', silent)
    whole.run()
    first = Trainer(recipe(checkpoint_every=1), tmp_path / 'parts', silent)
    first.report = lambda line: setattr(first, 'stop_requested', True)
    first.run()
    assert 0 < first.iteration < 6
    second = Trainer.resume(tmp_path / 'parts', silent)
    assert second.iteration == first.iteration
    second.run()
    for (name, one), (_, other) in zip(weights_of(whole).items(), weights_of(second).items()):
        assert torch.equal(one, other), name


def test_killed_while_training_leaves_a_checkpoint_that_resumes(tmp_path: Path) -> None:
    source = tmp_path / 'recipe.yaml'
    source.write_text(
        'model: anydepth-yolo-tiny\ninput_size: [96, 128]\niterations: 500\nbatch: 2\n'
        'workers: 0\nthreads: 1\ncheckpoint_every: 1\nevaluate_every: 1000\n'
        'data: {sizes: [[96, 128]], validation_count: 2}\n')
    command = [sys.executable, str(ROOT / 'training/train.py'), str(source), str(tmp_path / 'run')]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT)
    try:
        wait_for(tmp_path / 'run' / CHECKPOINT, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    trainer = Trainer.resume(tmp_path / 'run', silent)
    assert trainer.iteration >= 1


def wait_for(path: Path, process: subprocess.Popen[bytes], limit: float = 60.0) -> None:
    """Wait until `path` exists."""
    end = time.monotonic() + limit
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_publishes_weights_with_scores(tmp_path: Path) -> None:
    trainer = Trainer(recipe(iterations=2), tmp_path, silent)
    trainer.run()
    model, info = load_weights(tmp_path / WEIGHTS)
    assert set(info.ap) == {'full', 'base'}
    assert info.input_size == (96, 128)
    expected = trainer.average.module.state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[name].half().to(value.dtype), msg=name)
    for name in ('losses.csv', 'scores.csv'):
        assert (tmp_path / name).read_text().count('\n') >= 2


def test_starts_from_given_weights(tmp_path: Path) -> None:
    Trainer(recipe(iterations=2), tmp_path / 'first', silent).run()
    path = tmp_path / 'first' / WEIGHTS
    second = Trainer(recipe(initial_weights=str(path), seed=5), tmp_path / 'second', silent)
    expected = load_weights(path)[0].state_dict()
    for name, value in second.step.model.state_dict().items():
        assert torch.equal(value, expected[name]), name
    with pytest.raises(RecipeError, match='initial_weights: scenes is anydepth-yolo-pico'):
        Trainer(recipe(initial_weights='scenes'), tmp_path / 'third', silent)


def test_another_recipe_is_no_resume(tmp_path: Path) -> None:
    Trainer(recipe(), tmp_path, silent).save()
    Trainer.resume(tmp_path, silent, recipe(workers=1, log_every=5))
    with pytest.raises(RecipeError, match='batch'):
        Trainer.resume(tmp_path, silent, recipe(batch=4))


def test_a_truncated_checkpoint_is_told(tmp_path: Path) -> None:
    Trainer(recipe(), tmp_path, silent).save()
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RecipeError, match='cannot resume'):
        Trainer.resume(tmp_path, silent)


def test_a_loss_that_is_not_finite_stops_and_names_term_and_images(tmp_path: Path) -> None:
    trainer = Trainer(recipe(), tmp_path, silent)
    trainer.save()
    with torch.no_grad():
        trainer.step.model.head.box[0][-1].bias.fill_(float('nan'))
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(AnyDepthError, match=r'term full/\w+ is nan on scene \d+, scene \d+'):
        trainer.run()
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize(('changes', 'message'), [
    ({'batchs': 3}, "unknown key 'batchs'.*'batch'"),
    ({'batch': 'many'}, 'batch'),
    ({'batch': 0}, 'batch'),
    ({'optimizer': {'lr': 1.0}}, r'unknown key .optimizer\.lr'),
    ({'distillation': {'alpha': 0.2, 'stages': 3}}, 'stages'),
])
def test_wrong_recipes_name_the_key(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(**changes)


def test_an_unknown_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnyDepthError, match='anydepth-yolo-tiny'):
        Trainer(recipe(model='anydepth-yolo-tinny'), tmp_path, silent)


@pytest.mark.parametrize('path', sorted((ROOT / 'training/recipes').glob('*.yaml')),
                         ids=lambda path: path.name)
def test_shipped_recipes_load(path: Path) -> None:
    from anydepth_core.models import list_models
    from anydepth_core.train.recipe import load_recipe
    assert load_recipe(path).model in list_models()
