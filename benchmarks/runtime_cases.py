# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What `benchmarks/runtime.py` measures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
import importlib
import itertools
import json
from pathlib import Path
import random
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
import torch
from torch import nn

from anydepth_core.depth import Depth
from anydepth_core.models.count import count_gflops
from anydepth_core.models.model_info import ModelInfo
from anydepth_core.models.registry import create_model
from anydepth_core.runtime.backends import open_backend
from anydepth_core.runtime.cores import thread_count
from anydepth_core.runtime.network import Network, of_model, open_network

Run = Callable[[], object]
# What the camera of `phases` sends, and where that is the network's own size, the other.
CAMERAS = ((720, 1280), (480, 640))


def network_of(name: str, size: tuple[int, int], images: torch.Tensor | None = None) -> Network:
    """Return a network of random weights whose signals, on `images`, neither die nor explode.

    Numbers that underflow would be computed in microcode, ten times slower than real ones, and
    thousands of places that score 1 would have to be suppressed.
    """
    torch.manual_seed(0)
    images = torch.rand(2, 3, 160, 160) if images is None else images
    model = create_model(name).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train().momentum = 1.0
    with torch.no_grad():
        for depth in ('full', 'base'):
            model(images, depth)
        model.eval()
        scoring = [branch[-1] for branch in model.head.score] if model.family == 'yolo' else []
        hooks = [layer.register_forward_hook(moderate) for layer in scoring]
        model(images, 'full')
        for hook in hooks:
            hook.remove()
    info = ModelInfo(model=name, class_names=tuple(f'class {n}' for n in range(80)),
                     input_size=size)
    return of_model(model.eval(), info, f'{0:064x}')


def moderate(layer: nn.Conv2d, inputs: tuple[torch.Tensor], outputs: torch.Tensor) -> None:
    """Give every class scores of a standard deviation of one, and a sigmoid of usually 0.01."""
    assert layer.bias is not None
    scale = 1 / outputs.std((0, 2, 3))
    layer.weight.mul_(scale[:, None, None, None])
    layer.bias.copy_((layer.bias - outputs.mean((0, 2, 3))) * scale - 4.6)


def with_graph(network: Network) -> Network:
    """Return the network with its any-depth graph, made without the cache."""
    from anydepth_core.runtime.export.graph import any_depth_graph

    graph = any_depth_graph(network.model, network.info.input_size, {})
    return Network(network.info, network.weights_hash, network.depths, network.decoding,
                   loaded=network.loaded, graph=graph)


def write_files(network: Network, folder: Path, depths: Iterable[Depth]) -> dict[str, Path]:
    """Write the file of all depths, 'any', and the static export of each of `depths`, by name."""
    from anydepth_core.runtime.export.file import describe, write_onnx
    from anydepth_core.runtime.export.graph import any_depth_graph, static_graph

    model, size = network.model, network.info.input_size
    said = describe(model, network.info, network.weights_hash).metadata()
    graphs = {'any': any_depth_graph(model, size, said),
              **{str(depth): static_graph(model, depth, size, said) for depth in depths}}
    files = {name: folder / f'{name}.onnx' for name in graphs}
    for name, graph in graphs.items():
        write_onnx(files[name], graph)
    return files


def static_run(backend: str, file: Path, images: np.ndarray) -> Run:
    """Return one frame of the file of one depth, opened as any other."""
    if backend == 'onnxruntime':
        import onnxruntime

        from anydepth_core.runtime.backends.onnx_backend import session_options

        session = onnxruntime.InferenceSession(str(file), session_options(),
                                               providers=['CPUExecutionProvider'])
        return lambda: session.run(None, {'images': images})
    from anydepth_core.runtime.backends.openvino_backend import core

    request = core().compile_model(str(file), 'CPU', {
        'INFERENCE_PRECISION_HINT': 'f32', 'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_NUM_THREADS': thread_count(), 'ENABLE_CPU_PINNING': False,
    }).create_infer_request()
    return lambda: request.infer({'images': images}, share_inputs=True, share_outputs=True)


