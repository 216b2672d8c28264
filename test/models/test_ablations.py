# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Networks without switchable norms or aggregators, and the ordinary networks they become."""

from __future__ import annotations

from pathlib import Path

from checkpoint_writers import randomised
import pytest
import rtdetr_models
from shared_parameters import sharing
import torch
from torch import nn

from anydepth_core.models import AnyDepthModel, create_model
from anydepth_core.models.base import as_ordinary, two_path_stages
from anydepth_core.models.count import count_parameters
from anydepth_core.models.weights import ModelInfo, load_weights, save_weights
from anydepth_core.nn.csp import slice_aggregators
from anydepth_core.nn.stage import NORMS, share_norms

FAMILIES = ('anydepth-yolo-tiny', 'anydepth-detr-tiny')
IMAGES = rtdetr_models.random_images(2, 96, 128)
DEPTHS = ('full', 'base', 'base+p4+pan', 'full-p5-fpn4')


def build(name: str) -> AnyDepthModel:
    torch.manual_seed(0)
    model = create_model(name, 3)
    return rtdetr_models.randomise(model) if 'detr' in name else randomised(model)


def own_norms(model: nn.Module) -> list[str]:
    """Return the names of the norms that only the essential paths have."""
    return [f'{stage}.{name}' for stage, paths in two_path_stages(model).items()
            for name, module in paths.essential.named_modules() if isinstance(module, NORMS)
            and not any(module is other for other in paths.full.modules())]


@pytest.mark.parametrize('name', FAMILIES)
@torch.no_grad()
def test_shared_norms(name: str) -> None:
    model = build(name)
    before = {depth: model(IMAGES, depth).logits for depth in DEPTHS}
    assert len(own_norms(model)) > 20
    share_norms(model)
    assert not own_norms(model)
    assert model(IMAGES, 'full').logits.equal(before['full'])
    assert not model(IMAGES, 'base').logits.equal(before['base'])
    # Now the first blocks of the full path are the essential path: one set of weights.
    essential = [key for key, _ in model.named_parameters() if '.essential.' in key]
    assert all(key.endswith('block.aggregate.conv.weight') for key in essential)
    share_norms(model)
    assert not own_norms(model)


@torch.no_grad()
def test_sliced_aggregators() -> None:
    model = build('anydepth-yolo-tiny')
    before = model(IMAGES, 'full').logits, model(IMAGES, 'base').logits
    count = count_parameters(model)
    own = [path.block.aggregate.conv.weight.numel() for path in (
        model.backbone.p4.essential, model.backbone.p5.essential)]
    assert slice_aggregators(model) == 2
    assert count_parameters(model) == count - sum(own)
    assert model(IMAGES, 'full').logits.equal(before[0])
    assert not model(IMAGES, 'base').logits.equal(before[1])
    assert slice_aggregators(model) == 0
    assert slice_aggregators(create_model('anydepth-detr-tiny')) == 0


def test_gradients_meet() -> None:
    """Both passes train the one set of norms and the one aggregator."""
    model = build('anydepth-yolo-tiny').train()
    share_norms(model)
    slice_aggregators(model)
    stage = model.backbone.p4
    weights = (stage.full.block.aggregate.conv.weight, stage.full.down.norm.weight)
    gradients = []
    for depths in (('full',), ('base',), ('full', 'base')):
        model.zero_grad()
        sum(model(IMAGES, depth).logits.square().mean() for depth in depths).backward()
        gradients.append([weight.grad.clone() for weight in weights])
    for full, base, both in zip(*gradients):
        assert base.any()
        torch.testing.assert_close(both, full + base)
    # A slice trains the columns it reads.
    columns = stage.essential.block.aggregate.conv.in_channels
    assert gradients[1][0][:, :columns].any() and not gradients[1][0][:, columns:].any()


@pytest.mark.parametrize('name', FAMILIES)
@pytest.mark.parametrize('change', [(share_norms,), (slice_aggregators,),
                                    (share_norms, slice_aggregators), ()])
@torch.no_grad()
def test_they_are_saved_as_ordinary_networks(name: str, change, tmp_path: Path) -> None:
    model = build(name)
    for function in change:
        function(model)
    ordinary = as_ordinary(model)
    assert sharing(ordinary) == sharing(create_model(name, 3))
    assert not {p.data_ptr() for p in ordinary.parameters()} & {
        p.data_ptr() for p in model.parameters()}
    save_weights(tmp_path / 'a.safetensors', ordinary, ModelInfo(
        model=name, class_names=('a', 'b', 'c'), input_size=(96, 128)))
    loaded, _ = load_weights(tmp_path / 'a.safetensors')
    for depth in DEPTHS:
        for network in (ordinary, loaded):
            actual, expected = network(IMAGES, depth), model(IMAGES, depth)
            # A slice is not contiguous, so its sums may be rounded in another order.
            torch.testing.assert_close(actual.logits, expected.logits, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(actual.boxes, expected.boxes, atol=1e-2, rtol=0)


def test_the_copy_keeps_mode_and_type() -> None:
    model = build('anydepth-yolo-tiny').double().train()
    share_norms(model)
    ordinary = as_ordinary(model)
    assert ordinary.training and next(ordinary.parameters()).dtype == torch.float64


@torch.no_grad()
def test_static_copies_of_them() -> None:
    model = build('anydepth-yolo-tiny').double()
    share_norms(model)
    slice_aggregators(model)
    for depth in DEPTHS:
        actual, expected = model.at(depth)(IMAGES.double()), model(IMAGES.double(), depth)
        torch.testing.assert_close(actual.logits, expected.logits)
