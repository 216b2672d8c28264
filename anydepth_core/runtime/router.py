# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A router predicts, from the frame before, how much full would find beyond base in the next one.

The paper names input-adaptive depth as future work; the AnyDepth authors' follow-up ("Dynamic
Depth Routing for Budget-Adaptive Object Detection in ADAS", IEEE Access) predicts the difference
of losses from pooled features. Here a frame costs no more than pooling what the neck computed
anyway, and one linear layer. `policy_routed.Routed` spends a budget by these predictions. Off
unless weights of a router are given; `training/train_router.py` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
import json
import math
from pathlib import Path
import re
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
import torch
from torch import Tensor, nn

from anydepth_core.depth import GROUPS, Depth
from anydepth_core.detections import Detections
from anydepth_core.errors import BackendError, WeightsError
from anydepth_core.files import whole_file
from anydepth_core.models.base import AnyDepthModel, RawPredictions
from anydepth_core.runtime.backends.torch_backend import TorchBackend
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.network import Network, open_network

FORMAT = 'anydepth-router'
SCHEMA_VERSION = 1
POOLED = GROUPS['neck']
TOP_SCORES = 32
OUTLIER = 5.0  # standard deviations; nothing further out counts more
MAX_INPUTS = 100_000


@dataclass(frozen=True, kw_only=True)
class RouterInfo:
    """What a router was trained for, and how well it predicts.

    Attributes:
        model: registered name of the detector.
        weights_hash: SHA-256 of the detector's weights file.
        correlation: of predictions and truth in scenes that it was not fitted on.
        created_by: the command.
    """

    model: str
    weights_hash: str
    correlation: float
    created_by: str = ''


