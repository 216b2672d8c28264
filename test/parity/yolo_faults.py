# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Show that the YOLO parity checks would see a mistake: make every mistake and look.

    python test/parity/yolo_faults.py [anydepth-yolo-n-turbo ...]

Takes our network with the same kind of random weights as the checks and makes, in one place after
the other of the full path, the mistakes that an implementation makes: a norm left out, a norm with
another epsilon, an activation left out, queries and keys exchanged, ... Prints for each kind how
much it changes logits or boxes, and in how many places that is more than the checks allow in
single precision; exits with 1 if anywhere it is not far more than they allow in double precision.
Needs nothing but this package; pytest does not collect it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import sys
from unittest import mock

from networks import random_images, randomise_yolo
import torch
from torch import Tensor, nn
from yolo_common import TOLERANCES, differences

from anydepth_core.models import create_model
from anydepth_core.nn.attention import AreaAttention
from anydepth_core.nn.conv import ConvNorm
from anydepth_core.nn.csp import Bottleneck, C3k, Csp

SIZE = (1, 128, 128)
# What single precision, in which this runs, tells from nothing.
LEAST = 1e4 * TOLERANCES[torch.float64]
MODELS = ('anydepth-yolo-n-ultralytics', 'anydepth-yolo-n-turbo', 'anydepth-yolo-l-turbo')
Fault = contextlib.AbstractContextManager[object]


def norm_left_out(norm: nn.Module) -> Fault:
    """Let a norm pass its input on."""
    return mock.patch.object(norm, 'forward', lambda x: x)


def other_epsilon(norm: nn.Module) -> Fault:
    """Give a norm PyTorch's epsilon instead of the family's."""
    return mock.patch.object(norm, 'eps', 1e-5)


def activation_left_out(block: nn.Module) -> Fault:
    """Take the activation of a convolution away."""
    return mock.patch.object(block.activation, 'forward', lambda x: x)


@contextlib.contextmanager
def halves_exchanged(block: nn.Module) -> Iterator[None]:
    """Exchange the two halves of a C3k."""
    parts = block._modules
    parts['conv1'], parts['conv2'] = parts['conv2'], parts['conv1']
    yield
    parts['conv1'], parts['conv2'] = parts['conv2'], parts['conv1']


def queries_for_keys(attention: nn.Module) -> Fault:
    """Exchange queries and keys."""
    right = attention._query_key_value

    def wrong(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = right(x)
        return key, query, value

    return mock.patch.object(attention, '_query_key_value', wrong)


def values_for_keys(attention: nn.Module) -> Fault:
    """Exchange values and keys."""
    right = attention._query_key_value

    def wrong(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = right(x)
        return query, value, key

    return mock.patch.object(attention, '_query_key_value', wrong)


def no_scale(attention: nn.Module) -> Fault:
    """Leave out the division by the root of the head's width, by undoing it on the queries."""
    right = attention._query_key_value

    def wrong(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = right(x)
        return query * 32 ** 0.5, key, value

    return mock.patch.object(attention, '_query_key_value', wrong)


def other_areas(attention: nn.Module) -> Fault:
    """Attend globally instead of in four areas, and the other way round."""
    return mock.patch.object(attention, 'areas', 5 - attention.areas)


def no_position(attention: nn.Module) -> Fault:
    """Leave out the positional branch."""
    return mock.patch.object(attention.position, 'forward', lambda x: 0)


def no_addition(block: nn.Module) -> Fault:
    """Leave out what a bottleneck adds to its input."""
    return mock.patch.object(block.conv2, 'forward', lambda x: 0)


def no_residual(block: nn.Module) -> Fault:
    """Leave out the input that an attention stage adds."""
    return mock.patch.object(block, 'forward', lambda x: Csp.forward(block, x) - x)


def places(model: nn.Module) -> Iterator[tuple[Callable[[nn.Module], Fault], list[nn.Module]]]:
    """Return each kind of fault with the modules of the full path that can have it."""
    modules = [module for name, module in model.named_modules() if '.essential.' not in name]

    def kind(*kinds: type[nn.Module]) -> list[nn.Module]:
        return [module for module in modules if isinstance(module, kinds)]

    norms, attention = kind(nn.BatchNorm2d), kind(AreaAttention)
    yield norm_left_out, norms
    yield other_epsilon, norms
    yield activation_left_out, [x for x in kind(ConvNorm) if x.activation is not None]
    yield halves_exchanged, kind(C3k)
    yield no_addition, kind(Bottleneck)
    for fault in (queries_for_keys, values_for_keys, no_scale, other_areas, no_position):
        yield fault, attention
    residual = [x for x in kind(Csp) if x.gamma is not None]
    if residual:
        yield no_residual, residual


@torch.inference_mode()
def check(name: str) -> bool:
    """Print how each fault shows in one network; return whether all show everywhere."""
    torch.manual_seed(0)
    model, images = create_model(name), random_images(*SIZE)
    randomise_yolo(model, lambda: model(images, 'full'))
    expected = model(images, 'full')
    print(f'{name}: logits of standard deviation {expected.logits.std(1).mean():.2f}')
    seen = True
    for fault, modules in places(model):
        changes = []
        for module in modules:
            with fault(module):
                changes.append(max(differences(model(images, 'full'), expected)))
        assert max(differences(model(images, 'full'), expected)) == 0
        seen &= min(changes) >= LEAST
        shown = sum(change > TOLERANCES[torch.float32] for change in changes)
        print(f'  {fault.__name__:20} least {min(changes):.1e}  most {max(changes):.1e}  '
              f'{shown} of {len(changes)} seen in float32', flush=True)
    return seen


if __name__ == '__main__':
    results = [check(name) for name in sys.argv[1:] or MODELS]
    print('every fault is seen' if all(results) else 'A FAULT IS HIDDEN')
    sys.exit(not all(results))
