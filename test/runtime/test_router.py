# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A router beside a detector: disturbs nothing, costs next to nothing, and its file is checked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from runtime_models import lively_model
from safetensors.torch import load_file, save_file
import torch

from anydepth_core.errors import BackendError, WeightsError
from anydepth_core.models.count import count_gflops
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import file_hash, load_weights
from anydepth_core.runtime.router import (
    TOP_SCORES,
    Router,
    RouterInfo,
    Watched,
    count_operations,
    load_router,
    open_routed,
    pool,
    save_router,
)

DIGEST = 'ab' * 32


def features_of(model, depth='base', size=(96, 128), batch=2):
    depth = model.depths.parse(depth)
    images = torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        features = model.features(images, depth)
        return images, features, model.predict(features, depth, size), depth


def random_router(inputs):
    router = Router(inputs)
    router.weight.copy_(torch.randn(inputs, generator=torch.Generator().manual_seed(0)))
    return router


@pytest.fixture
def written(tmp_path, weights_file):
    """Return the file of a router for the weights, and the router."""
    model, info = load_weights(weights_file)
    _, features, raw, depth = features_of(model)
    router = random_router(pool(features, raw, depth).shape[1])
    path = tmp_path / 'router.safetensors'
    save_router(path, router, RouterInfo(model=info.model, weights_hash=file_hash(weights_file),
                                         correlation=0.25, created_by='a test'))
    return path, router


@pytest.mark.parametrize('name', ['anydepth-yolo-tiny', 'anydepth-detr-tiny'])
def test_what_is_pooled_depends_on_the_image_and_tells_the_depth(name):
    model = lively_model(name)
    pooled = {}
    for depth in ('base', 'full'):
        _, features, raw, resolved = features_of(model, depth)
        pooled[depth] = pool(features, raw, resolved)
        channels = sum(features[stage].shape[1] for stage in ('fpn4', 'fpn3', 'pan4', 'pan5'))
        assert pooled[depth].shape == (2, channels + TOP_SCORES + len(model.depths.stages))
    assert not torch.equal(pooled['base'][0], pooled['base'][1])
    assert pooled['base'][:, -8:].eq(0).all() and pooled['full'][:, -8:].eq(1).all()
    scores = pooled['full'][:, -8 - TOP_SCORES:-8]
    assert (scores.diff(dim=1) <= 0).all() and scores.ge(0).all() and scores.le(1).all()


@pytest.mark.parametrize('name', ['anydepth-yolo-tiny', 'anydepth-detr-tiny'])
def test_watching_changes_nothing_that_is_detected(name):
    model = lively_model(name)
    images, features, raw, depth = features_of(model)
    router = random_router(pool(features, raw, depth).shape[1])
    watched = Watched(model, router)
    assert watched.benefits == ()
    with torch.no_grad():
        assert all(map(torch.equal, watched(images, depth), model(images, depth)))
    assert watched.benefits == pytest.approx(router(pool(features, raw, depth)).tolist(), rel=1e-5)


@pytest.mark.parametrize('name', ['anydepth-yolo-pico', 'anydepth-yolo-n', 'anydepth-yolo-l',
                                  'anydepth-detr-r18'])
def test_a_router_costs_less_than_a_hundredth_of_base(name):
    size = (320, 416)
    with torch.device('meta'):
        model = create_model(name, num_classes=8).eval()
        images = torch.empty(1, 3, *size)
    depth = model.depths.base
    with torch.no_grad():
        features = model.features(images, depth)
        raw = model.predict(features, depth, size)
    inputs = sum(features[stage].shape[1] for stage in ('fpn4', 'fpn3', 'pan4', 'pan5')) + 40
    share = count_operations(features, raw, inputs) / (count_gflops(model, depth, size) * 1e9)
    assert 0 < share < 0.01


def test_a_file_holds_all_of_a_router(written):
    path, router = written
    loaded, info = load_router(path)
    x = torch.rand(3, len(router.mean))
    assert torch.equal(loaded(x), router(x))
    assert (info.correlation, info.created_by) == (0.25, 'a test')


