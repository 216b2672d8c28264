# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The training step of both families: its passes, its terms, and batches that are odd."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from anydepth_core.losses.assign import Targets
from anydepth_core.losses.detr import DetrLossWeights
from anydepth_core.losses.distill_detr import DetrDistillation
from anydepth_core.losses.distill_yolo import YoloDistillation
from anydepth_core.losses.yolo import YoloLossWeights
from anydepth_core.models import create_model
from anydepth_core.train import step_detr
from anydepth_core.train.step import Terms, TrainingStep, YoloStep
from anydepth_core.train.step_detr import DetrStep

CLASSES = 3
HEIGHT, WIDTH = 64, 96
YOLO_TRUTH = {'classes', 'box', 'distribution'}
DETR_FINAL = {'classes', 'l1', 'giou'}
DETR_OTHERS = {'auxiliary', 'selected', 'denoising'}
FAMILIES = ('yolo', 'detr')
Make = Callable[..., TrainingStep[Any, Any]]


def make(family: str, *, passes: str = 'both', sandwich: bool = False,
         **changes: Any) -> TrainingStep[Any, Any]:
    """Return the step of a tiny network, always with the same weights."""
    torch.manual_seed(0)
    model = create_model(f'anydepth-{family}-tiny', num_classes=CLASSES)
    if family == 'yolo':
        return YoloStep(model, YoloLossWeights(), YoloDistillation(**changes), passes=passes,
                        sandwich=sandwich)
    # A network of 12 queries, so that it can meet more objects than queries.
    model.decoder.selection.count = 12
    return DetrStep(model, DetrLossWeights(denoising_queries=20), DetrDistillation(**changes),
                    passes=passes, sandwich=sandwich)


def objects(*counts: int) -> list[Targets]:
    source = torch.Generator().manual_seed(1)
    found = []
    for count in counts:
        near = torch.rand(count, 2, generator=source) * torch.tensor([60.0, 35.0])
        far = near + torch.rand(count, 2, generator=source) * 25 + 4
        found.append(Targets(torch.randint(CLASSES, (count,), generator=source),
                             torch.cat((near, far), dim=1)))
    return found


def images(count: int) -> Tensor:
    return torch.rand(count, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(2))


def terms_of(step: TrainingStep[Any, Any], targets: list[Targets], seed: int = 0) -> Terms:
    torch.manual_seed(seed)
    return step(images(len(targets)), targets)


def gradients(step: TrainingStep[Any, Any], terms: Terms) -> dict[str, Tensor]:
    step.zero_grad()
    torch.stack(list(terms.values())).sum().backward()
    return {name: parameter.grad for name, parameter in step.named_parameters()
            if parameter.grad is not None}


def names(terms: Terms, part: str) -> set[str]:
    return {name.split('/')[1] for name in terms if name.split('/')[0] == part}


def test_terms_of_both_families() -> None:
    yolo, detr = (terms_of(make(family), objects(2, 1)) for family in FAMILIES)
    assert names(yolo, 'full') == names(yolo, 'base') == YOLO_TRUTH
    assert names(yolo, 'distill') == YOLO_TRUTH | {'features'}
    assert names(detr, 'full') == DETR_FINAL | DETR_OTHERS
    assert names(detr, 'base') == DETR_OTHERS, 'alpha is 0'
    assert names(detr, 'distill') == DETR_FINAL | {'backbone', 'neck'}
    assert all(term.shape == () and term.isfinite() for term in (yolo | detr).values())


@pytest.mark.parametrize('family', FAMILIES)
def test_every_parameter_gets_a_gradient(family: str) -> None:
    step = make(family)
    reached = gradients(step, terms_of(step, objects(2, 1)))
    trained = {name for name, parameter in step.named_parameters() if parameter.requires_grad}
    assert set(reached) == trained


