# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The detector: weights in, then images in and detections out, each call at the depth it names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
import time

import numpy as np
from numpy.typing import NDArray

from anydepth_core.depth import Depth, DepthSpace
from anydepth_core.detections import Detections, FrameTiming
from anydepth_core.errors import AnyDepthError, ImageError
from anydepth_core.models.base import RawPredictions
from anydepth_core.models.decode import Selected, decode
from anydepth_core.runtime.backends import open_backend
from anydepth_core.runtime.backends.base import Backend
from anydepth_core.runtime.batching import Batching
from anydepth_core.runtime.network import Network, open_network
from anydepth_core.runtime.preprocess import Color, Placement, fit


class Detector:
    """Finds objects in images. `open` makes one; `detect` may be called from several threads.

    Attributes:
        model_name: registered name of the model.
        class_names: what a label means.
        depths: every depth that `detect` takes.
        input_size: (height, width) in pixels of the network input.
        backend, device, precision: what was really chosen.
        weights_hash: SHA-256 of the weights file in hexadecimal.
        info: everything the weights file says about itself.
        batching: how many images `detect_batch` is best given here; one until somebody measures
            (`runtime.batching.measure_batching`).
    """

    def __init__(self, network: Network, backend: Backend) -> None:
        self.info = network.info
        self.model_name = network.info.model
        self.class_names = network.info.class_names
        self.depths: DepthSpace = network.depths
        self.input_size = network.info.input_size
        self.backend = backend.name
        self.device = backend.device
        self.precision = backend.precision
        self.weights_hash = network.weights_hash
        self.batching = Batching()
        self._decoding = network.decoding
        self._backend = backend

    @classmethod
    def open(cls, weights: str | Path, *, backend: str = 'auto', device: str = 'auto',
             precision: str = 'fp32', input_size: tuple[int, int] | None = None) -> Detector:
        """Load weights and get them ready to run.

        Args:
            weights: the name of packaged weights ('scenes') or the path of a weights file or of
                an ONNX file of `anydepth export`.
            backend: 'auto' (the quickest one installed), 'torch', 'onnxruntime' or 'openvino'. The
                latter two run an ONNX file, which is made and cached where weights are given.
            device: 'auto' (the first GPU, else the CPU), 'cpu', 'cuda', 'cuda:N' or another name
                that the backend knows.
            precision: 'fp32', 'fp16' (GPU only) or 'bf16', as far as the backend has it.
            input_size: (height, width) to use instead of the one in the file.

        Raises:
            WeightsError: the file is missing, damaged or does not fit.
            BackendError: what was asked for is not here; nothing else is taken instead.
            AnyDepthError: the input size is not a multiple of the model's stride.
        """
        network = open_network(weights, input_size)
        return cls(network, open_backend(backend, network, device=device, precision=precision))

    def warm_up(self, depths: Iterable[Depth | str] | None = None) -> None:
        """Run each depth once on an empty image, so that no later frame waits for a first time.

        Without an argument these are `depths.covering`, which together run all there is.
        """
        chosen = self.depths.covering if depths is None else depths
        blank = np.zeros((*self.input_size, 3), np.uint8)
        for depth in chosen:
            self.detect(blank, depth=depth)

    def detect(self, image: NDArray[np.uint8], *, depth: Depth | str = 'full',
               color: Color = 'rgb', score_threshold: float = 0.3, nms_iou: float = 0.7,
               max_detections: int = 100, classes: Collection[int] | None = None) -> Detections:
        """Find the objects in one image.

        Args:
            image: (H, W, 3) uint8 of any size and strides; neither changed nor kept.
            depth: how much of the network runs.
            color: order of the channels: 'rgb' or 'bgr'.
            score_threshold: objects that score less are left out.
            nms_iou: of two boxes of a class that overlap by more, the better one stays; without
                effect on models that need no suppression.
            max_detections: at most so many objects.
            classes: labels to look for; None for all.

        Raises:
            ImageError: `image` is not such an array.
            DepthError: the model has no such depth.
            AnyDepthError: a threshold, a count or a label out of range.
        """
        return self.detect_batch([image], depth=depth, color=color,
                                 score_threshold=score_threshold, nms_iou=nms_iou,
                                 max_detections=max_detections, classes=classes)[0]

    def detect_batch(self, images: Sequence[NDArray[np.uint8]], *, depth: Depth | str = 'full',
                     color: Color = 'rgb', score_threshold: float = 0.3, nms_iou: float = 0.7,
                     max_detections: int = 100, classes: Collection[int] | None = None,
                     ) -> list[Detections]:
        """Find the objects in several images, which may differ in size, in one pass.

        See `detect`. The timing of each result is its share: the batch's divided by its size.
        """
        resolved = self.depths.resolve(depth)
        labels = self._check(score_threshold, nms_iou, max_detections, classes)
        if not len(images):
            raise ImageError('a batch needs at least one image')
        begin = time.perf_counter()
        pixels = np.empty((len(images), *self.input_size, 3), np.uint8)
        placements = [fit(image, canvas, self.info.resize, color)
                      for image, canvas in zip(images, pixels)]
        batch = self._backend.upload(pixels)
        ready = time.perf_counter()
        raw = self._backend.run(batch, resolved)
        ran = time.perf_counter()
        if labels is not None:
            raw = RawPredictions(raw.logits[..., labels], raw.boxes)
        selected = decode(raw, self._decoding, score_threshold=score_threshold,
                          iou_threshold=nms_iou, max_detections=max_detections)
        found = [in_image(*each, labels) for each in zip(selected, placements)]
        done = time.perf_counter()
        timing = FrameTiming(*(1e3 * seconds / len(images)
                               for seconds in (ready - begin, ran - ready, done - ran)))
        return [Detections(*columns, depth=str(resolved), timing=timing,
                           image_size=placement.image_size)
                for columns, placement in zip(found, placements)]

    def _check(self, score_threshold: float, nms_iou: float, max_detections: int,
               classes: Collection[int] | None) -> list[int] | None:
        """Return the labels to look for, in order, after checking the ranges of all settings."""
        for name, value in (('score_threshold', score_threshold), ('nms_iou', nms_iou)):
            if not 0 <= value <= 1:
                raise AnyDepthError(f'{name} must be between 0 and 1, not {value}')
        if max_detections < 1:
            raise AnyDepthError(f'max_detections must be at least 1, not {max_detections}')
        if classes is None:
            return None
        for label in classes:
            if not 0 <= label < len(self.class_names):
                raise AnyDepthError(f'class {label} is not one of the '
                                    f'{len(self.class_names)} classes of this model')
        return sorted({int(label) for label in classes})


def in_image(best: Selected, placement: Placement, labels: Sequence[int] | None = None,
             ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Return boxes in image pixels, scores and labels, without boxes outside the image.

    Args:
        best: in pixels of the network input.
        placement: where the image lies in that.
        labels: what the labels of `best` count, if not all classes.
    """
    boxes = placement.to_image(best.boxes.cpu().numpy())
    scores, indices = best.scores.cpu().numpy(), best.labels.cpu().numpy()
    if labels is not None:
        indices = np.array(labels, np.int64)[indices]
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return boxes[inside], scores[inside], indices[inside]
