# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the full path of AnyDepth-YOLO with the YOLOv12 authors' own network (turbo layout).

    PYTHONPATH=CHECKOUT python test/parity/yolo_turbo.py [n s m l x]

CHECKOUT is a copy of the authors' repository (sunsmarterjie/yolov12), which brings its own
`ultralytics` package. Otherwise as yolo_ultralytics.py; AGPL-3.0, needed by nothing else here.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn
from yolo_common import Outputs, main


def build(name: str) -> nn.Module:
    """Return their network with random weights."""
    from ultralytics.nn.tasks import DetectionModel

    network: nn.Module = DetectionModel(name, nc=80, verbose=False)
    return network


def outputs(result: Any) -> Outputs:
    """Return logits and boxes of what their network returns."""
    decoded, maps = result
    logits = torch.cat([x.flatten(2)[:, 64:] for x in maps], dim=2)
    return logits.transpose(1, 2), decoded[:, :4].transpose(1, 2)


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute attention with the scale on the products and the softmax in steps."""
    scores = query @ key.mT * query.shape[-1] ** -0.5
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return (powers / powers.sum(-1, keepdim=True)) @ value


if __name__ == '__main__':
    sys.exit(main({size: f'yolov12{size}.yaml' for size in 'nsmlx'}, build, outputs, attention))
