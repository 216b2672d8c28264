# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a backend offers to the detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
import torch

from anydepth_core.depth import Depth
from anydepth_core.errors import WeightsError
from anydepth_core.models.base import RawPredictions
from anydepth_core.texts import printable


class Backend(Protocol):
    """Runs one model at any of its depths on one device; safe to call from several threads.

    Made as ``Class(network, device=…, precision=…)``; raises BackendError for what is not here.

    Attributes:
        name: its name in the registry.
        device: the device that was really chosen, such as 'cuda:0'.
        precision: 'fp32', 'fp16' or 'bf16'.
    """

    name: str
    device: str
    precision: str

    def upload(self, pixels: NDArray[np.uint8]) -> Any:
        """Return (B, H, W, 3) uint8 RGB as the input that `run` takes, complete on the device.

        That may be `pixels` itself, so leave them as they are until then.
        """

    def run(self, images: Any, depth: Depth) -> RawPredictions:
        """Return the predictions, complete (nothing is still computing) and in float32."""


def as_batch(images: Sequence[Sequence[NDArray[np.float32]]]) -> RawPredictions:
    """Return what a runtime gave for each image, logits and boxes; that of one is not copied."""
    if len(images) == 1:
        return RawPredictions(*(torch.from_numpy(each) for each in images[0]))
    return RawPredictions(*(torch.from_numpy(np.concatenate(column)) for column in zip(*images)))


@contextlib.contextmanager
def loading(runtime: str) -> Iterator[None]:
    """Load a graph inside; whatever a runtime raises at one it cannot run becomes one line.

    Raises:
        WeightsError: the runtime refuses the graph; says why.
    """
    try:
        yield
    except Exception as error:  # every runtime has kinds of its own
        reason = printable(' '.join(str(error).split()))[:300]
        raise WeightsError(f'{runtime} cannot load the network ({reason}); take another backend, '
                           "or a file that 'anydepth export' makes anew") from error
