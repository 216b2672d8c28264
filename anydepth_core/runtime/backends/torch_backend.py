# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch: every path of every stage fused, any depth at any call; on CUDA as one graph each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor, nn

from anydepth_core.depth import Depth
from anydepth_core.models.base import RawPredictions
from anydepth_core.models.rtdetr.selection import compute_only_chosen
from anydepth_core.runtime.backends.cpu_convolutions import can_pack, pack
from anydepth_core.runtime.backends.cuda_graphs import DepthGraphs
from anydepth_core.runtime.devices import resolve_device, resolve_precision
from anydepth_core.runtime.network import Network


class TorchBackend:
    """See Backend. The model given is copied, so it may be trained or changed afterwards.

    On CUDA an image is copied from pinned memory, made floating there, and its predictions stay
    there for decoding. Without `graphs` each kernel is launched by itself.
    """

    name = 'torch'

    def __init__(self, network: Network, *, device: str, precision: str,
                 graphs: bool = True) -> None:
        self._device = resolve_device(device)
        self._dtype = resolve_precision(precision, self._device)
        self.device = str(self._device)
        self.precision = precision
        fused = network.model.fused().to(self._device).to(memory_format=torch.channels_last)
        compute_only_chosen(fused)
        if self._dtype is not torch.float32:
            store_products(fused, self._dtype)
        elif self._device.type == 'cpu' and can_pack():
            pack(fused)
        self._model = fused
        self._predict = (DepthGraphs(self._forward, self._device).run
                         if graphs and self._device.type == 'cuda' else self._forward)

    def upload(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return (B, 3, H, W) float32 in [0, 1] on the device, channels last as in `pixels`."""
        with torch.inference_mode():
            host = torch.from_numpy(pixels)
            # From pinned memory the device fetches by itself; PyTorch keeps it until it has.
            host = host.pin_memory() if self._device.type == 'cuda' else host
            images = host.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
            images = images.float().div_(255)
            self._finish()
            return images

    def run(self, images: Tensor, depth: Depth) -> RawPredictions:
        """Run the network on what `upload` returned."""
        with torch.inference_mode():
            raw = self._predict(images, depth)
            self._finish()
            return raw

    def _forward(self, images: Tensor, depth: Depth) -> RawPredictions:
        # A weight that autocast remembered while a graph was recorded would be gone at its replay.
        with torch.autocast(self._device.type, self._dtype, self._dtype is not torch.float32,
                            cache_enabled=False):
            raw = self._model(images, depth)
        return RawPredictions(raw.logits.float(), raw.boxes.float())

    def _finish(self) -> None:
        if self._device.type == 'cuda':
            torch.cuda.current_stream(self._device).synchronize()


def store_products(model: nn.Module, dtype: torch.dtype) -> None:
    """Keep the weights of convolutions and linears in `dtype`, in place.

    Autocast computes these in `dtype` anyway and would convert a float32 weight at every call;
    all else (norms, softmax, box arithmetic) stays in float32, as autocast wants it.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)
