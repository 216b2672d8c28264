# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The CUDA side of the PyTorch backend: what of it a CPU can run, and all of it on a GPU."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from pathlib import Path
import random
import sys

import numpy as np
import pytest
from runtime_models import lively_model
import torch

from anydepth_core.models.base import RawPredictions
from anydepth_core.models.model_info import ModelInfo
from anydepth_core.models.registry import create_model
from anydepth_core.runtime.backends import cuda_graphs
from anydepth_core.runtime.backends.torch_backend import TorchBackend
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.network import of_model

sys.path.insert(0, str(Path(__file__).parents[2] / 'benchmarks'))
from gpu import matched

MODELS = ('anydepth-yolo-tiny', 'anydepth-detr-tiny')
DEPTHS = ('full', 'base', 'full-p4-pan', 'base+p2+fpn4')
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device here')


class StandIn:
    """A graph that records by remembering what was run last, and replays by running it again."""

    recorded = 0

    def pool(self):
        return 'pool'

    def replay(self):
        for held, new in zip(self.outputs, self.run()):
            held.copy_(new)


@pytest.fixture
def graphs(monkeypatch):
    """Return DepthGraphs of a model, on a CPU that pretends to record."""
    model = lively_model(MODELS[0]).fused()
    now = []

    def forward(images, depth):
        with torch.inference_mode():
            outputs = model(images, depth)
        for graph in now:
            graph.run, graph.outputs = (lambda: model(images, depth)), outputs
        return outputs

    @contextmanager
    def graph(standing_in, **_):
        StandIn.recorded += 1
        now.append(standing_in)
        yield
        now.clear()

    class Stream:
        def __init__(self, *_):
            pass

        def wait_stream(self, _):
            pass

    monkeypatch.setattr(StandIn, 'recorded', 0)
    for name, value in {'CUDAGraph': StandIn, 'graph': graph, 'Stream': Stream,
                        'stream': nullcontext, 'device': nullcontext,
                        'current_stream': Stream}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    return cuda_graphs.DepthGraphs(forward, torch.device('cpu')), forward


@torch.inference_mode()
def test_graphs_are_recorded_once_and_give_what_the_network_gives(graphs, monkeypatch):
    recorded, forward = graphs
    depths = [create_model(MODELS[0], 3).depths.resolve(text) for text in DEPTHS]
    images = torch.rand(6, 1, 3, 64, 96)
    found = [(recorded.run(image, depth), forward(image, depth))
             for image in images for depth in depths]
    for one, other in found:
        assert torch.equal(one.logits, other.logits) and torch.equal(one.boxes, other.boxes)
    assert StandIn.recorded == len(depths)
    recorded.run(images[:2, 0], depths[0])
    assert StandIn.recorded == len(depths) + 1
    monkeypatch.setattr(cuda_graphs, 'MOST_GRAPHS', len(depths))
    recorded.run(images[:3, 0], depths[0])
    recorded.run(images[0], depths[3])
    assert StandIn.recorded == len(depths) + 2
    recorded.run(images[0], depths[0])
    assert StandIn.recorded == len(depths) + 3


@pytest.mark.parametrize('name', MODELS)
def test_no_step_asks_the_device_for_a_number(name):
    """A tensor of the meta device has no numbers, so whatever asked for one would fail."""
    model = create_model(name, 3).eval().fused().to('meta')
    rng = random.Random(0)
    with torch.inference_mode():
        for depth in (*DEPTHS, *(model.depths.sample(rng) for _ in range(6))):
            raw = model(torch.zeros(1, 3, 96, 128, device='meta'), depth)
            assert raw.logits.device.type == raw.boxes.device.type == 'meta'


def network(name):
    return of_model(lively_model(name), ModelInfo(model=name, class_names=('a', 'b', 'c'),
                                                  input_size=(96, 128)), '0' * 64)


def difference(found, expected, family):
    """Return the greatest difference of the logits; a DETR's queries may change places.

    They are ordered by a score, and rounding decides between scores that differ by less.
    """
    if family == 'rtdetr':
        found = matched(found, expected)
    return (found.logits - expected.logits).abs().max()


def test_queries_may_change_places_but_not_values():
    given = RawPredictions(torch.rand(1, 20, 3), torch.rand(1, 20, 4))
    order = [*range(4), 5, 4, *range(6, 20)]
    swapped = RawPredictions(given.logits[:, order], given.boxes[:, order])
    assert difference(swapped, given, 'rtdetr') == 0 < difference(swapped, given, 'yolo')
    swapped.logits[0, 7] += 0.5
    assert difference(swapped, given, 'rtdetr') > 0.05


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize('name', MODELS)
@pytest.mark.parametrize('depth', DEPTHS)
def test_gpu_equals_cpu(name, depth):
    """A replayed graph computes what launching kernel by kernel does, and what the CPU does.

    Without TF32, whose mantissa of 10 bits differs with the kernel that a library chooses.
    """
    given = network(name)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 96, 128, 3), np.uint8)
    resolved = given.depths.resolve(depth)
    found = {}
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for kind, settings in {'cpu': {'device': 'cpu'}, 'one by one': {'graphs': False},
                               'graphs': {}}.items():
            backend = TorchBackend(given, **{'device': 'cuda', 'precision': 'fp32', **settings})
            raw = [backend.run(backend.upload(pixels), resolved) for _ in range(3)][-1]
            found[kind] = RawPredictions(*(each.cpu() for each in raw))
    for kind, bound in {'one by one': 1e-4, 'cpu': 1e-3}.items():
        worst = difference(found['graphs'], found[kind], given.model.family)
        assert worst < bound * found[kind].logits.abs().max(), kind


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'bf16'])
def test_detects_on_a_gpu_from_several_threads(precision):
    from concurrent.futures import ThreadPoolExecutor

    given = network(MODELS[0])
    detector = Detector(given, TorchBackend(given, device='cuda', precision=precision))
    image = np.random.default_rng(3).integers(0, 256, (75, 133, 3), np.uint8)
    alone = {depth: detector.detect(image, depth=depth, score_threshold=0) for depth in DEPTHS}
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda n: detector.detect(image, depth=DEPTHS[n % 4],
                                                        score_threshold=0), range(32)):
            np.testing.assert_array_equal(found.scores, alone[found.depth].scores)
