# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the full path of AnyDepth-YOLO with YOLOv12 of the `ultralytics` package.

    python test/parity/yolo_ultralytics.py [n s m l x]

Random weights and norm statistics, nothing is downloaded. The package's model is pickled whole,
as its checkpoints are, and read back by `anydepth_core` without the package. Prints the largest
difference of logits and of boxes (fractions of the longer side) in single and double precision;
exits with 1 if one is too large. README.md beside this file says how to make the environment; the
package is AGPL-3.0 and needed by nothing else here. pytest does not collect this file.
"""

from __future__ import annotations

import sys
from typing import Any

from torch import Tensor, nn
from yolo_common import Outputs, main


def build(name: str) -> nn.Module:
    """Return their network with random weights."""
    from ultralytics.nn.tasks import DetectionModel

    network: nn.Module = DetectionModel(name, nc=80, verbose=False)
    return network


def outputs(result: Any) -> Outputs:
    """Return logits and boxes of what their network returns."""
    decoded, raw = result
    return raw['scores'].transpose(1, 2), decoded[:, :4].transpose(1, 2)


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute attention with the scale on the queries."""
    scores = (query * query.shape[-1] ** -0.5) @ key.mT
    return scores.softmax(-1) @ value


if __name__ == '__main__':
    sys.exit(main({size: f'yolo12{size}.yaml' for size in 'nsmlx'}, build, outputs, attention))
