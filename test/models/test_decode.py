# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding against a slow reference, written from the definition."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import torch
from torchvision.ops import nms

from anydepth_core.models.base import RawPredictions
from anydepth_core.models.decode import (
    FEW,
    Selected,
    _decode_few,
    decode,
    decode_nms,
    decode_top_k,
)


def reference(logits, boxes, score_threshold, iou_threshold, max_detections):
    """Greedy class-aware NMS in float64; ties keep the order query by query, then by class."""
    scores = logits.float().sigmoid().numpy().astype(np.float64)
    corners = boxes.numpy().astype(np.float64)
    finite = np.isfinite(logits.numpy())
    pairs = [(q, c) for q in range(scores.shape[0]) for c in range(scores.shape[1])
             if scores[q, c] >= score_threshold and finite[q, c]
             and np.isfinite(corners[q]).all()]
    pairs.sort(key=lambda pair: -scores[pair])
    kept: list[tuple[int, int]] = []
    by_class: dict[int, list[int]] = {}
    for query, label in pairs:
        rivals = corners[by_class.get(label, [])].reshape(-1, 4)
        if iou_threshold is None or (iou(corners[query], rivals) <= iou_threshold).all():
            kept.append((query, label))
            by_class.setdefault(label, []).append(query)
    kept = kept[:max_detections]
    query = torch.tensor([q for q, _ in kept], dtype=torch.int64)
    label = torch.tensor([c for _, c in kept], dtype=torch.int64)
    return Selected(boxes[query], logits.float().sigmoid()[query, label], label)


def iou(box, others):
    wide = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    high = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    overlap = wide.clip(0) * high.clip(0)
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    union = area + areas - overlap
    return np.divide(overlap, union, out=np.full_like(overlap, -1), where=union != 0)


def random_raw(seed, queries, classes, *, grid=False, batch=1):
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 600, (batch, queries, 2))
    size = random.uniform(4, 120, (batch, queries, 2))
    logits = random.normal(-1, 2, (batch, queries, classes))
    if grid:
        corner, size, logits = corner // 100 * 50, size // 40 * 20 + 20, np.round(logits)
    boxes = np.concatenate([corner, corner + size], axis=-1)
    return RawPredictions(torch.tensor(logits, dtype=torch.float32),
                          torch.tensor(boxes, dtype=torch.float32))


def assert_same(found, expected):
    assert torch.equal(found.labels, expected.labels)
    assert torch.equal(found.boxes, expected.boxes)
    assert torch.equal(found.scores, expected.scores)


@pytest.mark.parametrize('classes', [1, 3, 80, 1203])
@pytest.mark.parametrize('threshold', [0.3, 0.7])
def test_nms_equals_reference(classes, threshold):
    raw = random_raw(classes, 4000 // classes + 5, classes, batch=2)
    found = decode_nms(raw, score_threshold=0.25, iou_threshold=threshold, max_detections=100_000)
    for index, best in enumerate(found):
        assert len(best.scores) > 10
        assert_same(best, reference(raw.logits[index], raw.boxes[index], 0.25, threshold, 100_000))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), queries=st.integers(0, 60), classes=st.integers(1, 4),
       score=st.sampled_from([0.0, 0.25, 0.5, 0.9]),
       overlap=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
       most=st.integers(1, 30))
def test_ties_equal_reference(seed, queries, classes, score, overlap, most):
    raw = random_raw(seed, queries, classes, grid=True)
    best, = decode_nms(raw, score_threshold=score, iou_threshold=overlap, max_detections=most)
    assert_same(best, reference(raw.logits[0], raw.boxes[0], score, overlap, most))
    best, = decode_top_k(raw, score_threshold=score, max_detections=most)
    assert_same(best, reference(raw.logits[0], raw.boxes[0], score, None, most))


@pytest.mark.parametrize('grid', [False, True])
def test_ten_thousand_candidates_in_a_batch(grid):
    """Of each image, but for one that has none; on the grid nearly all scores and boxes tie."""
    raw = random_raw(7, 10_000, 1, grid=grid, batch=3)
    raw.logits.clamp_(min=-1)
    raw.logits[1] = -20
    found = decode_nms(raw, score_threshold=0.1, iou_threshold=0.6, max_detections=300)
    assert [len(best.scores) > 30 for best in found] == [True, False, True]
    for index, best in enumerate(found):
        assert_same(best, reference(raw.logits[index], raw.boxes[index], 0.1, 0.6, 300))


@pytest.mark.parametrize('grid', [False, True])
@pytest.mark.parametrize('queries', [0, 1, 3000])
def test_equals_torchvision_class_by_class(queries, grid):
    """Its NMS on the boxes of one class, in order; nothing of how ours keeps classes apart."""
    raw = random_raw(queries, queries, 3, grid=grid, batch=2)
    found = decode_nms(raw, score_threshold=0.3, iou_threshold=0.55, max_detections=100_000)
    for logits, boxes, best in zip(*raw, found, strict=True):
        for label in range(3):
            scores = logits.sigmoid()[:, label]
            query = (scores >= 0.3).nonzero()[:, 0]
            query = query[scores[query].argsort(descending=True, stable=True)]
            kept = query[nms(boxes[query].double(), scores[query].double(), 0.55)]
            mine = best.labels == label
            assert torch.equal(best.boxes[mine], boxes[kept])
            assert torch.equal(best.scores[mine], scores[kept])


