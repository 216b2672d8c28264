# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The central abstraction: a stage is two ordinary paths that share their convolutions.

Built twice from one class with different block counts and tied, a stage has, without any special
block, the paper's switchable normalisation (section 3.2.3: the norms are simply not shared) and
its switchable aggregator (section 3.2.2: a weight of another shape is not shared either).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torchvision.ops import FrozenBatchNorm2d

NORMS = (nn.BatchNorm2d, nn.LayerNorm, FrozenBatchNorm2d)


class TwoPathStage(nn.Module):
    """A stage as two ordinary modules that share every convolution and no normalisation.

    Args:
        full: the full path (essential blocks and refinement).
        essential: the same kind of module with fewer blocks. Every parameter of it that has the
            name and shape of one in `full` becomes that one, except in norms. A norm that a module
            lists in its `shared_norms` is one object in both paths.

    Raises:
        ValueError: no parameter could be tied, so the two are not paths of one stage.
    """

    def __init__(self, full: nn.Module, essential: nn.Module) -> None:
        super().__init__()
        self.full = full
        self.essential = essential
        tie_paths(full, essential)

    def forward(self, *inputs: Any, full: bool) -> Any:
        """Run one of the two paths on the same inputs; both return the same shapes."""
        return self.full(*inputs) if full else self.essential(*inputs)


def tie_paths(full: nn.Module, essential: nn.Module) -> None:
    """Make `essential` use the parameters of `full` where name and shape agree, but for norms."""
    full_modules = dict(full.named_modules())
    tied = 0
    for name, module in list(essential.named_modules()):
        twin = full_modules.get(name)
        if twin is None or isinstance(module, NORMS):
            continue
        for key, parameter in list(module.named_parameters(recurse=False)):
            other = twin._parameters.get(key)
            if other is not None and other.shape == parameter.shape:
                setattr(module, key, other)
                tied += 1
        for key in getattr(module, 'shared_norms', ()):
            setattr(module, key, getattr(twin, key))
    if not tied:
        raise ValueError('the two paths have no parameter in common')


def two_paths(build: Callable[[bool], nn.Module]) -> TwoPathStage:
    """Return the stage whose paths are ``build(True)`` (full) and ``build(False)`` (essential)."""
    return TwoPathStage(build(True), build(False))


def share_norms(model: nn.Module) -> None:
    """Make, in place, every norm of an essential path the full path's own, if of equal shape.

    Undoes the paper's switchable normalisation (section 3.2.3), to measure what it is worth.
    """
    for stage in [module for module in model.modules() if isinstance(module, TwoPathStage)]:
        full_modules = dict(stage.full.named_modules())
        for name, norm in list(stage.essential.named_modules()):
            twin = full_modules.get(name)
            if twin is not None and isinstance(norm, NORMS) and _shapes(norm) == _shapes(twin):
                stage.essential.set_submodule(name, twin)


def _shapes(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(tensor.shape)) for name, tensor in module.state_dict().items()]