@pytest.mark.parametrize('family', FAMILIES)
def test_alpha_1_is_joint_training(family: str) -> None:
    """Exactly the two passes against ground truth, in terms and in gradients."""
    targets = objects(3, 1)
    both = make(family, alpha=1.0)
    joint = terms_of(both, targets)
    assert not names(joint, 'distill')
    apart: Terms = {}
    for passes in ('full', 'base'):
        apart |= terms_of(make(family, passes=passes), targets)
    assert joint.keys() == apart.keys()
    assert all(torch.equal(joint[name], apart[name]) for name in joint)
    found = gradients(both, joint)
    expected: dict[str, Tensor] = {}
    for passes in ('full', 'base'):
        alone = make(family, passes=passes)
        for name, gradient in gradients(alone, terms_of(alone, targets)).items():
            expected[name] = expected.get(name, 0) + gradient
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize('family', FAMILIES)
def test_alpha_weighs_truth_against_distillation(family: str) -> None:
    targets = objects(3, 1)
    truth = terms_of(make(family, alpha=1.0), targets)
    some = terms_of(make(family, alpha=0.25), targets)
    taught = terms_of(make(family, alpha=0.0), targets)
    weighed = YOLO_TRUTH if family == 'yolo' else DETR_FINAL
    for name in names(truth, 'base'):
        share = 0.25 if name in weighed else 1
        torch.testing.assert_close(some[f'base/{name}'], share * truth[f'base/{name}'])
    for name in names(taught, 'distill'):
        torch.testing.assert_close(some[f'distill/{name}'], 0.75 * taught[f'distill/{name}'])


def test_rows_of_the_papers_ablation() -> None:
    """Table 3: the same switches for both families, and what each leaves."""
    naive = {'target_alignment': False, 'alignment': 'none'}
    for family, predictions, features in (('yolo', YOLO_TRUTH, {'features'}),
                                          ('detr', DETR_FINAL, {'backbone', 'neck'})):
        rows = [terms_of(make(family, **changes), objects(20, 12)) for changes in (
            {'alpha': 1.0}, naive, {'alignment': 'none'}, {}, {'alignment': 'spatial'})]
        assert [names(row, 'distill') for row in rows] == [
            set(), predictions, predictions, predictions | features, predictions | features]
        distilled = [{name: row[f'distill/{name}'] for name in predictions} for row in rows[1:]]
        for name in predictions:
            assert not torch.equal(distilled[0][name], distilled[1][name]), 'aligned'
            assert torch.equal(distilled[1][name], distilled[2][name])
        assert all(not torch.equal(rows[3][f'distill/{name}'], rows[4][f'distill/{name}'])
                   for name in features)


def test_alpha_may_cover_every_term() -> None:
    taught = terms_of(make('detr', alpha_covers='all'), objects(3, 1))
    assert not names(taught, 'base')
    truth = terms_of(make('detr', alpha=1.0, alpha_covers='all'), objects(3, 1))
    some = terms_of(make('detr', alpha=0.5, alpha_covers='all'), objects(3, 1))
    for name in DETR_FINAL | DETR_OTHERS:
        torch.testing.assert_close(some[f'base/{name}'], 0.5 * truth[f'base/{name}'])


@pytest.mark.parametrize('family', FAMILIES)
def test_the_teacher_learns_nothing_from_the_student(family: str) -> None:
    step = make(family)
    terms = terms_of(step, objects(3, 1))
    reached = gradients(step, {k: v for k, v in terms.items() if k.startswith('distill/')})
    essential = {id(parameter) for name, parameter
                 in step.named_parameters(remove_duplicate=False) if '.full.' not in name}
    assert reached
    assert all(id(step.get_parameter(name)) in essential for name in reached)


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('passes', ['full', 'base'])
def test_one_pass_is_a_detector_of_one_depth(family: str, passes: str) -> None:
    terms = terms_of(make(family, passes=passes), objects(2, 1))
    assert {name.split('/')[0] for name in terms} == {passes}
    assert names(terms, passes) == (YOLO_TRUTH if family == 'yolo' else DETR_FINAL | DETR_OTHERS)


