# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Other people's checkpoints as named tensors, whatever container holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from anydepth_core.errors import WeightsError
from anydepth_core.models.pickles import (
    Record,
    TorchZip,
    module_records,
    tensor_record,
)

MAX_CONFIG_BYTES = 4 << 20
COCO_NAMES = (
    'person', 'bicycle', 'car', 'motorcycle', 'airplane', 'bus', 'train', 'truck', 'boat',
    'traffic light', 'fire hydrant', 'stop sign', 'parking meter', 'bench', 'bird', 'cat',
    'dog', 'horse', 'sheep', 'cow', 'elephant', 'bear', 'zebra', 'giraffe', 'backpack',
    'umbrella', 'handbag', 'tie', 'suitcase', 'frisbee', 'skis', 'snowboard', 'sports ball',
    'kite', 'baseball bat', 'baseball glove', 'skateboard', 'surfboard', 'tennis racket',
    'bottle', 'wine glass', 'cup', 'fork', 'knife', 'spoon', 'bowl', 'banana', 'apple',
    'sandwich', 'orange', 'broccoli', 'carrot', 'hot dog', 'pizza', 'donut', 'cake', 'chair',
    'couch', 'potted plant', 'bed', 'dining table', 'toilet', 'tv', 'laptop', 'mouse',
    'remote', 'keyboard', 'cell phone', 'microwave', 'oven', 'toaster', 'sink', 'refrigerator',
    'book', 'clock', 'vase', 'scissors', 'teddy bear', 'hair drier', 'toothbrush',
)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds that matters here.

    Attributes:
        path: the file.
        tensors: weights by the names of whoever wrote it; floating-point numbers are float32.
        class_names: in the order of the labels; None where the file does not say.
        licence: what the file says of its licence; '' for nothing.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    class_names: tuple[str, ...] | None = None
    licence: str = ''


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Return the tensors of a safetensors file or a PyTorch checkpoint, executing nothing in it.

    Averaged weights (`ema`) are preferred to those of the last step (`model`).

    Raises:
        WeightsError: missing, truncated, unsafe, or without tensors.
    """
    path = Path(path).expanduser()
    try:
        if path.suffix == '.safetensors':
            checkpoint = Checkpoint(path, load_file(path), _names_beside(path))
        else:
            checkpoint = _from_archive(TorchZip(path))
    except OSError as error:
        raise WeightsError(f'cannot read {path}: {error.strerror}') from error
    except SafetensorError as error:
        raise WeightsError(f'{path}: truncated, damaged or no safetensors file') from error
    size = path.stat().st_size
    # Tensors may be views of each other's numbers, so a small file may claim to hold a lot.
    if sum(tensor.numel() * tensor.element_size() for tensor in checkpoint.tensors.values()) > (
            2 * size + 1024):
        raise WeightsError(f'{path}: claims to hold more numbers than the file has')
    tensors = {key: tensor.float() if tensor.is_floating_point() else tensor
               for key, tensor in checkpoint.tensors.items()}
    return Checkpoint(path, tensors, checkpoint.class_names, checkpoint.licence)


def _from_archive(archive: TorchZip) -> Checkpoint:
    """Return the first set of weights in a PyTorch checkpoint."""
    path, content = archive.path, archive.records()
    outer = content if isinstance(content, Mapping) else {}
    averaged = outer.get('ema')
    inner = averaged.get('module') if isinstance(averaged, Mapping) else None
    for node in (inner, averaged, outer.get('model'), outer.get('state_dict'), content):
        tensors = _tensors(node, archive)
        if tensors:
            names = node.state.get('names') if isinstance(node, Record) else outer.get('names')
            licence = outer.get('license')
            return Checkpoint(path, tensors, _class_names(names),
                              licence if isinstance(licence, str) else '')
    raise WeightsError(f'{path}: a PyTorch file without weights (no state dict and no module)')


def _tensors(node: Any, archive: TorchZip) -> dict[str, Tensor]:
    """Return the tensors of a state dict or of a recorded module; nothing for anything else."""
    records: dict[str, Record] = {}
    try:
        if isinstance(node, Record) and '_modules' in node.state:
            records = module_records(node)
        elif isinstance(node, Mapping):
            pairs = ((key, tensor_record(key, value)) for key, value in node.items()
                     if isinstance(key, str))
            records = {key: record for key, record in pairs if record is not None}
    except WeightsError as error:
        raise WeightsError(f'{archive.path}: {error}') from None
    found = {key: archive.tensor(record) for key, record in records.items()}
    if found and all(key.startswith('module.') for key in found):
        return {key.removeprefix('module.'): tensor for key, tensor in found.items()}
    return found


def _class_names(names: Any) -> tuple[str, ...] | None:
    """Return class names from a list, or from a mapping of 0, 1, 2, … to them."""
    if isinstance(names, Mapping):
        try:
            numbered = {int(label): name for label, name in names.items()}
        except (TypeError, ValueError):
            return None
        names = [numbered.get(label) for label in range(len(numbered))]
    if not isinstance(names, list | tuple) or not names:
        return None
    return tuple(names) if all(isinstance(name, str) for name in names) else None


def _names_beside(path: Path) -> tuple[str, ...] | None:
    """Return the class names of the config.json that Hugging Face puts beside the weights."""
    config = path.with_name('config.json')
    try:
        if config.stat().st_size > MAX_CONFIG_BYTES:
            return None
        content = json.loads(config.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError):
        return None
    return _class_names(content.get('id2label')) if isinstance(content, dict) else None
