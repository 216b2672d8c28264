# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Writers of checkpoints as other people's software makes them, for the tests of the importers."""

from __future__ import annotations

import re
import sys
import types

import torch
from torch import Tensor, nn

from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.yolo.importers import LAYERS

PACKAGE = 'ultralytics'
MODULES = (PACKAGE, f'{PACKAGE}.nn', f'{PACKAGE}.nn.tasks')


def randomised(model: AnyDepthModel, seed: int = 0) -> AnyDepthModel:
    """Return the model with random norms, different in every path."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


def yolo_name(ours: str, *, any_depth: bool) -> str | None:
    """Return what the others call our weight; None for what they do not store.

    Written from the layer table, independently of the importer's rules.
    """
    essential = '.essential.' in ours
    name = re.sub(r'\.(full|essential)(?=\.|$)', '', ours)
    if name.startswith('head.'):
        return _head_name(name)
    prefixes = {value.replace('.PATH', ''): key for key, value in LAYERS.items()}
    prefix = max((p for p in prefixes if name.startswith(f'{p}.')), key=len)
    rest = name[len(prefix) + 1:]
    second = essential and any_depth
    for mine, theirs in (('enter', 'cv1'), ('norm', 'bn_skip' if second else 'bn'),
                         ('query_key_value', 'qkv'), ('query_key', 'qk'), ('value', 'v'),
                         ('position', 'pe'), ('project', 'proj'), ('attention', 'attn'),
                         ('conv1', 'cv1'), ('conv2', 'cv2'), ('blocks', 'm')):
        rest = re.sub(rf'\b{mine}\b', theirs, rest)
    rest = re.sub(r'^aggregate\b', 'cv2', rest)
    rest = re.sub(r'\baggregate\b', 'cv3', rest)
    return f'model.{prefixes[prefix]}.{rest}'


def _head_name(name: str) -> str:
    if name == 'head.distances':
        return 'model.21.dfl.conv.weight'
    _, branch, level, layer, rest = name.split('.', 4)
    if branch == 'box':
        return f'model.21.cv2.{level}.{layer}.{rest.replace("norm", "bn")}'
    place = {'0': '0.0', '1': '0.1', '2': '1.0', '3': '1.1', '4': '2'}[layer]
    return f'model.21.cv3.{level}.{place}.{rest.replace("norm", "bn")}'


def yolo_state(model: AnyDepthModel, *, any_depth: bool = False) -> dict[str, Tensor]:
    """Return the state dict that holds the full paths of our model, or both, under their names."""
    state: dict[str, Tensor] = {}
    shapes = model.state_dict()
    for ours, tensor in shapes.items():
        essential = '.essential.' in ours
        theirs = yolo_name(ours, any_depth=any_depth)
        if not essential:
            state[theirs] = tensor.reshape(1, 16, 1, 1) if 'dfl' in theirs else tensor
        elif any_depth and '.norm.' in ours:
            state[theirs] = tensor
        elif any_depth and shapes[ours.replace('.essential.', '.full.')].shape != tensor.shape:
            state[theirs.replace('.conv.', '.conv_skip.')] = tensor
    return state


def module_tree(state: dict[str, Tensor], names: dict[int, str]) -> nn.Module:
    """Return nested modules of classes that only this process has, holding a state dict.

    Call `forget_package` after pickling them.
    """
    for name in MODULES:
        sys.modules[name] = types.ModuleType(name)
    block = type('Block', (nn.Module,), {'__module__': MODULES[-1]})
    root_class = type('DetectionModel', (nn.Module,), {'__module__': MODULES[-1]})
    sys.modules[MODULES[-1]].Block = block
    sys.modules[MODULES[-1]].DetectionModel = root_class
    root = root_class()
    root.names = names
    root.stride = torch.tensor([8.0, 16.0, 32.0])
    for key, tensor in state.items():
        *path, last = key.split('.')
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, block())
            module = module._modules[part]
        if last in ('running_mean', 'running_var', 'num_batches_tracked'):
            module.register_buffer(last, tensor)
        else:
            module.register_parameter(last, nn.Parameter(tensor.detach(), requires_grad=False))
    return root


def forget_package() -> None:
    """Remove the made-up package, so that nothing can find its classes any more."""
    for name in MODULES:
        sys.modules.pop(name, None)
