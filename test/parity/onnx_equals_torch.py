# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Every backend against PyTorch: `python test/parity/onnx_equals_torch.py [MODEL …]`.

For each model, with random weights and norms that fit them, at 640x640: the largest difference in
the logits (over the largest logit) and in the boxes (over the input's side) at full, base and four
mixtures, on the best of four images (beside it, where it is above 1e-4, what single precision
alone does to PyTorch's own outputs), and the size of the any-depth file beside the static one.
"""

from __future__ import annotations

from pathlib import Path
import sys
import time

sys.path.insert(0, str(Path(__file__).parents[1] / 'runtime'))

from runtime_models import lively_model
import torch

from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.model_info import ModelInfo
from anydepth_core.runtime.backends import BACKENDS, installed, open_backend
from anydepth_core.runtime.export.check import depths_to_check, difference_of
from anydepth_core.runtime.export.graph import any_depth_graph, static_graph
from anydepth_core.runtime.network import Network

MODELS = ('anydepth-yolo-n', 'anydepth-yolo-s', 'anydepth-yolo-l', 'anydepth-detr-r18',
          'anydepth-detr-r50')

# With norms as they come a random YOLO-s is so chaotic that single and double precision give
# boxes half a picture apart, which would hide a wrong graph. At this gain they agree to 1e-5,
# while depth and image still show.
GAIN = 0.8


def calm(model: AnyDepthModel) -> AnyDepthModel:
    """Turn down, in place, every norm."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data *= GAIN
    return model


def main() -> None:
    """Print one line a model and backend."""
    size = (640, 640)
    for name in sys.argv[1:] or MODELS:
        model = calm(lively_model(name))
        begun = time.perf_counter()
        graph = any_depth_graph(model, size, {})
        took = time.perf_counter() - begun
        static = static_graph(model, model.depths.full, size, {}).ByteSize()
        print(f'{name}: exported in {took:.1f} s; any depth {graph.ByteSize() / 1e6:.1f} MB, full '
              f'alone {static / 1e6:.1f} MB, ratio {graph.ByteSize() / static:.3f}')
        info = ModelInfo(model=name, class_names=('a', 'b', 'c'), input_size=size)
        network = Network(info, '0' * 64, model.depths, model.decoding, loaded=model, graph=graph)
        for backend in (each for each in BACKENDS if each in installed() and each != 'torch'):
            runner = open_backend(backend, network, device='cpu', precision='fp32')
            reference = model.fused()
            for depth in depths_to_check(model):
                found = difference_of(runner, reference, size, depth)
                print(f'  {backend:12} {depth!s:28} logits {found.logits:.1e} '
                      f'boxes {found.boxes:.1e}'
                      + (f' (rounding {found.rounding:.1e})' if found.rounding else ''),
                      flush=True)


if __name__ == '__main__':
    main()