@pytest.mark.parametrize('family', FAMILIES)
def test_sandwich_adds_a_random_mixture(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = make(family, sandwich=True)
    ran: list[str] = []
    run = step.run
    monkeypatch.setattr(step, 'run', lambda images, depth, task: (
        ran.append(str(depth)), run(images, depth, task))[1])
    plain = terms_of(make(family), objects(2, 1))
    first, again, other = (terms_of(step, objects(2, 1), seed) for seed in (0, 0, 5))
    assert names(first, 'mixture') == names(first, 'base')
    assert names(first, 'distill_mixture') == names(first, 'distill')
    assert all(torch.equal(first[name], plain[name]) for name in plain), 'the rest is as without'
    assert first.keys() == other.keys()
    assert [depth.split('@')[0] for depth in ran[:2]] == ['full', 'base']
    assert ran[2] == ran[5] != ran[8]
    for name, term in first.items():
        assert torch.equal(term, again[name])


def test_denoising_is_drawn_once_for_all_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = []
    draw = step_detr.draw_denoising
    monkeypatch.setattr(step_detr, 'draw_denoising', lambda *a, **k: draws.append(
        draw(*a, **k)) or draws[-1])
    step = make('detr', sandwich=True)
    seen = []
    outputs = step.model.train_outputs
    monkeypatch.setattr(step.model, 'train_outputs', lambda features, noise: (
        seen.append(noise), outputs(features, noise))[1])
    terms_of(step, objects(2, 1))
    assert len(draws) == 1
    assert [noise is draws[0] for noise in seen] == [True] * 3


@pytest.mark.parametrize('family', FAMILIES)
def test_one_run_of_the_stem_teaches_it_what_one_run_for_each_pass_would(
        family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = make(family).double()
    targets = objects(2, 1)
    pictures = images(2).double()
    torch.manual_seed(0)
    task = step.prepare(pictures, targets)
    depths = step.model.depths
    full, base = (step.run(step.model.stem(pictures), depth, task)
                  for depth in (depths.full, depths.base))
    apart = gradients(step, step.ground_truth_terms(full, task)
                      | step.student_terms(base, full, task, 'base', 'distill'))
    runs, stem = [], step.model.stem
    monkeypatch.setattr(step.model, 'stem', lambda x: runs.append(x) or stem(x))
    torch.manual_seed(0)
    together = gradients(step, step(pictures, targets))
    assert len(runs) == 1
    assert apart.keys() == together.keys()
    for name, gradient in apart.items():
        torch.testing.assert_close(together[name], gradient, atol=1e-9, rtol=1e-6)


def test_without_denoising_queries() -> None:
    step = make('detr')
    step.weights = dataclasses.replace(step.weights, denoising_queries=0)
    terms = terms_of(step, objects(2, 1))
    assert terms['full/denoising'].item() == 0
    assert 'model.decoder.denoising_classes.weight' in gradients(step, terms)


def test_boxes_are_normalised_by_width_and_height() -> None:
    target = Targets(torch.tensor([1]), torch.tensor([[24.0, 8.0, 72.0, 40.0]]))
    task = make('detr').prepare(images(1), [target])
    assert task.targets[0].boxes.tolist() == [[0.5, 0.375, 0.5, 0.5]]


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('counts', [(0, 0), (0, 20), (20, 15)],
                         ids=['no object', 'an empty image', 'more objects than queries'])
def test_odd_batches(family: str, counts: tuple[int, ...]) -> None:
    """Finite, the same terms as ever, and every parameter reached, as several processes need."""
    step = make(family, sandwich=True)
    terms = terms_of(step, objects(*counts))
    assert terms.keys() == terms_of(step, objects(2, 1)).keys()
    assert all(term.isfinite() for term in terms.values())
    reached = gradients(step, terms_of(step, objects(*counts)))
    trained = {name for name, parameter in step.named_parameters() if parameter.requires_grad}
    assert set(reached) == trained
    assert all(gradient.isfinite().all() for gradient in reached.values())


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_weights_that_are_not_finite_show_in_the_terms(family: str, value: float) -> None:
    """No assignment fails over them: the trainer names the term and stops."""
    step = make(family)
    head = step.model.head.score[0] if family == 'yolo' else step.model.decoder.projections[0]
    with torch.no_grad():
        next(head.parameters()).fill_(value)
    terms = terms_of(step, objects(2, 1))
    assert not all(term.isfinite() for term in terms.values())


@pytest.mark.parametrize('family', FAMILIES)
def test_lower_precision_is_as_good(family: str) -> None:
    step = make(family)
    exact = terms_of(step, objects(3, 2))
    with torch.autocast('cpu', torch.bfloat16):
        rounded = terms_of(step, objects(3, 2))
    assert all(term.dtype == torch.float32 and term.isfinite() for term in rounded.values())
    totals = [float(torch.stack(list(t.values())).sum().detach()) for t in (exact, rounded)]
    assert totals[1] == pytest.approx(totals[0], rel=0.2)
