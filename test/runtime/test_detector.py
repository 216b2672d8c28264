# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The detector: mapping, settings, depths, threads, devices."""

from concurrent.futures import ThreadPoolExecutor
import hashlib

import numpy as np
import pytest
from runtime_models import NAMES, KnownBoxes, detector_of
import torch

from anydepth_core.errors import AnyDepthError, BackendError, DepthError, ImageError, WeightsError
from anydepth_core.models.rtdetr.selection import QuerySelection
from anydepth_core.models.weights import load_weights
from anydepth_core.runtime.backends import Row, cpu_convolutions, open_backend
from anydepth_core.runtime.backends.torch_backend import TorchBackend
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.devices import available_devices
from anydepth_core.runtime.network import open_network

IMAGE = np.random.default_rng(0).integers(0, 256, (75, 133, 3), np.uint8)
LOW = {'score_threshold': 0.0, 'nms_iou': 0.5, 'max_detections': 20}


def assert_same(one, other):
    assert one.depth == other.depth and one.image_size == other.image_size
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-2)
    assert np.array_equal(one.labels, other.labels)


def known(**settings):
    return detector_of(KnownBoxes(
        [[0.0, 0, 96, 64], [24, 16, 48, 32], [25, 16, 48, 32], [200, 200, 300, 300]],
        [[-1, -9, 2.0], [1, 3, -9], [0.5, 2, -9], [0.2, 0.2, 0.2]]), **settings)


def test_boxes_scores_and_labels_in_image_pixels():
    detector, _ = known()
    # 100 x 120 fits the 64 x 96 input as 64 x 77, ten columns in: 1.5625 image rows a row.
    found = detector.detect(np.zeros((100, 120, 3), np.uint8), depth='base')
    assert found.labels.tolist() == [1, 2, 0]
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp([-3, -2, -1])), rtol=1e-6)
    left, right = (24 - 9) * 120 / 77, (48 - 9) * 120 / 77
    np.testing.assert_allclose(found.boxes, [[left, 25, right, 50], [0, 0, 120, 100],
                                             [left, 25, right, 50]], rtol=1e-6)
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert found.labels.dtype == np.int64
    assert found.depth == 'base' and found.image_size == (100, 120) and len(found) == 3
    timing = found.timing
    assert min(timing.preprocess_ms, timing.network_ms, timing.decode_ms) > 0


def test_the_network_gets_rgb_between_0_and_1():
    detector, model = known(resize='stretch')
    image = np.zeros((30, 30, 3), np.uint8)
    image[:] = (255, 51, 0)
    detector.detect(image)
    detector.detect(image[..., ::-1], color='bgr')
    for seen in model.seen:
        assert seen.shape == (1, 3, 64, 96) and seen.dtype == torch.float32
        expected = torch.tensor([1.0, 0.2, 0.0])[None, :, None, None]
        assert torch.equal(seen, expected.expand_as(seen))


def test_settings():
    detector, _ = known()
    image = np.zeros((64, 96, 3), np.uint8)
    assert detector.detect(image, score_threshold=0.9).labels.tolist() == [1, 2]
    assert detector.detect(image, nms_iou=1.0).labels.tolist() == [1, 2, 1, 0, 0, 0]
    assert detector.detect(image, max_detections=2).labels.tolist() == [1, 2]
    assert detector.detect(image, max_detections=1, classes=[2, 0]).labels.tolist() == [2]
    assert detector.detect(image, classes={0}).labels.tolist() == [0, 0]
    assert len(detector.detect(image, classes=())) == 0
    assert (detector.detect(image, depth='full').scores[0]
            > detector.detect(image, depth='full-p2').scores[0])


@pytest.mark.parametrize('settings, message', [
    ({'score_threshold': 1.5}, 'score_threshold must be between 0 and 1'),
    ({'score_threshold': float('nan')}, 'score_threshold'),
    ({'nms_iou': -0.1}, 'nms_iou'),
    ({'max_detections': 0}, 'max_detections must be at least 1'),
    ({'classes': [3]}, 'class 3 is not one of the 3 classes'),
    ({'classes': [-1]}, 'class -1'),
    ({'depth': 'bsae'}, "did you mean 'base'?"),
    ({'depth': 'base@4'}, 'no decoder layers'),
])
def test_bad_settings(settings, message):
    detector, model = known()
    with pytest.raises(AnyDepthError) as caught:
        detector.detect(np.zeros((64, 96, 3), np.uint8), **settings)
    assert message in str(caught.value) and not model.seen


def test_bad_images(detector):
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), None):
        with pytest.raises(ImageError):
            detector.detect(bad)
    with pytest.raises(ImageError, match='at least one'):
        detector.detect_batch([])


def test_open(detector, weights_file):
    assert detector.model_name == weights_file.stem
    assert detector.class_names == NAMES and detector.input_size == (96, 128)
    assert (detector.backend, detector.device, detector.precision) == ('torch', 'cpu', 'fp32')
    assert detector.weights_hash == hashlib.sha256(weights_file.read_bytes()).hexdigest()
    with pytest.raises(WeightsError):
        Detector.open(weights_file.with_name('none.safetensors'))


