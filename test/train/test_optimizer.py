# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How the weights move: groups, the learning rate's way, momentum, size of the gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from tiny_runs import recipe, silent
import torch
from torch import nn

from anydepth_core.models import create_model
from anydepth_core.train.optimizer import (
    OptimizerRecipe,
    learning_rate_curve,
    make_optimizer,
    make_schedule,
    warm_momentum,
)
from anydepth_core.train.trainer import Trainer


def small_model() -> nn.Module:
    model = nn.ModuleDict({
        'backbone': nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
        'backbones_neighbour': nn.Linear(4, 2), 'frozen': nn.Linear(2, 2)})
    model['frozen'].requires_grad_(False)
    return model


def moved(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, tuple[float, float]]:
    """Return the learning rate and weight decay of every parameter that the optimizer moves."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [(names[id(parameter)], (group['lr'], group['weight_decay']))
             for group in optimizer.param_groups for parameter in group['params']]
    assert len(found) == len(dict(found)), 'none twice'
    return dict(found)


@pytest.mark.parametrize('name', ['adamw', 'sgd'])
def test_only_matrices_decay_and_only_the_backbone_is_slower(
        name: Literal['adamw', 'sgd']) -> None:
    model = small_model()
    for factor, slow in ((0.25, 0.5), (1.0, 2.0)):
        options = OptimizerRecipe(name=name, learning_rate=2.0, backbone_factor=factor,
                                  weight_decay=0.125)
        assert moved(model, make_optimizer(model, options)) == {
            'backbone.0.weight': (slow, 0.125), 'backbone.0.bias': (slow, 0.0),
            'backbone.1.weight': (slow, 0.0), 'backbone.1.bias': (slow, 0.0),
            'backbones_neighbour.weight': (2.0, 0.125), 'backbones_neighbour.bias': (2.0, 0.0)}


@pytest.mark.parametrize('family', ['yolo', 'detr'])
def test_the_networks_backbones_are_slower(family: str) -> None:
    model = create_model(f'anydepth-{family}-tiny', num_classes=3)
    options = OptimizerRecipe(learning_rate=2.0, backbone_factor=0.25)
    groups = moved(model, make_optimizer(model, options))
    found = {name: rate for name, (rate, _) in groups.items()}
    assert set(found) == {name for name, p in model.named_parameters() if p.requires_grad}
    slow = {f'backbone.{name}' for name, _ in model.backbone.named_parameters()}
    assert slow == {name for name, rate in found.items() if rate == 0.5}
    assert {found[name] for name in set(found) - slow} == {2.0}


def test_momentum_goes_to_the_optimizer() -> None:
    for name, key, expected in (('sgd', 'momentum', 0.7), ('adamw', 'betas', (0.7, 0.999))):
        optimizer = make_optimizer(small_model(), OptimizerRecipe(name=name, momentum=0.7))
        assert {group[key] for group in optimizer.param_groups} == {expected}


@pytest.mark.parametrize(('schedule', 'quarter', 'middle', 'end'), [
    ('linear', 0.8, 0.6, 0.2),  # 1 - 0.8 / 4 and so on
    ('cosine', 0.2 + 0.4 * (1 + 0.5 ** 0.5), 0.6, 0.2),
    ('constant', 1.0, 1.0, 1.0)], ids=['linear', 'cosine', 'constant'])
def test_learning_rate_by_iteration(schedule: Any, quarter: float, middle: float,
                                    end: float) -> None:
    """Ten iterations of warm-up and a hundred of the schedule, down to a fifth."""
    curve = learning_rate_curve(
        OptimizerRecipe(schedule=schedule, warm_up=10, final_fraction=0.2), iterations=110)
    for iteration, expected in ((0, 0.1), (4, 0.5), (9, 1.0), (10, 1.0), (35, quarter),
                                (60, middle), (110, end), (130, end)):
        assert curve(iteration) == pytest.approx(expected), iteration


def test_schedule_keeps_the_backbones_share() -> None:
    options = OptimizerRecipe(learning_rate=2.0, backbone_factor=0.25, schedule='linear',
                              warm_up=2, final_fraction=0.0)
    optimizer = make_optimizer(small_model(), options)
    schedule = make_schedule(optimizer, options, iterations=4)
    for rate in (1.0, 2.0, 2.0, 1.0, 0.0):
        assert {group['lr'] for group in optimizer.param_groups} == {rate, 0.25 * rate}
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(('changes', 'expected'), [
    ({'name': 'sgd', 'warm_up_momentum': 0.5}, (0.5, 0.7, 0.9, 0.9)),
    ({'name': 'sgd', 'warm_up_momentum': 0.5, 'warm_up': 0}, (0.5, 0.9, 0.9, 0.9)),
    ({'name': 'sgd'}, (0.9,) * 4)], ids=['rising', 'no warm-up', 'fixed'])
def test_momentum_warms_up(changes: dict[str, Any], expected: tuple[float, ...]) -> None:
    options = OptimizerRecipe(**{'momentum': 0.9, 'warm_up': 10} | changes)
    optimizer = make_optimizer(small_model(), options)
    for iteration, momentum in zip((0, 5, 10, 50), expected):
        warm_momentum(optimizer, options, iteration)
        for group in optimizer.param_groups:
            assert group['momentum'] == pytest.approx(momentum), iteration


def test_gradient_is_multiplied_then_clipped(tmp_path: Path) -> None:
    """One plain step of SGD moves the weights by learning rate times gradient."""
    def flat(trainer: Trainer) -> torch.Tensor:
        return torch.cat([p.detach().double().flatten() for p in trainer.parameters])

    def distance(**changes: float) -> float:
        options = {'name': 'sgd', 'momentum': 0.0, 'weight_decay': 0.0, 'learning_rate': 0.5,
                   'warm_up': 0, 'clip_norm': 1e6}
        trainer = Trainer(recipe(optimizer=options | changes), tmp_path, silent)
        before = flat(trainer)
        trainer.request_stop()
        trainer.run()
        assert trainer.iteration == 1
        return float((flat(trainer) - before).norm())

    plain = distance()
    assert plain > 1
    assert distance(gradient_factor=3.0) == pytest.approx(3 * plain, rel=1e-3)
    assert distance(clip_norm=0.25) == pytest.approx(0.125, rel=1e-3)
    assert distance(clip_norm=0.25, gradient_factor=3.0) == pytest.approx(0.125, rel=1e-3)
