# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A node with a router: it chooses which images are deep and says so, or ends with the reason."""

from __future__ import annotations

from pathlib import Path
import random

from harness import Camera
from profiled import write_profile
import pytest

NODE = '/lone/detector'


@pytest.fixture(scope='module')
def router(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a router for the tiny model, made up of random numbers."""
    import torch

    from anydepth_core.models.weights import file_hash, load_weights
    from anydepth_core.runtime.router import Router, RouterInfo, pool, save_router

    model, info = load_weights(weights)
    images, depth = torch.rand(1, 3, *info.input_size), model.depths.base
    with torch.no_grad():
        features = model.features(images, depth)
        inputs = pool(features, model.predict(features, depth, info.input_size), depth).shape[1]
    found = Router(inputs)
    found.weight.copy_(torch.randn(inputs, generator=torch.Generator().manual_seed(0)))
    path = tmp_path_factory.mktemp('router') / 'router.safetensors'
    save_router(path, found, RouterInfo(model=info.model, weights_hash=file_hash(weights),
                                        correlation=0.1))
    return path


def noise(camera: Camera, seed: int):
    """Return an image like no other: predictions that are all alike leave it to `Tracking`."""
    image = camera.image(48, 64)
    image.data = random.Random(seed).randbytes(len(image.data))
    return image


def test_a_budget_is_spent_by_the_router(start, peer, weights, router, tmp_path):
    profile = write_profile(tmp_path / 'profile.json', weights, backend='torch')
    process = start('detector_node', '-r', '__ns:=/lone', router=router, profile=profile,
                    score_threshold=0, compute_budget_gflops=1.5)
    process.wait_text('on torch cpu')
    peer.wait_active(NODE)
    camera = Camera(peer, NODE, '/lone/image')
    said = [camera.show(noise(camera, number))[1] for number in range(30)]
    assert said[0]['why'].startswith('tracking: base (1) and ')  # too little is predicted yet
    assert any(each['why'].startswith('router: benefit ') for each in said)
    assert peer.set('latency_budget_ms', 1000.0, NODE).successful
    assert camera.show(camera.image(48, 64))[1]['why'].startswith('table: ')
    assert process.stop() == 0


@pytest.mark.parametrize(('options', 'words'), [
    ({'backend': 'openvino'}, "which backend 'openvino' does not tell"),
    ({'weights': 'scenes'}, 'a router for other weights'),
    ({'router': '/no/router.safetensors'}, '/no/router.safetensors: cannot be read')])
def test_a_router_that_cannot_be_ends_the_start_with_the_reason(start, router, options, words):
    process = start('detector_node', **{'router': router, **options})
    process.wait_text(words)
    assert process.wait() == 2
