# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Non-maximum suppression: torchvision's compiled operator, without the rest of torchvision.

`import torchvision` brings in PyTorch's compiler, which is a fifth of the time in which a node
starts; finding the package does not.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

Suppress = Callable[[Tensor, Tensor, float], Tensor]


def load_nms() -> Suppress:
    """Return the operator: (N, 4) corners, (N,) scores, most overlap to indices of those kept.

    Raises:
        ImportError: torchvision is not there, or was built for another PyTorch.
    """
    spec = find_spec('torchvision')
    folders = (spec and spec.submodule_search_locations) or ()
    with suppress(OSError, AttributeError):
        # '_C' in some releases, '_C_stable' in others.
        for library in (path for folder in folders for path in Path(folder).glob('_C*.so')):
            torch.ops.load_library(str(library))
        return cast(Suppress, torch.ops.torchvision.nms.default)
    from torchvision.ops import nms  # where it keeps its operators elsewhere
    return cast(Suppress, nms)


nms = load_nms()
