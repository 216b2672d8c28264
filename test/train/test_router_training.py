# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Fitting a router: finds what is there to find, and says so when there is nothing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from anydepth_core.data.dataset import Objects
from anydepth_core.data.scenes import CLASS_NAMES
from anydepth_core.errors import DataError
from anydepth_core.evaluate.coco import Found
from anydepth_core.models.model_info import ModelInfo
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import save_weights
from anydepth_core.runtime.router import load_router
from anydepth_core.train.router import Footage, correlation, film, fit, quality
from anydepth_core.train.router_report import SHARES, compare, report, two_levels

ROOT = Path(__file__).resolve().parents[2]
BOX = np.array([[10, 10, 50, 50]], np.float32)
INFO = ModelInfo(model='anydepth-yolo-tiny', class_names=CLASS_NAMES, input_size=(96, 128))


def objects(boxes, labels):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    return Objects(boxes, np.array(labels, np.int64), np.zeros(len(boxes), np.bool_),
                   sides[:, 0] * sides[:, 1])


def found(boxes, scores, labels):
    return Found(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32),
                 np.array(labels, np.int64))


def footage(predictable: float, frames: int = 400) -> Footage:
    """Return frames with one object, which base finds in half of them and full always.

    Which frames these are is told by the frame before, as far as `predictable` says.
    """
    rng = torch.Generator().manual_seed(0)
    gains = (torch.rand(frames, generator=rng) < 0.5).float()
    pooled = torch.randn(frames, 2, 6, generator=rng)
    pooled[:-1, :, 2] += 3 * predictable * gains[1:, None]
    there = found(BOX, [0.9], [0])
    nothing = found([], [], [])
    benefit = 0.9 * gains + 1e-3 * torch.rand(frames, generator=rng)  # no two alike
    return Footage(pooled, benefit, [objects(BOX, [0])] * frames,
                   ([nothing if gain else there for gain in gains], [there] * frames),
                   torch.arange(frames) // 10, 1)


def test_quality_counts_what_is_found_and_what_is_not_there():
    truth = objects([[10, 10, 50, 50], [60, 10, 90, 50]], [0, 1])
    assert quality(truth, found([], [], [])) == 0.0
    assert quality(truth, found(BOX, [0.8], [0])) == pytest.approx(0.8)
    assert quality(truth, found(BOX, [0.8], [1])) == pytest.approx(-0.4)
    assert quality(truth, found([*BOX, *BOX], [0.8, 0.6], [0, 0])) == pytest.approx(0.8 - 0.3)
    half = [[10, 10, 50, 34]]  # an IoU of 0.6
    assert quality(truth, found(half, [1.0], [0])) == pytest.approx(0.6)
    assert quality(objects([], []), found(BOX, [0.8], [0])) == pytest.approx(-0.4)


def test_correlation_of_what_does_not_vary_is_none():
    x = torch.rand(50)
    assert correlation(x, 3 * x + 1) == pytest.approx(1.0)
    assert correlation(x, -x) == pytest.approx(-1.0)
    assert correlation(x, torch.ones(50)) == 0.0


def test_what_can_be_predicted_is_predicted_and_what_cannot_is_not():
    router, expected = fit(footage(1.0))
    fresh = footage(1.0, 300)
    told = correlation(router(fresh.pooled[:-1, 0]), fresh.benefit[1:])
    assert expected > 0.7 and told == pytest.approx(expected, abs=0.1)
    assert int(router.weight.abs().argmax()) == 2
    _, expected = fit(footage(0.0))
    assert abs(expected) < 0.15


def test_a_good_router_wins_at_equal_cost():
    seen, profile = footage(1.0), two_levels(create_model('anydepth-yolo-tiny', 8).eval(), INFO)
    spent = compare(seen, profile, fit(seen)[0], 0.5)
    assert list(spent) == ['in turn', 'by chance', 'router', 'foreknown']
    assert all(each.full == pytest.approx(0.5, abs=0.03) for each in spent.values())
    assert spent['in turn'].ap + 0.05 < min(spent['router'].ap, spent['foreknown'].ap)
    numbers, table = report(seen, fit(seen)[0], profile)
    assert numbers['ap']['full'] == 1.0 and len(numbers['budgets']) == len(SHARES)
    assert len(table.splitlines()) == 2 + len(SHARES)


def test_film_runs_both_levels_on_every_frame():
    torch.manual_seed(0)
    model = create_model('anydepth-yolo-tiny', len(CLASS_NAMES)).eval()
    counts: list[int] = []
    seen = film(model, INFO, 5, 10, 4, 5.0, counts.append)
    assert len(seen) == 10 == sum(counts) and seen.pooled.shape[:2] == (10, 2)
    assert seen.scene.tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert [len(each) for each in seen.found] == [10, 10]
    again = film(model, INFO, 5, 10, 4, 5.0)
    assert torch.equal(seen.pooled, again.pooled) and torch.equal(seen.benefit, again.benefit)


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location('train_router',
                                                  ROOT / 'training/train_router.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_writes_a_router_and_prints_what_it_is_worth(script, tmp_path, capsys):
    torch.manual_seed(0)
    weights, out = tmp_path / 'weights.safetensors', tmp_path / 'router.safetensors'
    save_weights(weights, create_model(INFO.model, len(CLASS_NAMES)), INFO)
    arguments = [str(weights), str(out), '--train-frames', '40', '--test-frames', '40',
                 '--device', 'cpu', '--json', str(tmp_path / 'numbers.json')]
    script.run(script.parser().parse_args(arguments))
    told = capsys.readouterr().out
    assert 'correlation with the prediction' in told and '| full in 50%' in told
    assert load_router(out)[1].model == INFO.model
    assert json.loads((tmp_path / 'numbers.json').read_text())['frames'] == 40
    for wrong in ([str(weights), str(tmp_path / 'missing' / 'r.safetensors')],
                  [*arguments, '--test-frames', '3']):
        with pytest.raises(DataError):
            script.run(script.parser().parse_args(wrong))
