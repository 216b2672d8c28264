# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""AnyDepth-DETR as a whole: sizes, depths, static copies, threads, export."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import copy
import random

import pytest
from rtdetr_models import assert_same, random_images, randomise
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from anydepth_core.depth import STAGES
from anydepth_core.models.registry import create_model
from anydepth_core.models.rtdetr import CONFIGS, AnyDepthDetr, backbone, neck
from anydepth_core.models.rtdetr.decoder import Decoder
from anydepth_core.models.rtdetr.model import corners
from anydepth_core.models.rtdetr.selection import QuerySelection

IMAGES = random_images(2, 320, 320)


@pytest.fixture(scope='module')
def tiny() -> AnyDepthDetr:
    return randomise(create_model('anydepth-detr-tiny', num_classes=7)).requires_grad_(False)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(('name', 'total', 'parts'), [
    ('r50', 42_885_068, (23_454_912, 11_963_648, 7_466_508)),
    ('r101', 76_556_364, (42_394_816, 26_596_736, 7_564_812)),
    # Official RT-DETR plus the second norms: batch norms of backbone and neck, layer norms.
    ('r18', 20_184_464 + 3_840 + 9_728 + 1_024, None),
    ('r34', 31_441_668 + 8_704 + 9_728 + 1_024, None),
])
def test_parameter_counts(name: str, total: int, parts: tuple[int, ...] | None) -> None:
    with torch.device('meta'):
        model = create_model(f'anydepth-detr-{name}')
    assert count(model) == total
    if parts is not None:
        assert (count(model.backbone), count(model.neck), count(model.decoder)) == parts


@pytest.mark.parametrize('name', sorted(CONFIGS))
def test_second_norms_are_the_only_additions(name: str) -> None:
    """The essential paths own their norms, but the shortcuts', and nothing else."""
    with torch.device('meta'):
        model = create_model(f'anydepth-detr-{name}')
    named = list(model.named_parameters(remove_duplicate=False))
    full = {id(parameter) for key, parameter in named if '.essential.' not in key}
    essential = {id(parameter) for key, parameter in named if '.essential.' in key}
    norms = {id(parameter) for key, module in model.named_modules(remove_duplicate=False)
             if '.essential.' in key and 'shortcut' not in key
             and isinstance(module, (nn.BatchNorm2d, nn.LayerNorm))
             for parameter in module.parameters()}
    assert essential - full == norms


@pytest.mark.parametrize(('name', 'kind'), [
    ('r18', nn.BatchNorm2d), ('r34', nn.BatchNorm2d), ('tiny', nn.BatchNorm2d),
    ('r50', FrozenBatchNorm2d), ('r101', FrozenBatchNorm2d), ('r50-vd', FrozenBatchNorm2d)])
def test_frozen_norms(name: str, kind: type[nn.Module]) -> None:
    with torch.device('meta'):
        model = create_model(f'anydepth-detr-{name}')
    norms = [m for m in model.backbone.modules()
             if isinstance(m, (nn.BatchNorm2d, FrozenBatchNorm2d))]
    assert norms
    assert {type(norm) for norm in norms} == {kind}
    frozen = kind is FrozenBatchNorm2d
    assert all(p.requires_grad is not frozen for p in model.backbone.stem.parameters())
    assert all(p.requires_grad for p in model.neck.parameters())


def test_essential_counts() -> None:
    assert [backbone.essential_count(n) for n in (1, 2, 3, 4, 6, 23)] == [1, 1, 2, 2, 3, 12]
    assert [neck.essential_count(n) for n in (1, 2, 3, 4, 5)] == [1, 1, 1, 1, 2]


def depths() -> list[str]:
    space = create_model('anydepth-detr-tiny').depths
    rng = random.Random(1)
    return ['full', 'base', *(str(space.sample(rng)) for _ in range(4))]


@pytest.mark.parametrize('depth', depths())
def test_static_copy_equals_the_model(tiny: AnyDepthDetr, depth: str) -> None:
    static = tiny.at(depth)
    assert not any(parameter.requires_grad for parameter in static.parameters())
    assert_same(static(IMAGES), tiny(IMAGES, depth))
    decoder = static.model.decoder
    assert isinstance(decoder, Decoder)
    layers = tiny.depths.parse(depth).decoder_layers
    assert len(decoder.layers) == len(decoder.box_heads) == layers
    assert not hasattr(decoder, 'denoising_classes')
    assert not list(decoder.class_heads[:-1].parameters())


def test_fused_model_at_every_extreme(tiny: AnyDepthDetr) -> None:
    fused = tiny.fused()
    for depth in ('full', 'base', 'base+neck@1'):
        assert_same(fused(IMAGES, depth), tiny(IMAGES, depth))


def test_static_copy_uses_all_it_holds(tiny: AnyDepthDetr) -> None:
    static = tiny.at('base').requires_grad_(True)
    raw = static(IMAGES)
    (raw.logits.sum() + raw.boxes.sum()).backward()
    unused = [name for name, parameter in static.named_parameters() if parameter.grad is None]
    # Queries and boxes are selected, which passes no gradient to what they are selected by.
    assert all(name.startswith('model.decoder.selection.class_head.') for name in unused), unused


