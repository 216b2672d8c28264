# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Does an exported graph compute what the model computes?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
import copy
import importlib.util
import random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
import onnx
import torch

from anydepth_core.depth import Depth
from anydepth_core.errors import BackendError, WeightsError
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.runtime.backends.base import Backend

TOLERANCE = 1e-4
# A network may magnify rounding; another order of the same sums is then as far from PyTorch as
# PyTorch is from the truth, give or take.
ROUNDINGS = 3
ATTEMPTS = 4
Feeds = Mapping[str, NDArray[Any]]
Outputs = list[NDArray[np.float32]]
Run = Callable[[Feeds], Outputs]


class Difference(NamedTuple):
    """How far a runtime is from PyTorch at one depth, on the best of the images tried.

    Attributes:
        logits: the largest, over the largest logit (or 1, if that is less).
        boxes: the largest, as a fraction of the input's longer side.
        rounding: the larger of the two between PyTorch in single and in double precision; 0 where
            it was not asked for.
    """

    logits: float
    boxes: float
    rounding: float = 0.0

    @property
    def largest(self) -> float:
        """The larger of the two."""
        return max(self.logits, self.boxes)

    @property
    def allowed(self) -> bool:
        """Whether that is within TOLERANCE, or what rounding alone does in this network."""
        return self.largest <= max(TOLERANCE, ROUNDINGS * self.rounding)


def depths_to_check(model: AnyDepthModel, count: int = 4) -> list[Depth]:
    """Return full, base and a few mixtures, always the same ones."""
    rng = random.Random(0)
    depths = [model.depths.full, model.depths.base,
              *(model.depths.sample(rng) for _ in range(count))]
    return list(dict.fromkeys(depths))


def require_equal(model: AnyDepthModel, graph: onnx.ModelProto, depths: Iterable[Depth],
                  ) -> dict[Depth, Difference]:
    """Return the difference at each depth.

    Rounding may make a network choose other queries of nearly equal score. Such an image says
    nothing about the graph, so a few are tried; a wrong graph is wrong on all of them.

    Raises:
        WeightsError: one of them is not allowed; names it.
        BackendError: no runtime is installed.
    """
    run, reference = _runtime(graph), model.fused()
    inputs = {each.name: [side.dim_value for side in each.type.tensor_type.shape.dim]
              for each in graph.graph.input}
    found = {}
    for depth in depths:
        def outputs(images: NDArray[np.float32], depth: Depth = depth) -> Outputs:
            feeds = feeds_of(depth, images)
            return run({name: feeds[name] for name in inputs})

        found[depth] = _difference(outputs, reference, inputs['images'][2:], depth)
        if not found[depth].allowed:
            raise WeightsError(f'the ONNX graph differs from PyTorch at depth {depth}: '
                               f'{found[depth].logits:.1e} in the logits, '
                               f'{found[depth].boxes:.1e} in the boxes')
    return found


def difference_of(backend: Backend, reference: AnyDepthModel, size: tuple[int, int], depth: Depth,
                  ) -> Difference:
    """Return how far a backend is from a fused model, see `require_equal`."""
    def outputs(images: NDArray[np.float32]) -> Outputs:
        pixels = (images * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
        raw = backend.run(backend.upload(np.ascontiguousarray(pixels)), depth)
        return [raw.logits.numpy(), raw.boxes.numpy()]

    return _difference(outputs, reference, size, depth)


def feeds_of(depth: Depth, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the inputs of an any-depth graph."""
    return {'images': images, **flags_of(depth)}


def flags_of(depth: Depth) -> dict[str, NDArray[Any]]:
    """Return the inputs of an any-depth graph that choose the depth."""
    flags = {'full_stages': np.array([depth[stage] for stage in depth.space.stages])}
    if depth.decoder_layers is not None:
        flags['decoder_layers'] = np.array([depth.decoder_layers])
    return flags


def _difference(outputs: Callable[[NDArray[np.float32]], Outputs], reference: AnyDepthModel,
                size: Sequence[int], depth: Depth) -> Difference:
    """Return the least of a few images' differences; the first one that is allowed is enough."""
    attempts: list[Difference] = []
    exact = None
    while len(attempts) < ATTEMPTS and not (attempts and attempts[-1].allowed):
        images = _picture(len(attempts), size)
        with torch.inference_mode():
            expected = [each.numpy() for each in reference(images, depth)]
        found = _distance(outputs(images.numpy()), expected, size)
        if max(found) > TOLERANCE:
            exact = exact or copy.deepcopy(reference).double()
            with torch.inference_mode():
                rounding = max(_distance([each.numpy() for each in exact(images.double(), depth)],
                                         expected, size))
            attempts.append(Difference(*found, rounding))
        else:
            attempts.append(Difference(*found))
    return min(attempts, key=lambda each: (not each.allowed, each.largest))


def _distance(found: Sequence[NDArray[np.floating]], expected: Sequence[NDArray[np.floating]],
              size: Sequence[int]) -> tuple[float, float]:
    """Return what Difference calls `logits` and `boxes`."""
    scales = (max(1.0, float(np.abs(expected[0]).max())), max(size))
    logits, boxes = (float(np.abs(one - other).max()) / scale
                     for one, other, scale in zip(found, expected, scales))
    return logits, boxes


def _picture(seed: int, size: Sequence[int]) -> torch.Tensor:
    """Return (1, 3, H, W) in steps of 1 / 255: coloured blots and noise, somewhat like a photo."""
    generator = torch.Generator().manual_seed(seed)
    blots = torch.rand(1, 3, 7, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(blots, size=tuple(size), mode='bicubic').clamp(0, 1)
    noisy = 0.8 * smooth + 0.2 * torch.rand(1, 3, *size, generator=generator)
    return (noisy * 255).round() / 255


def _runtime(graph: onnx.ModelProto) -> Run:
    """Return what runs a graph, on whichever runtime is here."""
    outputs = ['logits', 'boxes']
    if importlib.util.find_spec('onnxruntime'):
        import onnxruntime

        session = onnxruntime.InferenceSession(graph.SerializeToString(),
                                               providers=['CPUExecutionProvider'])
        return lambda feeds: session.run(outputs, dict(feeds))
    if importlib.util.find_spec('openvino'):
        from anydepth_core.runtime.backends.openvino_backend import core

        compiled = core().compile_model(core().read_model(graph.SerializeToString(), b''), 'CPU',
                                        {'INFERENCE_PRECISION_HINT': 'f32'})

        def infer(feeds: Feeds) -> list[NDArray[np.float32]]:
            results = compiled(dict(feeds))
            return [results[name] for name in outputs]

        return infer
    raise BackendError("a runtime must check what is exported, and none is installed; "
                       "pip install 'anydepth_ros[onnxruntime]' (or [openvino])")
