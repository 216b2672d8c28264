# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The other process of `benchmarks/peers.py`: runs other people's packages, in their environment.

Started as `peers_worker.py {yolo,detr} SIZE FOLDER`, with `image.npy` (RGB) in the folder. Makes a
network of random weights, writes it there as its package would, and says so in a line of JSON.
From then on each line of JSON that comes in, `{"run": …, "threshold": …}`, is one frame to run,
answered with what it took and the best score: `{"network_ms": …, "total_ms": …, "best": …}`.
Imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
import importlib
import importlib.util
import json
import os
from pathlib import Path
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import nn

# (milliseconds of the network, milliseconds from the image to the detections, best score)
Frame = Callable[[float], tuple[float, float, float]]
INPUT = 640
DETR = {'r18': ('basic', [2, 2, 2, 2], 3), 'r34': ('basic', [3, 4, 6, 3], 4),
        'r50': ('bottleneck', [3, 4, 6, 3], 6)}


def main() -> None:
    """Serve until the input ends."""
    # Packages print what they like; answers go where nothing else goes.
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    family, size, folder = sys.argv[1:]
    torch.set_num_threads(int(os.environ['OMP_NUM_THREADS']))
    image = np.load(Path(folder, 'image.npy'))
    torch.manual_seed(0)
    make = {'yolo': yolo, 'detr': detr}[family]
    checkpoint, runs = make(size, Path(folder), image)
    package = {'yolo': 'ultralytics', 'detr': 'transformers'}[family]
    print(json.dumps({'checkpoint': str(checkpoint), 'runs': list(runs), 'package':
                      f'{package} {importlib.import_module(package).__version__}'}),
          file=answers, flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        found = runs[wanted['run']](wanted['threshold'])
        print(json.dumps(dict(zip(('network_ms', 'total_ms', 'best'), found))), file=answers,
              flush=True)


def yolo(size: str, folder: Path, image: np.ndarray) -> tuple[Path, dict[str, Frame]]:
    """Return a YOLO12 checkpoint, and `predict` on it and on the package's exports of it."""
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel(f'yolo12{size}.yaml', nc=80, verbose=False)
    calm(model, picture(image), [branch[-1] for branch in model.model[-1].cv3])
    path = folder / f'yolo12{size}.pt'
    torch.save({'model': model, 'train_args': {'task': 'detect', 'imgsz': INPUT}}, path)
    if importlib.util.find_spec('openvino'):
        single_precision()
    files = {'torch': path}
    for kind, package in (('onnx', 'onnxruntime'), ('openvino', 'openvino')):
        if importlib.util.find_spec(package):
            files[package] = Path(YOLO(path).export(format=kind, imgsz=INPUT, verbose=False))
    bgr = np.ascontiguousarray(image[..., ::-1])

    def frame(predictor: Any, threshold: float) -> tuple[float, float, float]:
        begun = time.perf_counter()
        result = predictor.predict(bgr, imgsz=INPUT, conf=threshold, iou=0.7, max_det=100,
                                   device='cpu', verbose=False)[0]
        boxes = result.boxes.cpu().numpy()
        return (result.speed['inference'], 1e3 * (time.perf_counter() - begun),
                float(boxes.conf.max(initial=0)))

    return path, {name: partial(frame, YOLO(file, task='detect')) for name, file in files.items()}


def detr(size: str, folder: Path, image: np.ndarray) -> tuple[Path, dict[str, Frame]]:
    """Return an RT-DETR checkpoint, and its processor and network on the image."""
    from transformers import (
        RTDetrConfig,
        RTDetrForObjectDetection,
        RTDetrImageProcessor,
        RTDetrResNetConfig,
    )

    kind, blocks, layers = DETR[size]
    widths = [64, 128, 256, 512] if kind == 'basic' else [256, 512, 1024, 2048]
    backbone = RTDetrResNetConfig(hidden_sizes=widths, depths=blocks, layer_type=kind,
                                  out_features=['stage2', 'stage3', 'stage4'])
    small = {} if kind == 'bottleneck' else {'encoder_in_channels': widths[1:],
                                             'hidden_expansion': 0.5}
    model = RTDetrForObjectDetection(RTDetrConfig(
        backbone_config=backbone, num_labels=80, decoder_layers=layers,
        freeze_backbone_batch_norms=False, **small))
    calm(model, picture(image))
    model.save_pretrained(folder / size)
    processor = RTDetrImageProcessor(size={'height': INPUT, 'width': INPUT})
    shape = torch.tensor([image.shape[:2]])

    @torch.inference_mode()
    def frame(threshold: float) -> tuple[float, float, float]:
        begun = time.perf_counter()
        inputs = processor(images=image, return_tensors='pt')
        ready = time.perf_counter()
        outputs = model(**inputs)
        ran = time.perf_counter()
        found = processor.post_process_object_detection(outputs, threshold, shape)[0]
        scores = found['scores'].numpy()
        return (1e3 * (ran - ready), 1e3 * (time.perf_counter() - begun),
                float(scores.max(initial=0)))

    return folder / size / 'model.safetensors', {'torch': frame}


def single_precision() -> None:
    """Let OpenVINO compute in float32, as everything else here; some processors default to less.

    The package asks for no precision, so this is put under everything that it compiles.
    """
    import openvino

    plain = openvino.Core.compile_model

    def compile_model(core: Any, model: Any, device_name: str | None = None,
                      config: dict[str, Any] | None = None, **others: Any) -> Any:
        return plain(core, model, device_name,
                     {**(config or {}), 'INFERENCE_PRECISION_HINT': 'f32'}, **others)

    openvino.Core.compile_model = compile_model


def picture(image: np.ndarray) -> torch.Tensor:
    """Return (H, W, 3) uint8 as (1, 3, INPUT, INPUT) in [0, 1]."""
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    return nn.functional.interpolate(planes, (INPUT, INPUT), mode='bilinear', antialias=True)


@torch.no_grad()
def calm(model: nn.Module, images: torch.Tensor, scoring: Sequence[nn.Conv2d] = ()) -> None:
    """Give the norms the statistics of these images, so that no signal dies or explodes.

    Layers that score classes are made to give few places a high score, as trained ones do.
    """
    model.eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train().momentum = 1.0
    model(images)
    model.eval()
    hooks = [layer.register_forward_hook(moderate) for layer in scoring]
    model(images)
    for hook in hooks:
        hook.remove()


def moderate(layer: nn.Conv2d, inputs: tuple[torch.Tensor], outputs: torch.Tensor) -> None:
    """Give every class a standard deviation of one, and a sigmoid of usually 0.01."""
    assert layer.bias is not None
    scale = 1 / outputs.std((0, 2, 3))
    layer.weight.mul_(scale[:, None, None, None])
    layer.bias.copy_((layer.bias - outputs.mean((0, 2, 3))) * scale - 4.6)


if __name__ == '__main__':
    main()
