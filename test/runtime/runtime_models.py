# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A model whose findings are known, and a detector of a model in memory."""

from __future__ import annotations

import torch

from anydepth_core.depth import DepthSpace
from anydepth_core.models.base import AnyDepthModel, RawPredictions
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import ModelInfo
from anydepth_core.runtime.backends.torch_backend import TorchBackend
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.network import of_model

NAMES = ('cat', 'dog', 'cone')


class KnownBoxes(AnyDepthModel):
    """Finds the same boxes (in input pixels) in every image; full depth scores them higher."""

    family = 'yolo'
    decoding = 'nms'
    depths = DepthSpace()
    num_classes = len(NAMES)

    def __init__(self, boxes: list[list[float]], logits: list[list[float]]) -> None:
        super().__init__()
        self.boxes = torch.nn.Parameter(torch.tensor(boxes))
        self.logits = torch.nn.Parameter(torch.tensor(logits))
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor, depth: object) -> RawPredictions:
        self.seen.append(images.clone())
        bonus = len(self.depths.resolve(depth).full_stages) / 8
        batch = len(images)
        return RawPredictions((self.logits + bonus).expand(batch, -1, -1),
                              self.boxes.expand(batch, -1, -1))


def detector_of(model: AnyDepthModel, *, size=(64, 96), resize='letterbox', names=NAMES):
    """Return a detector of a model in memory, and the copy of the model that it runs."""
    info = ModelInfo(model='test', class_names=names, input_size=size, resize=resize)
    network = of_model(model, info, '0' * 64)
    backend = TorchBackend(network, device='cpu', precision='fp32')
    return Detector(network, backend), backend._model


def lively_model(name: str) -> AnyDepthModel:
    """Return a model whose predictions depend on the image, as those of random weights hardly do.

    The norms get the statistics of one random image, so that no signal dies on its way.
    """
    torch.manual_seed(1)
    model = create_model(name, len(NAMES)).eval()
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.train().momentum = 1.0
    with torch.no_grad():
        for depth in ('full', 'base'):
            model(torch.rand(2, 3, 128, 128), depth)
    return model.eval()
