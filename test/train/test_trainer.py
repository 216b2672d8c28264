# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The trainer end to end on tiny runs: learning, exact resume, refusals."""

from __future__ import annotations

import gc
import os
from pathlib import Path
import random
import re
import signal
import subprocess
import sys
import time
from typing import Any, cast
import weakref

import pytest
from tiny_runs import ROOT, recipe, silent, values
import torch
import yaml

from anydepth_core.errors import AnyDepthError, ImageError, RecipeError, WeightsError
from anydepth_core.models import AnyDepthModel, create_model
from anydepth_core.models.weights import ModelInfo, load_weights, save_weights
from anydepth_core.train.events import Observer, StepEvent
from anydepth_core.train.loggers import CsvLog, read_rows
from anydepth_core.train.publish import evaluate_run, write_weights
from anydepth_core.train.setup import class_heads, make_model
from anydepth_core.train.signals import stopped_by_signals
from anydepth_core.train.trainer import CHECKPOINT, WEIGHTS, Trainer


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return everything the run has learned, raw and averaged."""
    return {f'raw {k}': v for k, v in trainer.step.model.state_dict().items()} | {
        f'average {k}': v for k, v in trainer.average.state_dict().items()}


# Everything that is drawn at random or carried from step to step.
FULL_OF_CHANCE = {
    'scales': [0.75, 1.0, 1.25], 'accumulate': 2, 'sandwich': True, 'log_every': 1,
    'iterations': 5, 'evaluate_every': 2,
    'data': {'sizes': [[96, 128]], 'validation_count': 2, 'count': 5},
    'augmentation': {'mosaic': 0.5, 'affine': 1.0, 'hsv': 1.0, 'flip': 0.5, 'mixup': 0.5}}


class StopAt(Observer):
    """Asks for a stop after a number of steps."""

    def __init__(self, trainer: Trainer, iteration: int) -> None:
        self.trainer, self.iteration = trainer, iteration

    def on_step(self, event: StepEvent) -> None:
        if event.iteration == self.iteration:
            self.trainer.request_stop()


@pytest.mark.parametrize('model', ['anydepth-yolo-tiny', 'anydepth-detr-tiny'])
def test_stopped_and_resumed_equals_never_stopped(model: str, tmp_path: Path) -> None:
    changes = FULL_OF_CHANCE | {'model': model}
    whole = Trainer(recipe(**changes), tmp_path / 'whole', silent)
    whole.run()
    first = Trainer(recipe(**changes), tmp_path / 'parts', silent)
    first.observer = StopAt(first, 3)
    first.run()
    assert first.iteration == 3
    second = Trainer.resume(tmp_path / 'parts', silent)
    assert second.iteration == 3
    second.run()
    for (name, one), (_, other) in zip(weights_of(whole).items(), weights_of(second).items()):
        assert torch.equal(one, other), name
    assert second.scores == whole.scores


def test_killed_at_a_random_step_and_resumed_equals_never_killed(tmp_path: Path) -> None:
    source = tmp_path / 'recipe.yaml'
    source.write_text(yaml.safe_dump(values(iterations=16, checkpoint_every=2)))
    command = [sys.executable, str(ROOT / 'training/train.py'), str(source), str(tmp_path / 'run')]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path, env=environment)
    try:
        wait_for(tmp_path / 'run' / CHECKPOINT, process)
        time.sleep(random.random())
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    resumed = Trainer.resume(tmp_path / 'run', silent)
    assert 2 <= resumed.iteration <= 16
    resumed.run()
    whole = Trainer(recipe(iterations=16), tmp_path / 'whole', silent)
    whole.run()
    for (name, one), (_, other) in zip(weights_of(whole).items(), weights_of(resumed).items()):
        assert torch.equal(one, other), name


def test_sigterm_stops_with_a_checkpoint_and_status_0(tmp_path: Path) -> None:
    source = tmp_path / 'recipe.yaml'
    source.write_text(yaml.safe_dump(values(iterations=10_000, checkpoint_every=2, workers=1)))
    command = [sys.executable, str(ROOT / 'training/train.py'), str(source), str(tmp_path / 'run')]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path, env=environment)
    try:
        wait_for(tmp_path / 'run' / CHECKPOINT, process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    told = re.findall(rb'stopped at iteration (\d+)', errors)
    assert [int(told[0])] == [Trainer.resume(tmp_path / 'run', silent).iteration]


def test_signals_stop_a_run_and_keep_nothing_of_it_afterwards(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    trainer = Trainer(recipe(iterations=1), tmp_path, silent)
    with stopped_by_signals(trainer):
        signal.raise_signal(signal.SIGTERM)
    assert trainer.stop_requested and signal.getsignal(signal.SIGTERM) == before
    left = weakref.ref(trainer)
    del trainer
    gc.collect()
    assert left() is None


def wait_for(path: Path, process: subprocess.Popen[bytes], limit: float = 60.0) -> None:
    """Wait until `path` exists."""
    end = time.monotonic() + limit
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_publishes_weights_with_scores(tmp_path: Path) -> None:
    trainer = Trainer(recipe(iterations=2), tmp_path, silent)
    trainer.observer = CsvLog(tmp_path)
    trainer.run()
    model, info = load_weights(tmp_path / WEIGHTS)
    for name in ('full', 'base', 'mean'):
        assert load_weights(tmp_path / f'best_{name}.safetensors')[1] == info
    assert set(info.ap) == {'full', 'base'}
    assert info.input_size == (96, 128)
    expected = trainer.average.module.state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[name].half().to(value.dtype), msg=name)
    for name in ('losses.csv', 'scores.csv'):
        assert (tmp_path / name).read_text().count('\n') >= 2


def test_what_no_weights_can_hold_is_refused_before_the_first_step(tmp_path: Path) -> None:
    for changes, word in (({'description': 'a\tb'}, 'description'),
                          ({'licence': 2001 * 'x'}, 'licence'),
                          ({'input_size': [8192, 128]}, 'input size')):
        with pytest.raises(WeightsError, match=word):
            Trainer(recipe(**changes), tmp_path, silent)


def test_an_ap_of_nothing_is_not_published(tmp_path: Path) -> None:
    trainer = Trainer(recipe(), tmp_path, silent)
    model = cast(AnyDepthModel, trainer.average.module)
    write_weights(tmp_path, model, trainer.recipe, trainer.info, {'full': -1.0, 'base': 0.5}, [])
    assert load_weights(tmp_path / WEIGHTS)[1].ap == {'base': 0.5}


def test_a_run_goes_on_with_the_evaluation_that_failed(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fails_at_first(*args: Any) -> Any:
        calls.append(args)
        if len(calls) % 2:
            raise ImageError('a.jpg: cannot be read')
        return evaluate_run(*args)

    changes = {'iterations': 3, 'evaluate_every': 2}
    whole = Trainer(recipe(**changes), tmp_path / 'whole', silent)
    whole.observer = CsvLog(tmp_path / 'whole')
    whole.run()
    monkeypatch.setattr('anydepth_core.train.trainer.evaluate_run', fails_at_first)
    trainer = Trainer(recipe(**changes), tmp_path / 'parts', silent)
    for iteration in (2, 3):
        with pytest.raises(ImageError):
            trainer.run()
        assert trainer.iteration == iteration
        trainer = Trainer.resume(tmp_path / 'parts', silent)
        trainer.observer = CsvLog(tmp_path / 'parts')
    trainer.run()
    assert trainer.scores == whole.scores and len(calls) == 4
    one, other = (read_rows(tmp_path / name / 'scores.csv') for name in ('whole', 'parts'))
    assert one == other and [row['iteration'] for row in one] == [2, 3]
    assert Trainer.resume(tmp_path / 'parts', silent).scores == whole.scores


def test_starts_from_given_weights(tmp_path: Path) -> None:
    Trainer(recipe(iterations=2), tmp_path / 'first', silent).run()
    path = tmp_path / 'first' / WEIGHTS
    second = Trainer(recipe(initial_weights=str(path), seed=5), tmp_path / 'second', silent)
    expected = load_weights(path)[0].state_dict()
    for name, value in second.step.model.state_dict().items():
        assert torch.equal(value, expected[name]), name
    with pytest.raises(RecipeError, match='initial_weights: scenes is anydepth-yolo-pico'):
        Trainer(recipe(initial_weights='scenes'), tmp_path / 'third', silent)


@pytest.mark.parametrize('name', ['anydepth-yolo-tiny', 'anydepth-detr-tiny'])
def test_weights_of_other_classes_lend_all_but_the_class_heads(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    known = create_model(name, 3)
    path = tmp_path / 'known.safetensors'
    save_weights(path, known, ModelInfo(model=name, class_names=('a', 'b', 'c'),
                                        input_size=(96, 128)))
    with pytest.raises(RecipeError, match=r'knows 3 classes \(a, b, c\), the data 8.*new_classes'):
        Trainer(recipe(model=name, initial_weights=str(path)), tmp_path / 'run', silent)
    fresh = recipe(model=name, initial_weights=str(path), new_classes=True)
    state = Trainer(fresh, tmp_path / 'run', silent).step.model.state_dict()
    heads = set(class_heads(name))
    assert heads and all('class' in head or 'score' in head for head in heads)
    for key, value in known.state_dict().items():
        assert (key in heads) != torch.equal(state[key], value)


def test_what_two_networks_have_in_common_is_transferred(tmp_path: Path) -> None:
    inner, outer = 'anydepth-yolo-n', 'anydepth-yolo-n-outer'
    torch.manual_seed(1)
    known, path = create_model(inner, 3), tmp_path / 'known.safetensors'
    save_weights(path, known, ModelInfo(model=inner, class_names=('a', 'b', 'c'),
                                        input_size=(96, 128)))
    with pytest.raises(RecipeError, match='transfer=true'):
        make_model(recipe(model=outer, initial_weights=str(path)), 'abcdefgh')
    made = make_model(recipe(model=outer, initial_weights=str(path), transfer=True), 'abcdefgh')
    given, taken = known.state_dict(), 0
    for name, value in made.state_dict().items():
        if name in given and given[name].shape == value.shape:
            assert torch.equal(value, given[name]), name
            taken += 1
    assert 0.9 * len(given) < taken < len(made.state_dict())
    with pytest.raises(RecipeError, match='% fit'):
        make_model(recipe(model='anydepth-detr-tiny', initial_weights=str(path), transfer=True),
                   'abcdefgh')


def test_gradients_that_are_no_numbers_end_a_run_with_a_scaler_too(tmp_path: Path) -> None:
    trainer = Trainer(recipe(), tmp_path, silent)
    trainer.scaler = torch.amp.GradScaler('cpu')  # fp16 itself is for GPUs
    for scale in (65536.0, 1.0):  # an overflow: the step is left out
        trainer.scaler.load_state_dict({**trainer.scaler.state_dict(), 'scale': scale})
        descend_on_nan(trainer)
    trainer.scaler.load_state_dict({**trainer.scaler.state_dict(), 'scale': 1e-5})
    with pytest.raises(AnyDepthError, match='the gradient is nan on a, b'):
        descend_on_nan(trainer)


def descend_on_nan(trainer: Trainer) -> None:
    before = [parameter.detach().clone() for parameter in trainer.parameters]
    trainer.scaler.scale(torch.zeros(()))  # as a step does; the scale is made with it
    for parameter in trainer.parameters:
        parameter.grad = torch.full_like(parameter, torch.nan)
    trainer._descend(['a', 'b'])
    assert all(map(torch.equal, before, trainer.parameters))



def test_what_is_frozen_stays(tmp_path: Path) -> None:
    trainer = Trainer(recipe(frozen=['backbone'], iterations=2), tmp_path, silent)
    before = {k: v.clone() for k, v in trainer.step.model.state_dict().items()}
    trainer.run()
    moved = {k.split('.')[0] for k, v in trainer.step.model.state_dict().items()
             if not torch.equal(v, before[k])}
    assert moved == {'neck', 'head'}
    with pytest.raises(RecipeError, match=r"frozen.*'backbon'.*'backbone'"):
        Trainer(recipe(frozen=['backbon']), tmp_path / 'second', silent)
    with pytest.raises(RecipeError, match='frozen: nothing is left'):
        Trainer(recipe(frozen=['backbone', 'neck', 'head']), tmp_path / 'third', silent)


def test_a_folder_that_cannot_be_is_told_before_any_work(tmp_path: Path) -> None:
    source = tmp_path / 'recipe.yaml'
    source.write_text(yaml.safe_dump(values(data={'format': 'coco', **dict.fromkeys((
        'train_images', 'train_annotations', 'validation_images', 'validation_annotations'),
        'nowhere')})))
    done = subprocess.run([sys.executable, str(ROOT / 'training/train.py'), str(source),
                           str(source)], capture_output=True, text=True, check=False,
                          env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr == f'train: error: cannot make the folder {source}: File exists\n'


def test_frozen_norms_keep_their_statistics(tmp_path: Path) -> None:
    trainer = Trainer(recipe(frozen_norms=True, iterations=2), tmp_path, silent)
    before = {k: v.clone() for k, v in trainer.step.model.state_dict().items() if 'running' in k}
    trainer.run()
    after = trainer.step.model.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())


@pytest.mark.parametrize('passes', ['full', 'base'])
def test_one_pass_alone_trains_and_scores_its_own_depth(passes: str, tmp_path: Path) -> None:
    Trainer(recipe(passes=passes, watch=passes, iterations=2), tmp_path, silent).run()
    assert set(load_weights(tmp_path / WEIGHTS)[1].ap) == {passes}


def test_stops_when_nothing_gets_better(tmp_path: Path) -> None:
    told: list[str] = []
    changes = {'iterations': 20, 'evaluate_every': 1, 'patience': 2,
               'optimizer': {'learning_rate': 1e-9}}
    trainer = Trainer(recipe(**changes), tmp_path, told.append)
    trainer.run()
    assert trainer.iteration == 3 and 'no better mean AP in 2 evaluations' in told[-1]
    again = Trainer.resume(tmp_path, told.append)
    again.run()
    assert again.iteration == 3


def losses_of(folder: Path, precision: str) -> tuple[list[float], Trainer]:
    """Train four steps on whatever device there is."""
    trainer = Trainer(recipe(precision=precision, device='auto', iterations=4, log_every=1),
                      folder / precision, silent)
    trainer.observer = CsvLog(folder / precision)
    trainer.run()
    rows = read_rows(folder / precision / 'losses.csv')
    return [sum(v for k, v in row.items() if '/' in k and 'seconds' not in k)
            for row in rows], trainer


def test_bf16_learns_as_float32_does(tmp_path: Path) -> None:
    exact, _ = losses_of(tmp_path, 'fp32')
    half, _ = losses_of(tmp_path, 'bf16')
    assert len(exact) == 4
    assert half == pytest.approx(exact, rel=0.05)
    assert half != exact


@pytest.mark.filterwarnings('ignore:Detected call of `lr_scheduler')
def test_fp16_leaves_out_steps_that_overflow_and_learns_in_the_others(tmp_path: Path) -> None:
    exact, _ = losses_of(tmp_path, 'fp32')
    half, trainer = losses_of(tmp_path, 'fp16')
    assert half[0] == pytest.approx(exact[0], rel=0.01)
    assert trainer.scaler.get_scale() < 2 ** 16  # the first try was too large, and was taken back
    assert half[1] == pytest.approx(half[0], rel=0.2)
    moments = trainer.optimizer.state_dict()['state']
    assert {float(state['step']) for state in moments.values()} <= {1.0, 2.0, 3.0}
    for value in trainer.step.state_dict().values():
        assert value.isfinite().all()


def test_accumulated_passes_make_the_step_of_one(tmp_path: Path) -> None:
    states = []
    for accumulate in (1, 2):
        changes = {'batch': 2, 'iterations': 1, 'frozen_norms': True, 'accumulate': accumulate,
                   'data': {'sizes': [[96, 128]], 'validation_count': 1, 'count': 1},
                   'optimizer': {'name': 'sgd', 'warm_up': 0, 'learning_rate': 0.1}}
        trainer = Trainer(recipe(**changes), tmp_path / str(accumulate), silent)
        trainer.run()
        states.append(trainer.step.model.state_dict())
    for name, value in states[0].items():  # the same image twice: both ways see the same mean
        torch.testing.assert_close(states[1][name], value, msg=name, rtol=1e-3, atol=1e-5)


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


def test_a_full_disk_leaves_the_checkpoint_that_was_there(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, 'No space left on device')

    trainer = Trainer(recipe(), tmp_path, silent)
    trainer.save()
    before = (tmp_path / CHECKPOINT).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', full)
        with pytest.raises(RecipeError, match=r'cannot write .*No space left'):
            trainer.save()
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_loss_that_is_not_finite_stops_and_names_term_and_images(tmp_path: Path) -> None:
    trainer = Trainer(recipe(), tmp_path, silent)
    trainer.save()
    with torch.no_grad():
        trainer.step.model.head.box[0][-1].bias.fill_(float('nan'))
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(AnyDepthError, match=r'term full/\w+ is nan on scene \d+, scene \d+'):
        trainer.run()
    assert (tmp_path / CHECKPOINT).read_bytes() == before
