# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What sums over objects are divided by, when several processes share a batch."""

from __future__ import annotations

from torch import Tensor, distributed


def mean_over_ranks(amount: Tensor) -> Tensor:
    """Return the mean of a tensor over the ranks of a distributed run; without one, the tensor.

    Every rank must call it equally often and in the same order. No gradient flows through it.
    """
    amount = amount.detach()
    if ranks() == 1:
        return amount
    total = amount.clone()
    distributed.all_reduce(total)
    return total / ranks()


def normaliser(amount: Tensor) -> Tensor:
    """Return what to divide a loss by, given this rank's amount of objects.

    The mean over ranks, of at least one object in the whole batch. A sum over one rank's objects
    divided by it gives, once the ranks' gradients are averaged, exactly the gradient of one
    process that has the whole batch.
    """
    return mean_over_ranks(amount).clamp(min=1 / ranks())


def ranks() -> int:
    """Return how many processes share the batch."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1