class Router(nn.Module):
    """One linear layer on standardised inputs.

    Args:
        inputs: how many numbers `pool` returns for the detector.

    Attributes:
        mean, scale, weight: (inputs,) each.
        bias: the benefit of the mean frame.
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        for name, value in (('mean', 0.0), ('scale', 1.0), ('weight', 0.0)):
            self.register_buffer(name, torch.full((inputs,), value))
        self.register_buffer('bias', torch.zeros(()))

    def forward(self, pooled: Tensor) -> Tensor:
        """Map (B, inputs) from `pool` to the predicted benefits (B,)."""
        return self.standardised(pooled) @ self.weight + self.bias

    def standardised(self, pooled: Tensor) -> Tensor:
        """Return what the layer is applied to, (B, inputs)."""
        return ((pooled - self.mean) * self.scale).clamp(-OUTLIER, OUTLIER)


def pool(features: dict[str, Tensor], raw: RawPredictions, depth: Depth) -> Tensor:
    """Return what a router reads of a frame, (B, inputs) float32.

    That is the maximum of each channel of the neck's outputs, the best `TOP_SCORES` scores, and
    which stages ran their full path.

    Args:
        features: what the stages of the network made of B images.
        raw: what it predicted.
        depth: that ran.
    """
    scores = raw.logits.float().amax(2)
    best = scores.topk(min(TOP_SCORES, scores.shape[1])).values.sigmoid()
    best = nn.functional.pad(best, (0, TOP_SCORES - best.shape[1]))
    flags = best.new_tensor([depth[name] for name in depth.space.stages]).expand(len(best), -1)
    maxima = [features[name].float().amax((2, 3)) for name in POOLED]
    return torch.cat([*maxima, best, flags], dim=1)


def count_operations(features: dict[str, Tensor], raw: RawPredictions, inputs: int) -> int:
    """Return how many numbers `pool` compares and `Router` computes for one image.

    The selection of the best scores counts as one more look at each.
    """
    pooled = sum(features[name][0].numel() for name in POOLED)
    return pooled + raw.logits[0].numel() + raw.logits.shape[1] + 6 * inputs


class Watched(nn.Module):
    """A detector that a router watches: `forward` detects, `benefits` are told for the next frame.

    Attributes:
        benefits: predicted after each image of the last batch; empty before the first. One thread
            at a time.
    """

    def __init__(self, model: AnyDepthModel, router: Router) -> None:
        super().__init__()
        self.model, self.router = model, router
        self.benefits: tuple[float, ...] = ()

    def forward(self, images: Tensor, depth: Depth) -> RawPredictions:
        """Detect in (B, 3, H, W) images; see AnyDepthModel."""
        features = self.model.features(images, depth)
        height, width = images.shape[2:]
        raw = self.model.predict(features, depth, (height, width))
        pooled = pool(features, raw, depth)
        if pooled.shape[1] != len(self.router.mean):
            raise WeightsError(f'the router reads {len(self.router.mean)} numbers of a frame, '
                               f'this model has {pooled.shape[1]}; training/train_router.py '
                               'makes one for it')
        self.benefits = tuple(self.router(pooled).tolist())
        return raw


class RoutedBackend(TorchBackend):
    """PyTorch with a router beside the network.

    Args:
        network, device, precision: see TorchBackend; on CUDA it runs without graphs.
        router: of these weights.
    """

    def __init__(self, network: Network, router: Router, *, device: str, precision: str) -> None:
        # A graph of the device could not tell the benefit to Python.
        super().__init__(network, device=device, precision=precision, graphs=False)
        self._watched = Watched(self._model, router.to(self.device))
        self._model = cast(AnyDepthModel, self._watched)  # is called as the model is

    @property
    def benefits(self) -> tuple[float, ...]:
        """By how much full would find more than base after each image of the last batch."""
        return self._watched.benefits


class RoutedDetector(Detector):
    """A detector whose detections tell the benefit that its router predicts."""

    def __init__(self, network: Network, backend: RoutedBackend) -> None:
        super().__init__(network, backend)
        self._routed = backend

    def detect_batch(self, *args: Any, **options: Any) -> list[Detections]:
        """Find the objects in several images, as `Detector.detect_batch`."""
        found = super().detect_batch(*args, **options)
        return [replace(each, benefit=benefit)
                for each, benefit in zip(found, self._routed.benefits)]


def open_routed(weights: str | Path, router: str | Path, *, backend: str = 'auto',
                device: str = 'auto', precision: str = 'fp32',
                input_size: tuple[int, int] | None = None) -> RoutedDetector:
    """Return a detector that tells a `benefit` with each frame, for the policy `Routed`.

    Arguments are those of `Detector.open`.

    Raises:
        WeightsError: a file is missing or damaged, or the router is not for these weights.
        BackendError: device or precision are not here, or the backend does not tell what the
            network's stages made of an image.
    """
    if backend not in ('auto', TorchBackend.name):
        raise BackendError(f'a router reads what the neck computed, which backend {backend!r} '
                           f'does not tell; use {TorchBackend.name!r}, or no router')
    network = open_network(weights, input_size)
    judge, info = load_router(router)
    if (info.model, info.weights_hash) != (network.info.model, network.weights_hash):
        raise WeightsError(f'{router}: a router for other weights (of {info.model}, '
                           f'{info.weights_hash[:12]}…); training/train_router.py makes one for '
                           'these')
    _require_fit(network, judge, router)
    return RoutedDetector(network, RoutedBackend(network, judge, device=device,
                                                 precision=precision))


def _require_fit(network: Network, router: Router, path: str | Path) -> None:
    """Let a router that reads another number of things be refused before the first frame."""
    watched = Watched(network.model, router)
    try:
        with torch.inference_mode():
            watched(torch.zeros(1, 3, *network.info.input_size), network.depths.base)
    except WeightsError as error:
        raise WeightsError(f'{path}: {error}') from error


def save_router(path: str | Path, router: Router, info: RouterInfo) -> None:
    """Write a router as one safetensors file, which appears whole or not at all.

    Raises:
        WeightsError: the file cannot be written.
    """
    metadata = {'format': FORMAT, 'schema_version': str(SCHEMA_VERSION), 'model': info.model,
                'weights_hash': info.weights_hash, 'correlation': json.dumps(info.correlation),
                'created_by': info.created_by}
    tensors = {name: tensor.detach().cpu().contiguous()
               for name, tensor in router.state_dict().items()}
    with whole_file(Path(path), WeightsError) as file:
        file.write(save(tensors, metadata))


def load_router(path: str | Path) -> tuple[Router, RouterInfo]:
    """Return a router, on the CPU in evaluation mode, and what it was trained for.

    Raises:
        WeightsError: the file is missing, damaged, or no router.
    """
    try:
        with safe_open(path, framework='pt') as file:
            info = _read_info(path, file.metadata() or {})
            names = set(file.keys())
            inputs = file.get_slice('mean').get_shape() if 'mean' in names else []
            if len(inputs) != 1 or not 1 <= inputs[0] <= MAX_INPUTS:
                raise WeightsError(f'{path}: no router, its mean is missing or of a wrong shape')
            router = Router(inputs[0])
            expected = router.state_dict()
            if names != expected.keys() or any(
                    file.get_slice(name).get_shape() != list(tensor.shape)
                    for name, tensor in expected.items()):
                raise WeightsError(f'{path}: tensors of other names or shapes than a router has')
            router.load_state_dict({name: file.get_tensor(name) for name in names})
    except (OSError, SafetensorError) as error:
        raise WeightsError(f'{path}: cannot be read, or is no safetensors file; make one with '
                           'training/train_router.py') from error
    if not all(tensor.isfinite().all() for tensor in router.state_dict().values()):
        raise WeightsError(f'{path}: holds numbers that are not finite')
    return router.eval().requires_grad_(False), info


def _read_info(path: str | Path, metadata: dict[str, str]) -> RouterInfo:
    if metadata.get('format') != FORMAT or metadata.get('schema_version') != str(SCHEMA_VERSION):
        raise WeightsError(f'{path}: no router of this version; make one with '
                           'training/train_router.py')
    model, digest = metadata.get('model', ''), metadata.get('weights_hash', '')
    try:
        correlation = float(metadata.get('correlation', ''))
    except ValueError:
        correlation = math.nan
    if not re.fullmatch('[0-9a-f]{64}', digest) or not model.isprintable() or not (
            -1 <= correlation <= 1):
        raise WeightsError(f'{path}: does not say rightly what the router is for')
    return RouterInfo(model=model, weights_hash=digest, correlation=correlation,
                      created_by=metadata.get('created_by', ''))
