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
from typing import Any

from command import end
import numpy as np
from runtime_cases import alternate, network_of, summary
import torch

from anydepth_core.commands.arguments import at_least
from anydepth_core.errors import BackendError
from anydepth_core.models.base import AnyDepthModel, RawPredictions
from anydepth_core.runtime.backends.torch_backend import TorchBackend, store_products
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.measure import hardware_name
from anydepth_core.runtime.network import Network

MODELS = ('anydepth-yolo-n', 'anydepth-yolo-l', 'anydepth-detr-r18', 'anydepth-detr-r50')
# TF32 has ten bits of mantissa, and a random network magnifies rounding.
TOLERANCE = {'median': 2e-2, 'p95': 1e-1}


def main() -> int:
    """Run the command; return its exit status: 1 if something is not equal."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='*', default=MODELS, metavar='MODEL')
    parser.add_argument('--size', type=int, nargs=2, default=(640, 640), metavar=('H', 'W'))
    parser.add_argument('--frames', type=at_least(1), default=200)
    parser.add_argument('--no-compile', action='store_true',
                        help='leave out torch.compile, which takes minutes for each network')
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
        found = difference(network, device)
        document[name] = {'difference': found}
        equal &= all(row[key] < bound for row in found.values()
                     for key, bound in TOLERANCE.items())
        print(f'\n{name}: differs from the CPU, as a share of the largest: ' + '; '.join(
            f'{what} ' + ' '.join(f'{key} {value:.1e}' for key, value in row.items())
            for what, row in found.items()))
        for precision in ('fp32', 'fp16', 'bf16'):
            try:
                found = times(network, device, precision, args.frames, not args.no_compile)
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


def pixels_of(network: Network, seed: int = 0) -> Any:
    """Return (1, H, W, 3) uint8 noise."""
    return np.random.default_rng(seed).integers(0, 256, (1, *network.info.input_size, 3), np.uint8)


def difference(network: Network, device: str) -> dict[str, dict[str, float]]:
    """Return how far logits and boxes there are from the CPU's, as fractions of the largest.

    The median and the 95th percentile, not the worst: rounding may make a DETR choose a few other
    queries. Both depths are recorded with one image before they are compared on another.
    """
    worst = {what: dict.fromkeys(TOLERANCE, 0.0) for what in RawPredictions._fields}
    cpu, there = (TorchBackend(network, device=each, precision='fp32')
                  for each in ('cpu', device))
    depths = (network.depths.full, network.depths.base)
    for depth in depths:
        there.run(there.upload(pixels_of(network)), depth)
    pixels = pixels_of(network, seed=1)
    for depth in depths:
        expected = cpu.run(cpu.upload(pixels), depth)
        found = RawPredictions(*(each.cpu() for each in there.run(there.upload(pixels), depth)))
        if network.model.family == 'rtdetr':
            found = matched(found, expected)
        for what, row in worst.items():
            one, other = getattr(found, what), getattr(expected, what)
            errors = ((one - other).abs() / other.abs().max()).flatten().double().numpy()
            for key, percent in {'median': 50, 'p95': 95}.items():
                row[key] = max(row[key], float(np.percentile(errors, percent)))
    return worst


def matched(found: RawPredictions, expected: RawPredictions) -> RawPredictions:
    """Return of each query expected the nearest one found; rounding may exchange their places."""
    one, other = (torch.cat([each.logits / expected.logits.abs().max(),
                             each.boxes / expected.boxes.abs().max()], -1)[0]
                  for each in (expected, found))
    nearest = torch.cdist(one, other, p=1).argmin(1)
    return RawPredictions(found.logits[:, nearest], found.boxes[:, nearest])


def times(network: Network, device: str, precision: str, frames: int, compiles: bool,
          ) -> dict[str, dict[str, float]]:
    """Return milliseconds of everything, all taken in turn."""
    # What was compiled before counts towards a limit, past which nothing would be compiled.
    torch._dynamo.reset()
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
        runs |= {f'{text}, as it runs': lambda depth=depth: graphs.run(images, depth),
                 f'{text}, kernel by kernel': lambda depth=depth: plain.run(images, depth),
                 f'{text}, image to detections': lambda depth=depth: detector.detect(
                     pixels[0], depth=depth)}
        if compiles:
            runs[f'{text}, torch.compile'] = compiled_run(network.model.at(depth), images,
                                                          precision)
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
    """Return one frame of a depth's static form, compiled (on a CPU: traced but not compiled).

    Its weights are stored as the backend stores them, and what is not compiled is an error.
    """
    on_gpu = images.device.type == 'cuda'
    static = static.to(images.device).to(memory_format=torch.channels_last)
    dtype = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}[precision]
    if dtype is not torch.float32:
        store_products(static, dtype)
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    compiled: Callable[..., Any] = torch.compile(static, **(
        {'mode': 'max-autotune'} if on_gpu else {'backend': 'eager'}))

    def run() -> None:
        with torch.inference_mode(), torch.autocast(images.device.type, dtype,
                                                    dtype != torch.float32):
            compiled(images)
        if on_gpu:
            torch.cuda.synchronize()

    return run


if __name__ == '__main__':
    end(main)
