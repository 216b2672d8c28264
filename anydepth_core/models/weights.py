# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Weights on disk: one safetensors file with what is needed to rebuild and run the model.

The file holds every parameter once, under the first of its names; what two paths share is shared
again after loading. The metadata is flat text, so that any safetensors reader can show it. A file
is data from strangers: nothing in it is executed, and every field is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
import functools
import hashlib
from importlib import resources
import itertools
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
import torch
from torch import Tensor, nn

from anydepth_core.errors import AnyDepthError, WeightsError, nearest
from anydepth_core.files import whole_file
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.model_info import ModelInfo, read_metadata, write_metadata
from anydepth_core.models.registry import create_model

__all__ = ['ModelInfo', 'check_weights', 'file_hash', 'load_weights', 'packaged_weights',
           'resolve_weights', 'save_weights']

SUFFIX = '.safetensors'
FLOATS = ('F16', 'BF16', 'F32')


def save_weights(path: str | Path, model: AnyDepthModel, info: ModelInfo,
                 dtype: torch.dtype | None = None) -> None:
    """Write a model as one file, which appears whole or not at all.

    Args:
        path: where to; its folder must exist.
        model: what `create_model(info.model, len(info.class_names))` makes, with its weights.
        info: what a user of the file needs to know.
        dtype: store floating-point numbers like this (torch.float16 halves the file), but for
            tensors with a number too large for it, such as a variance; they are float32 again
            after loading.

    Raises:
        WeightsError: a weight is not finite, `info` is of another model, or the file cannot be
            written.
    """
    path = Path(path)
    if len(info.class_names) != model.num_classes:
        raise WeightsError(f'{path}: {len(info.class_names)} class names for a model of '
                           f'{model.num_classes} classes')
    tensors = {}
    for name, tensor in _stored_tensors(model).items():
        stored = tensor.detach().cpu()
        if dtype is not None and stored.is_floating_point():
            smaller = stored.to(dtype)
            stored = smaller if bool(smaller.isfinite().all()) else stored
        tensors[name] = stored.contiguous()
    _refuse_non_finite(path, tensors.items())
    with whole_file(path, WeightsError) as file:
        file.write(save(tensors, write_metadata(info)))


def load_weights(name_or_path: str | Path) -> tuple[AnyDepthModel, ModelInfo]:
    """Return the model of a weights file, on the CPU, float32, in evaluation mode, and its info.

    Args:
        name_or_path: the name of packaged weights ('scenes') or a path.

    Raises:
        WeightsError: the file is missing, damaged, not ours, of a newer schema, or does not fit
            the model it names.
    """
    path = resolve_weights(name_or_path)
    with _opened(path) as file:
        model, info = _fitting(path, file, create_model)
        expected = _stored_tensors(model)
        with torch.no_grad():
            for name, tensor in expected.items():
                tensor.copy_(file.get_tensor(name))
    _refuse_non_finite(path, expected.items())
    return model.eval(), info


def check_weights(name_or_path: str | Path) -> tuple[AnyDepthModel, ModelInfo]:
    """Return what `load_weights` would, from the head of the file alone: a model without numbers.

    It is on the device 'meta', so that no memory is taken, and belongs to all who ask: do not
    change it. It takes tenths of a second, and hundredths where the network was asked for before.
    That the numbers are finite is not known yet.

    Raises:
        WeightsError: as `load_weights`.
    """
    path = resolve_weights(name_or_path)
    with _opened(path) as file:
        return _fitting(path, file, _blank)


def packaged_weights() -> list[str]:
    """Return the names of the weights that come with the package, sorted."""
    folder = _package_folder()
    return sorted(path.stem for path in folder.glob(f'*{SUFFIX}')) if folder.is_dir() else []


