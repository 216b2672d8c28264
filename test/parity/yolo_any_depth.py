# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare AnyDepth-YOLO at base and at mixtures with YOLOv12s cut out of its authors'.

    python test/parity/yolo_any_depth.py [anydepth-yolo-l ...]

What a depth means is taken from the paper, not from our code. A second YOLOv12 is cut down to the
essential paths: half of the blocks of each stage rounded up (section 3.2), or for C3k2 half of the
bottlenecks in each block (inner), with the columns of the aggregator that read them, or from four
blocks on with an aggregator of its own. It has the convolutions of the first and other norms, but
for stem and head. The reference at a depth is the first YOLOv12 with the second's layers in the
stages that run their essential path. Both are imported as one checkpoint of the AnyDepth authors'.

Wants the environment of yolo_turbo.py. Random weights, nothing downloaded; exits with 1 if a
difference is too large.
"""

from __future__ import annotations

import copy
from pathlib import Path
import random
import sys
from typing import Any

from networks import CALM, random_images, randomise_norms, randomise_yolo, through_a_file
import torch
from torch import Tensor, nn
import yaml
from yolo_common import TOLERANCES, differences, predictions
from yolo_turbo import outputs

from anydepth_core.depth import Depth

SIZE = (2, 256, 320)
DEPTHS = ('full', 'base', 'base+backbone', 'full-backbone', 'full-pan', 'base+p4')
STAGES = {'p2': [2], 'p3': [3, 4], 'p4': [5, 6], 'p5': [7, 8],
          'fpn4': [11], 'fpn3': [14], 'pan4': [15, 17], 'pan5': [18, 20]}
# Our name: scale; depth, width and cap on channels where the authors changed them; outer C3k2.
NETWORKS: dict[str, tuple[str, list[float] | None, bool]] = {
    'anydepth-yolo-n': ('n', [0.75, 0.25, 1024], False),
    'anydepth-yolo-s': ('s', [1.0, 0.5, 512], False),
    'anydepth-yolo-s-outer': ('s', [1.0, 0.5, 512], True),
    'anydepth-yolo-l': ('l', None, False),
    'anydepth-yolo-l-outer': ('l', None, True),
    'anydepth-yolo-x': ('x', None, False),
}


def build(scale: str, table: list[float] | None) -> Any:
    """Return the YOLOv12 of the full paths; every size adds the input of its attention stages."""
    import ultralytics
    from ultralytics.nn.tasks import DetectionModel

    path = Path(ultralytics.__file__).parent / 'cfg/models/v12/yolov12.yaml'
    config = yaml.safe_load(path.read_text())
    config['scale'] = scale
    if table is not None:
        config['scales'][scale] = table
    model = DetectionModel(config, nc=80, verbose=False)
    for layer in (6, 8):
        block = model.model[layer]
        block.gamma = nn.Parameter(torch.ones(block.cv2.conv.out_channels))
    return model


def essential(full: Any, *, outer: bool) -> tuple[Any, dict[str, Tensor]]:
    """Return the YOLOv12 of the essential paths, and what the authors' checkpoint has of it."""
    model = copy.deepcopy(full)
    own = []
    for layer in (2, 4, 6, 8, 11, 14, 17, 20):
        block = model.model[layer]
        total = len(block.m)
        halves = layer in (2, 4, 20)
        if halves and not outer:
            for inner in block.m:
                if hasattr(inner, 'm'):
                    inner.m = inner.m[:(len(inner.m) + 1) // 2]
            continue
        block.m = block.m[:(total + 1) // 2]
        conv = block.cv2.conv
        hidden = conv.in_channels // (total + (2 if halves else 1))
        block.cv2.conv = nn.Conv2d(hidden * (len(block.m) + (2 if halves else 1)),
                                   conv.out_channels, 1, bias=False)
        if total >= 4 and not halves:
            own.append(f'model.{layer}.cv2.conv')
        else:
            block.cv2.conv.weight.data.copy_(conv.weight[:, :block.cv2.conv.in_channels])
    layers = [layer for stage in STAGES.values() for layer in stage]
    randomise_norms(nn.ModuleList(model.model[layer] for layer in layers),
                    lambda: model(random_images(*SIZE)), **CALM)
    state = {f'{name}_skip.weight': model.get_submodule(name).weight for name in own}
    for key, tensor in model.state_dict().items():
        if '.bn.' in key and int(key.split('.')[1]) in layers:
            state[key.replace('.bn.', '.bn_skip.')] = tensor
    return model, state


def at_depth(full: Any, base: Any, depth: Depth) -> Any:
    """Return the reference at one depth."""
    model = copy.deepcopy(full)
    for stage, layers in STAGES.items():
        for layer in layers:
            model.model[layer] = (full if depth[stage] else base).model[layer]
    return model


@torch.no_grad()
def compare(name: str) -> bool:
    """Print the differences at every depth; return whether all are within the tolerance."""
    scale, table, outer = NETWORKS[name]
    full = build(scale, table)
    randomise_yolo(full, lambda: full(random_images(*SIZE)))
    base, second = essential(full, outer=outer)
    print(f'yolov12{scale}, {"outer" if outer else "inner"}, whole and cut')
    ours = through_a_file({**full.state_dict(), **second})
    source = random.Random(0)
    depths = [ours.depths.parse(text) for text in DEPTHS]
    depths += [ours.depths.sample(source) for _ in range(3)]
    same = True
    for dtype, tolerance in TOLERANCES.items():
        for network in (full, base, ours):
            network.to(dtype)
        for depth in depths:
            images = random_images(*SIZE).to(dtype)
            expected = predictions(at_depth(full, base, depth), outputs, images)
            logits, boxes = differences(ours(images, depth), expected)
            same &= max(logits, boxes) <= tolerance
            print(f'  {str(dtype).removeprefix("torch."):8} {depth!s:36} logits {logits:.1e}  '
                  f'boxes {boxes:.1e}', flush=True)
    return same


def main(names: list[str]) -> int:
    """Compare the named networks, all if none is named; return the exit status."""
    torch.manual_seed(0)
    results = [compare(name) for name in names or NETWORKS]
    print('equal' if all(results) else 'DIFFERENT')
    return 0 if all(results) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
