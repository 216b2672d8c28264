# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Check and time everything that runs on a CUDA GPU: `python benchmarks/gpu.py [MODEL …]`.

For each model, at full and base, in every precision that the GPU computes in: the backend as it
runs (one CUDA graph for each depth), kernel by kernel, and compiled by `torch.compile`; switching
every frame between the two depths; the way of an image there and of its detections back. Equality
with the CPU in single precision comes first. Without a GPU it says so and ends with status 0;
`--rehearse` runs all that a CPU can run, without graphs, to see that the script itself works.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import json
from pathlib import Path
import statistics
import sys
from typing import Any

from runtime_cases import alternate, network_of, summary
import torch

from anydepth_core.errors import BackendError
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.runtime.backends.torch_backend import TorchBackend
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.measure import hardware_name
from anydepth_core.runtime.network import Network

MODELS = ('anydepth-yolo-n', 'anydepth-yolo-l', 'anydepth-detr-r18', 'anydepth-detr-r50')
# TF32 has ten bits of mantissa, and a random network magnifies rounding.
TOLERANCE = 2e-2


def main() -> int:
    """Run the command; return its exit status: 1 if something is not equal."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='*', default=MODELS, metavar='MODEL')
    parser.add_argument('--size', type=int, nargs=2, default=(640, 640), metavar=('H', 'W'))
    parser.add_argument('--frames', type=int, default=200)
    parser.add_argument('--rehearse', action='store_true')
    parser.add_argument('--json', type=Path, metavar='FILE')
    args = parser.parse_args()
    if not torch.cuda.is_available() and not args.rehearse:
        print('gpu: skipped: PyTorch finds no CUDA device on this machine')
        return 0
    device = 'cpu' if args.rehearse else 'cuda:0'
    document: dict[str, Any] = {'device': hardware_name(device), 'torch': torch.__version__,
                                'cuda': torch.version.cuda, 'size': list(args.size)}
    print(document)
    equal = True
    for name in args.models:
        network = network_of(name, tuple(args.size))
        document[name] = {'difference': difference(network, device)}
        equal &= document[name]['difference'] < TOLERANCE
        print(f'\n{name}: logits differ from the CPU by {document[name]["difference"]:.1e} of '
              'the largest')
        for precision in ('fp32', 'fp16', 'bf16'):
            try:
                found = times(network, device, precision, args.frames)
            except BackendError as error:
                print(f'  {precision}: {error}')
                continue
            document[name][precision] = found
            for title, row in found.items():
                print(f'  {precision} {title:28}' + '  '.join(
                    f'{key} {value:8.3f}' for key, value in row.items()))
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + '\n', encoding='utf-8')
    print('equal' if equal else 'NOT equal')
    return int(not equal)


def pixels_of(network: Network) -> Any:
    """Return (1, H, W, 3) uint8 noise."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (1, *network.info.input_size, 3), np.uint8)


def difference(network: Network, device: str) -> float:
    """Return how far the backend there is from the CPU, as a fraction of the largest logit.

    Of the median: rounding may make a DETR choose other queries of nearly equal score.
    """
    pixels, worst = pixels_of(network), 0.0
    cpu, there = (TorchBackend(network, device=each, precision='fp32')
                  for each in ('cpu', device))
    for depth in (network.depths.full, network.depths.base):
        expected = cpu.run(cpu.upload(pixels), depth).logits
        found = there.run(there.upload(pixels), depth).logits.cpu()
        error = (found - expected).abs().median() / expected.abs().max()
        worst = max(worst, float(error))
    return worst


def times(network: Network, device: str, precision: str, frames: int,
          ) -> dict[str, dict[str, float]]:
    """Return milliseconds of everything, all taken in turn."""
    pixels = pixels_of(network)
    graphs, plain = (TorchBackend(network, device=device, precision=precision, graphs=each)
                     for each in (True, False))
    images = graphs.upload(pixels)
    detector = Detector(network, graphs)
    full, base = network.depths.full, network.depths.base
    runs: dict[str, Callable[[], object]] = {
        'upload': lambda: graphs.upload(pixels),
        'switching, two frames': lambda: (graphs.run(images, full), graphs.run(images, base))}
    for text, depth in {'full': full, 'base': base}.items():
        compiled = compiled_run(network.model.at(depth), images, precision)
        runs |= {f'{text}, as it runs': lambda depth=depth: graphs.run(images, depth),
                 f'{text}, kernel by kernel': lambda depth=depth: plain.run(images, depth),
                 f'{text}, torch.compile': compiled,
                 f'{text}, image to detections': lambda depth=depth: detector.detect(
                     pixels[0], depth=depth)}
    found = {title: summary(values) for title, values in alternate(runs, frames).items()}
    steady = sum(found[f'{text}, as it runs']['median'] for text in ('full', 'base'))
    phases = [detector.detect(pixels[0]).timing for _ in range(frames)]
    found['ratios'] = {
        'switched / mean of steady': found['switching, two frames']['median'] / steady,
        'around / network': statistics.median(
            (each.preprocess_ms + each.decode_ms) / each.network_ms for each in phases)}
    return found


def compiled_run(static: AnyDepthModel, images: torch.Tensor, precision: str,
                 ) -> Callable[[], object]:
    """Return one frame of a depth's static form, compiled (on a CPU: traced but not compiled)."""
    on_gpu = images.device.type == 'cuda'
    static = static.to(images.device).to(memory_format=torch.channels_last)
    compiled: Callable[..., Any] = torch.compile(static, **(
        {'mode': 'max-autotune'} if on_gpu else {'backend': 'eager'}))
    dtype = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}[precision]

    def run() -> None:
        with torch.inference_mode(), torch.autocast(images.device.type, dtype,
                                                    dtype != torch.float32):
            compiled(images)
        if on_gpu:
            torch.cuda.synchronize()

    return run


if __name__ == '__main__':
    sys.exit(main())