def test_a_routed_detector_finds_the_same_and_tells_a_benefit(written, weights_file, detector):
    routed = open_routed(weights_file, written[0], device='cpu')
    assert routed.backend == 'torch'
    rng, told = np.random.default_rng(0), set()
    for depth in ('full', 'base'):
        image = rng.integers(0, 256, (96, 128, 3), np.uint8)
        found = routed.detect(image, depth=depth, score_threshold=0.01)
        plain = detector.detect(image, depth=depth, score_threshold=0.01)
        assert found.depth == plain.depth == depth
        np.testing.assert_array_equal(found.boxes, plain.boxes)
        np.testing.assert_array_equal(found.scores, plain.scores)
        told.add(found.benefit)
        assert math.isnan(plain.benefit)
    assert len(told) == 2 and all(map(math.isfinite, told))


def test_a_router_of_another_size_is_refused_at_its_first_frame():
    model = lively_model('anydepth-yolo-tiny')
    images, _, _, depth = features_of(model)
    with pytest.raises(WeightsError, match='the router reads 7 numbers'):
        Watched(model, Router(7))(images, depth)


def test_a_router_of_another_size_is_refused_when_it_is_opened(weights_file, tmp_path):
    path = tmp_path / 'small.safetensors'
    _, info = load_weights(weights_file)
    save_router(path, Router(7), RouterInfo(model=info.model, weights_hash=file_hash(weights_file),
                                            correlation=0.0))
    with pytest.raises(WeightsError, match='the router reads 7 numbers'):
        open_routed(weights_file, path, device='cpu')


def test_each_image_of_a_batch_has_its_own_benefit(written, weights_file):
    routed = open_routed(weights_file, written[0], device='cpu')
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(2)]
    alone = [routed.detect(image, depth='base').benefit for image in images]
    together = [found.benefit for found in routed.detect_batch(images, depth='base')]
    assert together == pytest.approx(alone, rel=1e-4) and alone[0] != alone[1]


def rewrite(path, metadata=None, **tensors):
    found = load_file(path)
    save_file({name: tensor for name, tensor in {**found, **tensors}.items()
               if tensor is not None}, path, {
        'format': 'anydepth-router', 'schema_version': '1', 'model': 'x', 'weights_hash': DIGEST,
        'correlation': '0.5', **(metadata or {})})


@pytest.mark.parametrize('metadata, tensors, complaint', [
    ({'format': 'anydepth'}, {}, 'no router of this version'),
    ({'schema_version': '2'}, {}, 'no router of this version'),
    ({'weights_hash': 'abc'}, {}, 'does not say rightly'),
    ({'correlation': 'nan'}, {}, 'does not say rightly'),
    ({'model': 'a\nb'}, {}, 'does not say rightly'),
    ({}, {'mean': None}, 'mean is missing'),
    ({}, {'mean': torch.zeros(2, 2)}, 'mean is missing or of a wrong shape'),
    ({}, {'weight': torch.zeros(3)}, 'other names or shapes'),
    ({}, {'more': torch.zeros(3)}, 'other names or shapes'),
    ({}, {'bias': torch.tensor(math.nan)}, 'not finite'),
])
def test_files_that_are_no_router_are_refused(written, metadata, tensors, complaint):
    rewrite(written[0], metadata, **tensors)
    with pytest.raises(WeightsError, match=complaint) as caught:
        load_router(written[0])
    assert '\n' not in str(caught.value)


def test_damaged_and_foreign_files_are_refused(written, weights_file, tmp_path):
    path, _ = written
    with pytest.raises(WeightsError, match='cannot be read'):
        load_router(tmp_path / 'missing.safetensors')
    with pytest.raises(WeightsError, match='no router of this version'):
        load_router(weights_file)
    rewrite(path)
    with pytest.raises(WeightsError, match='a router for other weights'):
        open_routed(weights_file, path, device='cpu')
    for backend in ('onnxruntime', 'openvino'):
        with pytest.raises(BackendError, match=f"which backend '{backend}' does not tell"):
            open_routed(weights_file, path, backend=backend)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(WeightsError, match='cannot be read'):
        load_router(path)
