# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What makes AnyDepth-YOLO any-depth, on its tiny network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import copy
import random

from checkpoint_writers import randomised
import pytest
from shared_parameters import sharing
import torch
from torch import Tensor, nn

from anydepth_core.models import AnyDepthModel, RawPredictions, create_model
from anydepth_core.models.base import two_path_stages
from anydepth_core.models.yolo.head import YoloHead
from anydepth_core.nn.conv import ColumnSliceConv2d
from anydepth_core.nn.stage import NORMS

NAME = 'anydepth-yolo-tiny'


def build(name: str = NAME) -> AnyDepthModel:
    torch.manual_seed(0)
    return randomised(create_model(name, 3))


@pytest.fixture(scope='module')
def model() -> AnyDepthModel:
    """Return a network that no test changes."""
    return build()


def images(batch: int = 1, height: int = 320, width: int = 320) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def assert_close(actual: RawPredictions, expected: RawPredictions, logits: float, boxes: float,
                 ) -> None:
    torch.testing.assert_close(actual.logits, expected.logits, atol=logits, rtol=logits)
    torch.testing.assert_close(actual.boxes, expected.boxes, atol=boxes, rtol=0)


def sample(model: AnyDepthModel, count: int) -> list[str]:
    source = random.Random(0)
    return ['full', 'base', *(str(model.depths.sample(source)) for _ in range(count))]


@pytest.mark.parametrize(('name', 'side', 'mixtures'), [
    (NAME, 320, 3), ('anydepth-yolo-n-outer', 160, 1), ('anydepth-yolo-n-ultralytics', 160, 1)])
@torch.inference_mode()
def test_static_and_fused_copies_equal_the_model(name: str, side: int, mixtures: int) -> None:
    model = build(name)
    fused, x = model.fused(), images(1, side, side)
    for depth in sample(model, mixtures):
        expected = model(x, depth)
        assert_close(model.at(depth)(x), expected, 1e-4, 1e-2)
        assert_close(fused(x, depth), expected, 1e-4, 1e-2)


@pytest.mark.parametrize(('batch', 'height', 'width'), [(1, 320, 320), (3, 320, 480), (1, 64, 32)])
@torch.inference_mode()
def test_any_size_and_batch(model: AnyDepthModel, batch: int, height: int, width: int) -> None:
    x = images(batch, height, width)
    for depth in sample(model, 2):
        raw = model(x, depth)
        places = height * width // 64 * 21 // 16
        assert raw.logits.shape == (batch, places, 3) and raw.boxes.shape == (batch, places, 4)
        assert_close(model.at(depth)(x), raw, 1e-4, 1e-2)
        alone = model(x[-1:], depth)
        assert_close(RawPredictions(*(part[-1:] for part in raw)), alone, 1e-4, 1e-2)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@torch.inference_mode()
def test_half_precision(model: AnyDepthModel, dtype: torch.dtype) -> None:
    """Both forms stay near single precision, and boxes keep it."""
    half = copy.deepcopy(model).to(dtype)
    x = images(1, 96, 96)
    for depth in sample(model, 1):
        exact = model(x, depth)
        static = model.at(depth).to(dtype)
        for raw in (half(x.to(dtype), depth), static(x.to(dtype))):
            assert raw.logits.dtype == dtype and raw.boxes.dtype == torch.float32
            assert (raw.logits - exact.logits).abs().mean() < 0.1 * exact.logits.std()
            assert (raw.boxes - exact.boxes).abs().mean() < 1.0