def test_detects_what_the_model_predicts(detector, weights_file):
    model, _ = load_weights(weights_file)
    image = np.random.default_rng(3).integers(0, 256, (96, 128, 3), np.uint8)
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    for depth in ('full', 'base', 'base+p4+pan'):
        with torch.no_grad():
            raw = model(batch, depth)
        best = raw.logits[0].sigmoid().flatten().sort(descending=True).values
        found = detector.detect(image, depth=depth, score_threshold=0, nms_iou=1.0,
                                max_detections=1)
        assert found.depth == depth
        np.testing.assert_allclose(found.scores, best[:1].numpy(), atol=1e-4)


def test_input_size_override(weights_file):
    detector = Detector.open(weights_file, device='cpu', input_size=(64, 64))
    assert detector.input_size == (64, 64)
    detector.detect(IMAGE)
    for size in ((65, 64), (0, 64), (-32, 64)):
        with pytest.raises(AnyDepthError, match='multiples of 32'):
            Detector.open(weights_file, device='cpu', input_size=size)


def test_warm_up(detector):
    detector.warm_up()
    detector.warm_up(['full-p2', detector.depths.base])
    with pytest.raises(DepthError):
        detector.warm_up(['half'])


def test_a_batch_equals_one_by_one(detector):
    images = [IMAGE, IMAGE[::-1], IMAGE[:40, :21]]
    together = detector.detect_batch(images, depth='base', **LOW)
    for image, found in zip(images, together, strict=True):
        alone = detector.detect(image, depth='base', **LOW)
        assert found.image_size == image.shape[:2]
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-4)


def test_threads_at_different_depths_equal_alone(detector):
    depths = ['full', 'base', 'full-p3', 'base+neck']
    images = [np.roll(IMAGE, 9 * shift, axis=1) for shift in range(4)]
    jobs = [(images[n % 4], depths[(n // 4 + n) % 4]) for n in range(32)]
    alone = [detector.detect(image, depth=depth, **LOW) for image, depth in jobs]
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda job: detector.detect(job[0], depth=job[1], **LOW), jobs)
        for one, other in zip(alone, together, strict=True):
            assert_same(one, other)
    assert any(not np.array_equal(alone[0].scores, other.scores) for other in alone[1:])


def test_the_image_is_neither_changed_nor_kept(detector):
    image = IMAGE.copy()
    found = detector.detect(image, **LOW)
    assert np.array_equal(image, IMAGE)
    boxes = found.boxes.copy()
    image[:] = 0
    assert np.array_equal(found.boxes, boxes)


def test_packed_convolutions_equal_plain_ones():
    if not cpu_convolutions.can_pack():
        pytest.skip('this PyTorch or processor has no packed convolutions')
    torch.manual_seed(0)
    for channels, groups, stride, activation in ((3, 1, 2, torch.nn.SiLU()),
                                                 (16, 16, 1, torch.nn.ReLU(inplace=True)),
                                                 (16, 4, 2, None)):
        conv = torch.nn.Conv2d(channels, 32, 3, stride, 1, groups=groups)
        plain = conv if activation is None else torch.nn.Sequential(conv, activation)
        packed = cpu_convolutions.pack(torch.nn.ModuleList([plain]))[0]
        assert isinstance(packed, cpu_convolutions.PackedConv)
        with torch.inference_mode():
            for batch, side in ((1, 40), (1, 40), (3, 24)):  # laid out in the first call
                x = torch.randn(batch, channels, side, side).to(memory_format=torch.channels_last)
                torch.testing.assert_close(packed(x), plain(x), atol=1e-5, rtol=1e-5)


def test_pytorch_computes_boxes_of_chosen_places_alone(weights_file):
    opened = open_network(weights_file)
    runner = TorchBackend(opened, device='cpu', precision='fp32')
    for model, only in ((runner._model, True), (opened.model, False)):
        found = {each.only_chosen for each in model.modules() if isinstance(each, QuerySelection)}
        assert found == ({only} if opened.depths.decoder_layers else set())


def test_bf16_is_close(weights_file, detector):
    low = Detector.open(weights_file, backend='torch', device='cpu', precision='bf16')
    assert low.precision == 'bf16'
    best, exact = (each.detect(IMAGE, **LOW).scores[0] for each in (low, detector))
    assert best != exact and best == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize('settings, message', [
    ({'backend': 'torch', 'device': 'cuda:77'}, "'cuda:77' is not available; this machine has"),
    ({'backend': 'torch', 'device': 'gpu'}, "unknown device 'gpu'"),
    ({'backend': 'torch', 'device': 'cpu', 'precision': 'fp16'}, 'for GPUs'),
    ({'backend': 'torch', 'precision': 'fp61'}, "did you mean 'fp16'?"),
    ({'backend': 'torhc'}, "did you mean 'torch'?"),
])
def test_what_is_not_here_is_an_error(weights_file, settings, message):
    with pytest.raises(BackendError) as caught:
        Detector.open(weights_file, **settings)
    assert message in str(caught.value)


def test_auto_says_what_it_chose(weights_file):
    found = Detector.open(weights_file, backend='torch', device='auto')
    assert found.device == available_devices()[0]


def test_a_backend_that_is_not_installed(weights_file):
    rows = {'fast': Row('anydepth_no_such_module', 'Fast', ('fast',), 'fast-runtime')}
    with pytest.raises(BackendError, match='pip install fast-runtime'):
        open_backend('fast', open_network(weights_file), device='cpu', precision='fp32',
                     registry=rows)