def alternate(runs: Mapping[str, Run], frames: int) -> dict[str, list[float]]:
    """Return the milliseconds of each run, after two rounds unmeasured.

    All take turns in an order drawn anew each round, because what ran just before costs some.
    """
    taken: dict[str, list[float]] = {name: [] for name in runs}
    order, rng = list(runs), random.Random(0)
    for frame in range(frames + 2):
        rng.shuffle(order)
        for name in order:
            begun = time.perf_counter()
            runs[name]()
            if frame >= 2:
                taken[name].append(1e3 * (time.perf_counter() - begun))
    return taken


def summary(milliseconds: Sequence[float]) -> dict[str, float]:
    """Return minimum, median, 99th percentile and mean."""
    return {'min': min(milliseconds), 'median': statistics.median(milliseconds),
            'p99': float(np.percentile(milliseconds, 99)), 'mean': statistics.fmean(milliseconds)}


def product_gflops(size: int = 2048, rounds: int = 8) -> float:
    """Return the GFLOP/s of a large product of matrices: what this processor can give.

    The better of PyTorch's library and NumPy's, of which one may not know this processor.
    """
    one, other = torch.rand(size, size), torch.rand(size, size)
    left, right = one.numpy(), other.numpy()
    taken = alternate({'torch': lambda: one @ other, 'numpy': lambda: left @ right}, rounds)
    return 2 * size ** 3 / min(min(each) for each in taken.values()) / 1e6


def times(name: str, size: tuple[int, int], backends: Sequence[str], frames: int,
          depths: Sequence[str]) -> dict[str, Any]:
    """Time one model at some depths on every backend, beside their static exports."""
    network = network_of(name, size)
    chosen = {text: network.depths.resolve(text) for text in depths}
    pixels = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32) / 255
    runs: dict[str, Run] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = {} if backends == ['torch'] else write_files(network, Path(folder),
                                                             chosen.values())
        for backend in backends:
            opened = network if backend == 'torch' else open_network(files['any'])
            runner = open_backend(backend, opened, device='cpu', precision='fp32')
            images = runner.upload(pixels)
            for text, depth in chosen.items():
                runs[f'{backend} {text}'] = lambda runner=runner, images=images, depth=depth: (
                    runner.run(images, depth))
                if backend != 'torch':
                    runs[f'{backend} static {text}'] = static_run(backend, files[str(depth)],
                                                                  planes)
        taken = alternate(runs, frames)
    gflops = {text: count_gflops(network.model, depth, size) for text, depth in chosen.items()}
    return {'model': name, 'size': list(size), 'gflops': gflops,
            'product_gflops': product_gflops(),
            'ms': {key: summary(values) for key, values in taken.items()},
            'ratios': _ratios(taken, backends, gflops)}


def _ratios(taken: Mapping[str, Sequence[float]], backends: Sequence[str],
            gflops: Mapping[str, float]) -> dict[str, float]:
    """Return the medians, over the rounds, of what two runs of a round took."""
    def ratio(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(taken[one], taken[other]))

    extremes = {'full', 'base'} <= gflops.keys()
    ratios = {'base / full, GFLOPs': gflops['base'] / gflops['full']} if extremes else {}
    for backend in backends:
        if extremes:
            ratios[f'{backend} base / full'] = ratio(f'{backend} base', f'{backend} full')
        for text in gflops:
            if f'{backend} static {text}' in taken:
                ratios[f'{backend} any / static, {text}'] = ratio(
                    f'{backend} {text}', f'{backend} static {text}')
            if backend != 'torch' and 'torch' in backends:
                ratios[f'{backend} / torch, {text}'] = ratio(f'{backend} {text}', f'torch {text}')
    return ratios