@torch.inference_mode()
def test_half_precision_does_not_move_boxes() -> None:
    """Far from the origin, where numbers in half precision are pixels apart."""
    head = YoloHead((16, 16, 16), 3)
    for branch in head.box:
        nn.init.zeros_(branch[-1].weight)  # every box is 15 strides wide, but for rounding
    maps = tuple(torch.rand(1, 16, 640 // stride, 640 // stride) for stride in (8, 16, 32))
    expected = head(maps).boxes
    assert expected.amax() > 700
    for dtype in (torch.float16, torch.bfloat16):
        with torch.autocast('cpu', dtype):
            assert head(maps).boxes.equal(expected)
        half = copy.deepcopy(head).to(dtype)
        assert half(tuple(x.to(dtype) for x in maps)).boxes.equal(expected)


def only_full(model: AnyDepthModel) -> list[nn.Parameter]:
    """Return the parameters that no essential path holds, of all stages."""
    stages = two_path_stages(model).values()
    essential = {id(p) for stage in stages for p in stage.essential.parameters()}
    return [p for stage in stages for p in stage.full.parameters() if id(p) not in essential]


@torch.inference_mode()
def test_base_never_touches_refinement() -> None:
    model = build()
    before = model(images(), 'base')
    perturbed = only_full(model)
    assert len(perturbed) > 100
    for parameter in perturbed:
        parameter.fill_(float('nan'))
    for stage in two_path_stages(model).values():
        for module in stage.full.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.fill_(float('nan'))
    after = model(images(), 'base')
    assert after.logits.equal(before.logits) and after.boxes.equal(before.boxes)
    assert model(images(), 'base+p3').logits.isnan().any()


@torch.inference_mode()
def test_every_stage_matters(model: AnyDepthModel) -> None:
    base, full = model(images(), 'base').logits, model(images(), 'full').logits
    for stage in model.depths.stages:
        assert not model(images(), f'base+{stage}').logits.equal(base)
        assert not model(images(), f'full-{stage}').logits.equal(full)


def test_slice_reads_the_first_columns_only() -> None:
    wide, narrow = nn.Conv2d(6, 4, 1, bias=False), ColumnSliceConv2d(2, 4, 6)
    narrow.weight = wide.weight
    x = torch.randn(1, 2, 3, 3)
    padded = torch.cat((x, torch.zeros(1, 4, 3, 3)), dim=1)
    torch.testing.assert_close(narrow(x), wide(padded))


def test_both_passes_reach_every_parameter() -> None:
    model = build().train()
    loss = sum(part.float().square().mean() for depth in ('full', 'base')
               for part in model(images(2, 64, 64), depth))
    loss.backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_one_pass_reaches_its_own_path_only() -> None:
    model = build().train()
    sum(part.sum() for part in model(images(2, 64, 64), 'base')).backward()
    assert all(parameter.grad is None for parameter in only_full(model))
    assert all(p.grad is not None for stage in two_path_stages(model).values()
               for p in stage.essential.parameters())


def statistics(path: nn.Module) -> list[Tensor]:
    return [module.running_mean.clone() for module in path.modules()
            if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize(('depth', 'changed', 'kept'), [
    ('full', 'full', 'essential'), ('base', 'essential', 'full')])
def test_a_pass_leaves_the_other_paths_statistics(depth: str, changed: str, kept: str) -> None:
    model = build().train()
    stages = two_path_stages(model).values()
    before = [(statistics(getattr(s, changed)), statistics(getattr(s, kept))) for s in stages]
    model(images(2, 64, 64), depth)
    for stage, (moved, still) in zip(stages, before):
        assert not any(a.equal(b) for a, b in zip(moved, statistics(getattr(stage, changed))))
        assert all(a.equal(b) for a, b in zip(still, statistics(getattr(stage, kept))))


@torch.inference_mode()
def test_threads_at_different_depths(model: AnyDepthModel) -> None:
    depths = ['full', 'base'] * 6
    x = images(1, 64, 64)
    expected = {depth: model(x, depth).logits for depth in set(depths)}

    def run(depth: str) -> bool:
        with torch.inference_mode():
            return all(model(x, depth).logits.equal(expected[depth]) for _ in range(3))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, depths))


def test_paths_share_all_but_norms_and_own_aggregators(model: AnyDepthModel) -> None:
    pairs = sharing(model)
    assert len(pairs) > 100
    assert all(a.replace('.full.', '.essential.') == b for a, b in pairs)
    shared = {name for _, name in pairs}
    owned = [name for name, module in model.named_modules() if isinstance(module, NORMS)]
    own = {name for name, _ in model.named_parameters() if '.essential.' in name} - shared
    assert {name for name in own if name.rpartition('.')[0] not in owned} == {
        f'backbone.{stage}.essential.block.aggregate.conv.weight' for stage in ('p4', 'p5')}


def test_static_copy_holds_nothing_unused(model: AnyDepthModel) -> None:
    for depth in ('full', 'base', 'base+p4'):
        static = model.at(depth)
        used: set[str] = set()
        for name, module in static.named_modules():
            if not list(module.children()):
                module.register_forward_hook(
                    lambda *_, name=name, used=used: used.add(name))
        static(images(1, 64, 64))
        leaves = {name for name, module in static.named_modules()
                  if not list(module.children()) and list(module.parameters())}
        assert leaves <= used
    assert sum(p.numel() for p in model.at('base').parameters()) < sum(
        p.numel() for p in model.at('full').parameters())


def test_export(model: AnyDepthModel) -> None:
    x = images(1, 64, 64)
    exported = torch.export.export(model.at('base+p4'), (x,)).module()
    assert_close(RawPredictions(*exported(x)), model(x, 'base+p4'), 1e-4, 1e-2)


def test_starting_scores_are_rare() -> None:
    torch.manual_seed(0)
    raw = create_model(NAME, 3).eval()(images(1, 64, 64), 'full')
    assert raw.logits.sigmoid().max() < 0.05
    assert (raw.boxes[..., 2:] > raw.boxes[..., :2]).all()
