# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One process or many: what torchrun tells a training process, and what the processes agree on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
from dataclasses import dataclass
from datetime import timedelta
import os

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from anydepth_core.errors import RecipeError

PATIENCE = timedelta(hours=2)  # the first process evaluates while the others wait


@dataclass(frozen=True)
class World:
    """This process among those of a run.

    Attributes:
        rank: number of this process, from 0; number 0 writes files and evaluates.
        size: how many processes there are.
        device: where this process computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and evaluates."""
        return self.rank == 0

    def wrap(self, step: nn.Module, *, all_used: bool) -> nn.Module:
        """Return the step so that its gradients are averaged over the processes.

        Args:
            step: maps a batch to the terms of its loss.
            all_used: every trained parameter takes part in every loss.
        """
        if self.size == 1:
            return step
        devices = [self.device] if self.device.type == 'cuda' else None
        return DistributedDataParallel(step, devices, find_unused_parameters=not all_used)

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return, for each flag, whether it is set in any process."""
        if self.size == 1:
            return flags
        votes = torch.tensor(flags, dtype=torch.int32, device=self.device)
        distributed.all_reduce(votes, op=distributed.ReduceOp.MAX)
        return tuple(bool(vote) for vote in votes)

    def from_first(self, numbers: Sequence[float]) -> list[float]:
        """Return the first process's numbers in every process, once all are here."""
        if self.size == 1:
            return list(numbers)
        shared = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, src=0)
        return shared.tolist()


@contextlib.contextmanager
def join_world(device: str) -> Iterator[World]:
    """Join the processes that torchrun started, or be the only one.

    Args:
        device: 'auto', 'cpu', 'cuda' or 'cuda:N', as in a recipe.

    Raises:
        RecipeError: CUDA is asked for and not there.
    """
    size, rank = int(os.environ.get('WORLD_SIZE', '1')), int(os.environ.get('RANK', '0'))
    local = int(os.environ.get('LOCAL_RANK', '0'))
    world = World(rank, size, _device(device, local if size > 1 else None))
    if world.device.type == 'cuda':
        torch.cuda.set_device(world.device)
    if size == 1:
        yield world
        return
    backend = 'nccl' if world.device.type == 'cuda' else 'gloo'
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield world
    finally:
        distributed.destroy_process_group()


def _device(name: str, local: int | None) -> torch.device:
    present = torch.cuda.is_available()
    if name.startswith('cuda') and not present:
        raise RecipeError(f'device: {name} is asked for, but torch {torch.__version__} sees no '
                          'CUDA device; use device=cpu')
    if name == 'cpu' or not present:
        return torch.device('cpu')
    if local is not None:
        return torch.device('cuda', local)
    return torch.device(name if ':' in name else 'cuda:0')