def test_only_the_best_candidates_enter(monkeypatch):
    monkeypatch.setattr('anydepth_core.models.decode.NMS_CANDIDATES', 50)
    raw = random_raw(3, 400, 2, grid=True)
    best, = decode_nms(raw, score_threshold=0.0, iou_threshold=1.0, max_detections=1000)
    expected, = decode_top_k(raw, max_detections=50)
    assert len(best.scores) == 50
    assert_same(best, expected)


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), float('-inf')])
@pytest.mark.parametrize('decoding', ['nms', 'top_k'])
def test_non_finite_candidates_are_dropped(bad, decoding):
    raw = random_raw(5, 20, 3)
    raw.logits[0, 4, 1] = bad
    raw.boxes[0, 9, 2] = bad
    best, = decode(raw, decoding, score_threshold=0.0, iou_threshold=0.5, max_detections=1000)
    overlap = 0.5 if decoding == 'nms' else None
    assert_same(best, reference(raw.logits[0], raw.boxes[0], 0.0, overlap, 1000))
    assert best.scores.isfinite().all() and best.boxes.isfinite().all()


@pytest.mark.parametrize('decoding', ['nms', 'top_k'])
@pytest.mark.parametrize('shape', [(1, 0, 3), (2, 5, 0), (2, 5, 3)])
def test_nothing_found(decoding, shape):
    raw = RawPredictions(torch.full(shape, -20.0), torch.zeros(*shape[:2], 4))
    found = decode(raw, decoding, score_threshold=0.5, iou_threshold=0.5, max_detections=10)
    assert [tuple(best.boxes.shape) for best in found] == [(0, 4)] * shape[0]
    assert all(best.labels.dtype == torch.int64 for best in found)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_comes_out_as_float32(dtype):
    raw = random_raw(11, 300, 80)
    low = RawPredictions(raw.logits.to(dtype), raw.boxes.to(dtype))
    best, = decode_nms(low, score_threshold=0.5, iou_threshold=0.5, max_detections=50)
    wide = RawPredictions(low.logits.float(), low.boxes.float())
    assert best.boxes.dtype == best.scores.dtype == torch.float32
    assert_same(best, reference(wide.logits[0], wide.boxes[0], 0.5, 0.5, 50))


def test_classes_do_not_suppress_each_other():
    boxes = torch.tensor([[[10.0, 10, 50, 50], [11, 10, 50, 50]]])
    raw = RawPredictions(torch.tensor([[[3.0, 2.0], [1.0, 2.5]]]), boxes)
    best, = decode_nms(raw, score_threshold=0.5, iou_threshold=0.5, max_detections=10)
    assert best.labels.tolist() == [0, 1]
    assert torch.equal(best.boxes, boxes[0])


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**31), queries=st.integers(0, 60), classes=st.integers(1, 4),
       score=st.sampled_from([0.2, 0.5, 0.9, 0.999, 1.0]),
       overlap=st.sampled_from([None, 0.0, 0.25, 0.5, 1.0]), most=st.integers(1, 30),
       bad=st.sampled_from([None, float('nan'), float('inf'), float('-inf')]))
def test_few_candidates_are_decoded_by_the_same_rules(seed, queries, classes, score, overlap, most,
                                                      bad):
    raw = random_raw(seed, queries, classes, batch=2)
    raw.logits[:] -= 2
    if queries and bad is not None:
        raw.logits[0, seed % queries, 0] = raw.boxes[1, seed % queries, 3] = bad
    few = _decode_few(raw, score, overlap, most)
    if few is None:
        assert (raw.logits.sigmoid() >= score - 1e-4).sum() > FEW
        return
    expected = decode_top_k(raw, score_threshold=score, max_detections=most) if (
        overlap is None) else decode_nms(raw, score_threshold=score, iou_threshold=overlap,
                                         max_detections=most)
    for mine, other in zip(few, expected, strict=True):
        assert torch.equal(mine.labels, other.labels) and torch.equal(mine.boxes, other.boxes)
        torch.testing.assert_close(mine.scores, other.scores, rtol=0, atol=1e-6)
        assert mine.scores.dtype == torch.float32


def test_few_of_equal_score_keep_their_order():
    raw = random_raw(2, 30, 2, grid=True)
    raw.logits.clamp_(max=1.0)
    best, = decode(raw, 'top_k', score_threshold=0.73, iou_threshold=0.5, max_detections=60)
    query, label = (raw.logits[0] == 1).nonzero(as_tuple=True)
    assert 5 < len(query) <= FEW and torch.equal(best.labels, label)
    assert torch.equal(best.boxes, raw.boxes[0, query])


def test_what_is_many_or_not_float32_is_left_to_tensors():
    raw = random_raw(2, 400, 2)
    assert _decode_few(raw, 0.01, 0.5, 10) is None and _decode_few(raw, 0.0, 0.5, 10) is None
    half = RawPredictions(raw.logits.half(), raw.boxes.half())
    assert _decode_few(half, 0.99, 0.5, 10) is None
    assert _decode_few(raw, 0.99, 0.5, 10) is not None
