# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Linear CKA: its closed form, what it ignores, and the two readings on a network."""

from __future__ import annotations

from evaluation_data import tiny_batches
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
import torch
from torch import Tensor

from anydepth_core.evaluate.cka import LinearCka, positions, split_post_hoc, stage_similarity
from anydepth_core.models.base import two_path_stages
from anydepth_core.models.registry import create_model
from anydepth_core.nn.stage import NORMS


def cka(first: Tensor, second: Tensor, parts: int = 1) -> float:
    judge = LinearCka(first.shape[1], second.shape[1])
    for one, other in zip(first.chunk(parts), second.chunk(parts)):
        judge.add(one, other)
    return judge.value()


def by_gram_matrices(first: Tensor, second: Tensor) -> float:
    """Return CKA as Kornblith et al. define it: from centred (N, N) matrices of the examples."""
    count = len(first)
    centre = torch.eye(count, dtype=torch.float64) - 1 / count
    one, other = (centre @ each @ each.T @ centre for each in (first.double(), second.double()))
    return float((one * other).sum() / (one.norm() * other.norm()))


@given(st.integers(0, 2 ** 31), st.integers(2, 40), st.integers(1, 6), st.integers(1, 6),
       st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_is_the_closed_form_in_any_batches(seed: int, count: int, first: int, second: int,
                                           parts: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    one = torch.randn(count, first, generator=generator) + 100
    other = one @ torch.randn(first, second, generator=generator) \
        + torch.randn(count, second, generator=generator)
    assert cka(one, other, parts) == pytest.approx(by_gram_matrices(one, other), abs=1e-6)


@given(st.integers(0, 2 ** 31), st.floats(0.01, 100), st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_rotation_scale_and_shift_do_not_matter(seed: int, scale: float, shift: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    one = torch.randn(60, 5, generator=generator, dtype=torch.float64)
    other = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64))[0]
    assert cka(one, scale * one @ rotation + shift) == pytest.approx(1)
    assert cka(scale * one @ rotation + shift, other) == pytest.approx(cka(one, other))
    assert cka(one, other) == pytest.approx(cka(other, one))


def test_known_values() -> None:
    two = torch.tensor([[1., 0.], [-1., 0.], [0., 1.], [0., -1.]])
    # |Y'X|² / (|X'X| |Y'Y|) with X'X = 2 I, Y'Y = (2), Y'X = (2, 0)
    assert cka(two, two[:, :1]) == pytest.approx(4 / (2 ** 1.5 * 2))
    assert cka(two[:, :1], two[:, 1:]) == 0
    constant = cka(two, torch.ones(4, 3))
    assert constant != constant  # nothing can be said


def test_positions_are_examples() -> None:
    features = torch.arange(24.0).reshape(2, 3, 2, 2)
    rows = positions(features)
    assert rows.shape == (8, 3)
    assert rows[0].tolist() == features[0, :, 0, 0].tolist()


def test_batch_size_does_not_matter_and_both_readings_start_equal() -> None:
    torch.manual_seed(0)
    model = create_model('anydepth-yolo-tiny', 8).eval()
    whole = stage_similarity(model, tiny_batches(4, batch=4))
    parts = stage_similarity(model, tiny_batches(4, batch=1))
    for reading, stages in whole.items():
        assert list(stages) == list(model.depths.stages)
        assert parts[reading] == pytest.approx(stages, abs=1e-4)
        assert all(0 <= value <= 1 + 1e-9 for value in stages.values())
    assert whole['stage']['p2'] == pytest.approx(whole['pass']['p2'])  # nothing before it differs
    assert whole['stage']['pan5'] != pytest.approx(whole['pass']['pan5'])


@pytest.mark.parametrize('name', ['anydepth-yolo-tiny', 'anydepth-detr-tiny'])
def test_post_hoc_split_copies_norms(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name, 8).eval()
    with torch.no_grad():
        for each, module in model.named_modules():
            if isinstance(module, NORMS) and '.essential.' not in each:
                for tensor in (module.weight, module.bias):
                    tensor.add_(torch.rand_like(tensor))
    before = stage_similarity(model, tiny_batches(2))
    split_post_hoc(model)
    after = stage_similarity(model, tiny_batches(2))
    assert before != after
    copied = 0
    for stage in two_path_stages(model).values():
        full = dict(stage.full.named_modules())
        for each, module in stage.essential.named_modules():
            if isinstance(module, NORMS) and each in full:
                for key, value in module.state_dict().items():
                    assert torch.equal(value, full[each].state_dict()[key]), each
                copied += 1
    assert copied > 10


def test_identical_paths_are_alike() -> None:
    """A stage whose refinement adds nothing has CKA 1 after the split (facts: the identity)."""
    torch.manual_seed(0)
    model = create_model('anydepth-detr-tiny', 8).eval()
    split_post_hoc(model)
    with torch.no_grad():
        for name, stage in two_path_stages(model).items():
            if name.startswith('backbone.'):
                kept = dict(stage.essential.named_modules())
                for each, module in stage.full.named_modules():
                    if each not in kept and isinstance(module, NORMS):
                        module.weight.zero_()
                        module.bias.zero_()
    alike = stage_similarity(model, tiny_batches(2))
    for stage in ('p2', 'p3', 'p4', 'p5'):
        assert alike['stage'][stage] == pytest.approx(1, abs=1e-6), stage
    assert alike['stage']['fpn4'] < 0.999999