def resolve_weights(name_or_path: str | Path) -> Path:
    """Return the file that a packaged name or a path means.

    Raises:
        WeightsError: there is no such file; says what there is.
    """
    names = packaged_weights()
    if str(name_or_path) in names:
        return _package_folder() / f'{name_or_path}{SUFFIX}'
    try:
        path = Path(name_or_path).expanduser()
        if path.is_file():
            return path
        if path.is_dir():
            raise WeightsError(f'weights {str(path)!r} is a folder; name the {SUFFIX} file in it')
    except (OSError, RuntimeError) as error:  # too long, not to be entered, a home of nobody
        raise WeightsError(f'weights {str(name_or_path)[:200]!r} cannot be found: '
                           f'{getattr(error, "strerror", None) or error}') from error
    hint = nearest(str(name_or_path), names)
    raise WeightsError(f'no weights {str(name_or_path)!r}{hint}; give the path of a {SUFFIX} file '
                       f'or a packaged name: {" ".join(names) or "(none is installed)"}')


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _package_folder() -> Path:
    return Path(str(resources.files('anydepth_core').joinpath('weights')))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework='pt') as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise WeightsError(f'{path}: {_damage(path)}; get the file again') from error


@functools.lru_cache(maxsize=8)
def _blank(name: str, num_classes: int) -> AnyDepthModel:
    """Return a model without numbers; making its thousands of modules is what takes time."""
    with torch.device('meta'):
        return create_model(name, num_classes)


def _fitting(path: Path, file: Any, create: Callable[[str, int], AnyDepthModel],
             ) -> tuple[AnyDepthModel, ModelInfo]:
    """Return a model for an opened file, after making sure that its tensors fit.

    Args:
        path: of the file, for messages.
        file: the opened file.
        create: makes the model from its name and number of classes.
    """
    info = read_metadata(path, file.metadata())
    try:
        model = create(info.model, len(info.class_names))
    except AnyDepthError as error:
        raise WeightsError(f'{path}: {error}') from error
    info.require_stride(path, model.stride)
    parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    _refuse_other_shapes(path, info, _stored_tensors(model), {
        name: (tuple(part.get_shape()), part.get_dtype()) for name, part in parts.items()})
    return model, info


def _stored_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return each parameter and each persistent buffer once, under the first of its names."""
    persistent = model.state_dict().keys()
    every = itertools.chain(model.named_parameters(), model.named_buffers())
    return {name: tensor for name, tensor in every if name in persistent}


def _refuse_other_shapes(path: Path, info: ModelInfo, expected: dict[str, Tensor],
                         found: dict[str, tuple[tuple[int, ...], str]]) -> None:
    """Raise WeightsError unless the file has exactly the expected names, shapes and kinds."""
    what = f'{path}: does not fit {info.model!r} with {len(info.class_names)} classes'
    missing = [name for name in expected if name not in found]
    if missing:
        raise WeightsError(f'{what}: {len(missing)} tensors are missing, {missing[0]!r} first')
    surplus = sorted(found.keys() - expected.keys())
    if surplus:
        raise WeightsError(f'{what}: {len(surplus)} tensors too many, {surplus[0]!r} first')
    for name, tensor in expected.items():
        shape, kind = found[name]
        if shape != tuple(tensor.shape):
            raise WeightsError(f'{what}: {name!r} has shape {list(shape)}, '
                               f'expected {list(tensor.shape)}')
        if (kind in FLOATS) != tensor.is_floating_point():
            raise WeightsError(f'{what}: {name!r} holds {kind}, expected {tensor.dtype}')


def _refuse_non_finite(path: Path, tensors: Iterable[tuple[str, Tensor]]) -> None:
    for name, tensor in tensors:
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise WeightsError(f'{path}: {name!r} holds numbers that are not finite (a training '
                               'that diverged, or too large for the stored type)')


def _damage(path: Path) -> str:
    """Say what a file that safetensors refuses probably is."""
    try:
        with path.open('rb') as file:
            head = file.read(24)
    except OSError as error:
        return f'cannot be read ({error.strerror})'
    if head.startswith((b'PK\x03\x04', b'\x80\x02')):
        return "is a PyTorch pickle, which is never executed; 'anydepth convert' imports it"
    if head.startswith(b'version https://git-lfs'):
        return "is a Git LFS pointer; 'git lfs pull' brings the weights"
    return 'is truncated, damaged or no safetensors file'