def switching(name: str, size: tuple[int, int], backend: str, frames: int) -> dict[str, float]:
    """Compare frames that switch between full and base with frames that do not.

    Blocks of each kind take turns, so that a drift of the machine meets all of them.
    """
    network = with_graph(network_of(name, size)) if backend != 'torch' else network_of(name, size)
    runner = open_backend(backend, network, device='cpu', precision='fp32')
    images = runner.upload(np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8))
    full, base = network.depths.full, network.depths.base
    kinds = {'full': [full], 'base': [base], 'switched': [full, base]}
    taken: dict[str, list[float]] = {kind: [] for kind in (*kinds, 'to full', 'to base')}
    for block in range(max(1, frames // 10) + 1):
        for kind, depths in kinds.items():
            for depth in itertools.islice(itertools.cycle(depths), 10):
                begun = time.perf_counter()
                runner.run(images, depth)
                if block:
                    passed = 1e3 * (time.perf_counter() - begun)
                    taken[kind].append(passed)
                    if kind == 'switched':
                        taken['to full' if depth == full else 'to base'].append(passed)
    found = {kind: summary(values) for kind, values in taken.items()}

    def ratio(what: str) -> float:
        return ((found['to full'][what] + found['to base'][what])
                / (found['full'][what] + found['base'][what]))

    return {'switched / mean of steady': ratio('median'), 'the same of the minima': ratio('min'),
            'p99 to full / steady': found['to full']['p99'] / found['full']['p99'],
            'p99 to base / steady': found['to base']['p99'] / found['base']['p99'],
            'noise: steady p99 / median': found['full']['p99'] / found['full']['median']}


def phases(name: str, size: tuple[int, int], backend: str, frames: int) -> dict[str, float]:
    """Time whole calls of `detect` on a rendered scene of another size, phase by phase.

    The threshold lets a thousand candidates through, as a crowded scene does.
    """
    from anydepth_core.data.scenes import render_scene
    from anydepth_core.runtime.detector import Detector
    from anydepth_core.runtime.preprocess import fit

    image = render_scene(0, size=next(each for each in CAMERAS if each != tuple(size))).image
    canvas = np.empty((1, *size, 3), np.uint8)
    fit(image, canvas[0], 'letterbox', 'rgb')
    planes = torch.from_numpy(canvas).permute(0, 3, 1, 2).float() / 255
    network = network_of(name, size, planes)
    network = with_graph(network) if backend != 'torch' else network
    runner = open_backend(backend, network, device='cpu', precision='fp32')
    detector = Detector(network, runner)
    logits = runner.run(runner.upload(canvas), network.depths.full).logits.flatten()
    threshold = float(logits.topk(min(1000, len(logits))).values[-1].sigmoid())
    detector.warm_up()
    found = [detector.detect(image, score_threshold=threshold).timing for _ in range(frames)]
    middle = {phase: statistics.median(getattr(each, phase) for each in found)
              for phase in ('preprocess_ms', 'network_ms', 'decode_ms')}
    return {**middle, 'around / network': statistics.median(
        (each.preprocess_ms + each.decode_ms) / each.network_ms for each in found)}


def memory(name: str, size: tuple[int, int], backend: str, frames: int) -> dict[str, float]:
    """Compare resident memory: one static session, all depths, and its growth.

    Each is a process of its own that opens a file.
    """
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        network = network_of(name, size)
        files = write_files(network, Path(folder), [network.depths.full])
        for kind, file in {'static': files['full'], 'any': files['any']}.items():
            command = [sys.executable, str(Path(__file__).with_name('runtime_memory.py')), kind,
                       str(file), str(size[0]), str(size[1]), backend, str(frames)]
            found[kind] = json.loads(subprocess.run(command, check=True, capture_output=True,
                                                    text=True).stdout)
    return {'static_mb': found['static']['after_mb'], 'any_mb': found['any']['after_mb'],
            'any / static': found['any']['after_mb'] / found['static']['after_mb'],
            'growth_mb': found['any']['growth_mb']}


def file_sizes(name: str, size: tuple[int, int]) -> dict[str, float]:
    """Compare the file of all depths with the static one of full, in megabytes.

    Extras are the weights that only essential paths have: no file of full has them.
    """
    from anydepth_core.runtime.export.graph import any_depth_graph, static_graph

    model = network_of(name, size).model
    of_full = {id(weight) for key, weight in model.named_parameters() if '.essential.' not in key}
    extras = 4 * sum(weight.numel() for weight in model.parameters() if id(weight) not in of_full)
    whole = any_depth_graph(model, size, {}).ByteSize()
    static = static_graph(model, model.depths.full, size, {}).ByteSize()
    return {'any_mb': whole / 1e6, 'static_mb': static / 1e6, 'extras_mb': extras / 1e6,
            'any / static': whole / static, 'any / (static + extras)': whole / (static + extras)}


def versions() -> dict[str, str]:
    """Return the versions of what is measured."""
    return {name: importlib.import_module(name).__version__
            for name in ('torch', 'onnx', 'onnxruntime', 'openvino')
            if importlib.util.find_spec(name)}