def test_every_stage_changes_the_result(tiny: AnyDepthDetr) -> None:
    full = tiny.features(IMAGES, tiny.depths.full)
    assert tuple(full) == STAGES
    for index, stage in enumerate(STAGES):
        changed = tiny.features(IMAGES, tiny.depths.parse(f'full-{stage}'))
        different = [name for name in STAGES if not torch.equal(full[name], changed[name])]
        assert stage in different
        assert not set(different) & set(STAGES[:index])


def test_base_never_touches_refinement(tiny: AnyDepthDetr) -> None:
    expected = tiny(IMAGES, 'base')
    poisoned = create_model('anydepth-detr-tiny', num_classes=7).eval().requires_grad_(False)
    poisoned.load_state_dict(tiny.state_dict())
    essential = {id(tensor) for key, tensor in poisoned.state_dict(keep_vars=True).items()
                 if '.full.' not in key}
    refinement = [tensor for tensor in poisoned.state_dict(keep_vars=True).values()
                  if id(tensor) not in essential and tensor.is_floating_point()]
    assert len(refinement) > 100
    with torch.no_grad():
        for tensor in refinement:
            tensor.fill_(torch.nan)
        for layer in poisoned.decoder.layers[poisoned.depths.base.decoder_layers:]:
            for parameter in layer.parameters():
                parameter.fill_(torch.nan)
    actual = poisoned(IMAGES, 'base')
    assert torch.equal(actual.logits, expected.logits)
    assert torch.equal(actual.boxes, expected.boxes)
    assert poisoned(IMAGES, 'full').logits.isnan().any()


@pytest.mark.parametrize(('height', 'width', 'queries'), [
    (320, 320, 100), (224, 352, 100), (64, 64, 84)])
def test_any_size_and_batch(tiny: AnyDepthDetr, height: int, width: int, queries: int) -> None:
    images = random_images(3, height, width)
    raw = tiny(images, 'base')
    assert raw.logits.shape == (3, queries, 7)
    assert raw.boxes.shape == (3, queries, 4)
    sides = raw.boxes[..., 2:] - raw.boxes[..., :2]
    assert (sides >= 0).all()
    assert (raw.boxes[..., 2] <= 1.5 * width).all()
    assert (raw.boxes[..., 3] <= 1.5 * height).all()
    alone = tiny(images[1:2], 'base')
    assert_same(alone, type(raw)(raw.logits[1:2], raw.boxes[1:2]))


def test_corners() -> None:
    boxes = corners(torch.tensor([[0.5, 0.25, 0.5, 0.5]]), 100, 200)
    assert boxes.tolist() == [[50.0, 0.0, 150.0, 50.0]]


def test_threads_at_different_depths(tiny: AnyDepthDetr) -> None:
    jobs = [(random_images(1, size, 320, seed), depth) for seed, (size, depth) in enumerate(
        [(256, 'full'), (320, 'base'), (288, 'full-p4@1'), (320, 'full'), (256, 'base')] * 2)]
    expected = [tiny(*job).logits for job in jobs]
    with ThreadPoolExecutor(2) as pool:
        actual = list(pool.map(lambda job: tiny(*job).logits, jobs))
    assert all(torch.equal(a, b) for a, b in zip(actual, expected, strict=True))


def test_export(tiny: AnyDepthDetr) -> None:
    """A static copy exports, and exporting leaves nothing behind that harms the model."""
    size = (1, 3, 160, 192)
    exported = torch.export.export(tiny.at('base'), (torch.zeros(size),)).module()
    images = random_images(*size[::2], size[3])
    logits, boxes = exported(images)
    expected = tiny(images, 'base')
    assert_same(type(expected)(logits, boxes), expected)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('depth', ['full', 'base'])
def test_half_precision(tiny: AnyDepthDetr, dtype: torch.dtype, depth: str,
                        monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms stay near single precision; boxes keep it. All make queries of the same places.

    Errors are in units of the type's rounding; see test/parity/static_equals_dynamic.py.
    """
    choices = []
    best = QuerySelection.best
    monkeypatch.setattr(QuerySelection, 'best', lambda selection, logits: choices[0] if choices
                        else choices.append(best(selection, logits)) or choices[0])
    exact = tiny(IMAGES, depth)
    dynamic, static = copy.deepcopy(tiny).to(dtype), tiny.at(depth).to(dtype)
    for raw in (dynamic(IMAGES.to(dtype), depth), static(IMAGES.to(dtype))):
        assert raw.boxes.dtype == torch.float32
        unit = torch.finfo(dtype).eps / 2
        off = (raw.logits - exact.logits).square().mean().sqrt() / exact.logits.std()
        assert off < 48 * unit
        assert (raw.boxes - exact.boxes).square().mean().sqrt() < 2 * unit * 320
