# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Importing checkpoints of other people's detectors into ours.

What a file is (which detector, layout, size, how many classes) is recognised from its tensors.
A single-depth checkpoint starts both paths of every stage: norms are copied into both, and an
essential path's own aggregator gets the columns of the blocks it runs. Every key is accounted for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import fnmatch
import functools
from pathlib import Path
import re
from typing import Literal

import torch
from torch import Tensor, nn

from anydepth_core.errors import WeightsError
from anydepth_core.models.base import AnyDepthModel
from anydepth_core.models.checkpoints import COCO_NAMES, Checkpoint, read_checkpoint
from anydepth_core.models.model_info import ModelInfo
from anydepth_core.models.registry import create_model, list_models
from anydepth_core.models.rtdetr import importers as rtdetr
from anydepth_core.models.yolo import importers as yolo

__all__ = ['FORMATS', 'Format', 'Report', 'import_weights', 'plan_import', 'read_checkpoint']

KeyMap = Callable[[str], tuple[str, ...] | None]
INPUT_SIZE = (640, 640)
COUNTER = '.num_batches_tracked'


@dataclass(frozen=True)
class Format:
    """One kind of checkpoint.

    Attributes:
        title: its name for people.
        signature: matches a key that this kind has; the first format of FORMATS to match is it.
        class_bias: matches the key of a tensor with one number per class.
        models: shell patterns of the registered models it may hold.
        key_map: makes, for a model, the map from its keys to ours.
        resize: how its detector wants images resized.
        prepare: joins or splits tensors before the keys are mapped.
    """

    title: str
    signature: str
    class_bias: str
    models: tuple[str, ...]
    key_map: Callable[[nn.Module], KeyMap]
    resize: Literal['letterbox', 'stretch']
    prepare: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict


YOLO_CLASSES = r'(model\.)*21\.cv3\.0\.2\.bias'
FORMATS = (
    Format("AnyDepth-YOLO (the AnyDepth authors')", r'(model\.)*3\.bn_skip\.weight', YOLO_CLASSES,
           ('anydepth-yolo-?', 'anydepth-yolo-?-outer'), yolo.authors_keys, 'letterbox'),
    Format('YOLOv12 (turbo layout)', r'(model\.)*6\.m\.0\.0\.attn\.qk\.conv\.weight',
           YOLO_CLASSES, ('anydepth-yolo-?-turbo',), yolo.single_depth_keys, 'letterbox'),
    Format('YOLOv12 (Ultralytics layout)', r'(model\.)*6\.m\.0\.0\.attn\.qkv\.conv\.weight',
           YOLO_CLASSES, ('anydepth-yolo-?-ultralytics',), yolo.single_depth_keys, 'letterbox'),
    Format("AnyDepth-DETR (the AnyDepth authors')",
           r'encoder\.lateral_convs\.0\.norm_skippable\.weight', r'decoder\.enc_score_head\.bias',
           ('anydepth-detr-*',), rtdetr.authors_keys, 'stretch'),
    Format('RT-DETR (official)', r'decoder\.dec_score_head\.0\.bias',
           r'decoder\.enc_score_head\.bias', ('anydepth-detr-*',), rtdetr.official_keys,
           'stretch'),
    Format('RT-DETR (Hugging Face)', r'model\.enc_score_head\.bias',
           r'model\.enc_score_head\.bias', ('anydepth-detr-*',), rtdetr.hugging_face_keys,
           'stretch', rtdetr.join_attention),
)


@dataclass(frozen=True)
class Report:
    """How a checkpoint fits a model; every key of both is in one of the lists.

    Attributes:
        path: the checkpoint.
        format: what kind it is.
        model: registered name of the model it was compared with.
        num_classes: number of classes it scores.
        matched: our key to the key it gets its numbers from.
        columns: those keys of ours that get only the first columns of a wider weight.
        missing: our keys that nothing gives a value.
        misfits: one line per tensor that has another shape or type than expected.
        left_over: the checkpoint's keys that the model has no place for.
        not_weights: the checkpoint's keys that hold no weights of the network.
    """

    path: Path
    format: Format
    model: str
    num_classes: int
    matched: Mapping[str, str]
    columns: frozenset[str]
    missing: tuple[str, ...]
    misfits: tuple[str, ...]
    left_over: tuple[str, ...]
    not_weights: tuple[str, ...]

    @property
    def problems(self) -> int:
        """How many keys do not fit."""
        return len(self.missing) + len(self.misfits) + len(self.left_over)

    def __str__(self) -> str:
        """Return every key, one a line, under a heading for each list."""
        lines = [f'{self.path}: {self.format.title}, {self.num_classes} classes, as {self.model}',
                 f'matched ({len(self.matched)}):']
        for ours, theirs in self.matched.items():
            part = ' (first columns)' if ours in self.columns else ''
            lines.append(f'  {theirs} -> {ours}{part}')
        for heading, keys in (('missing', self.missing), ('misfits', self.misfits),
                              ('left over', self.left_over), ('not weights', self.not_weights)):
            lines += [f'{heading} ({len(keys)}):', *(f'  {key}' for key in keys)]
        return '\n'.join(lines)

    def refusal(self) -> str:
        """Return in one line why the checkpoint does not fit."""
        reasons = [f'{len(keys)} {what}, {keys[0]!r} first' for what, keys in (
            ('missing', self.missing), ('of another shape', self.misfits),
            ('left over', self.left_over)) if keys]
        known = ' '.join(_candidates(self.format))
        return (f'{self.path}: {self.format.title} checkpoint does not fit {self.model} with '
                f'{self.num_classes} classes: {"; ".join(reasons)}; expected one of {known}')


def plan_import(checkpoint: Checkpoint, model: str | None = None) -> Report:
    """Return how a checkpoint fits `model`, or the registered model that it fits best.

    Raises:
        WeightsError: of no known kind, or it fits several models and none was named.
    """
    keys = checkpoint.tensors
    found = next((form for form in FORMATS
                  if any(re.fullmatch(form.signature, key) for key in keys)), None)
    if found is None:
        raise WeightsError(f'{checkpoint.path}: weights of no detector known here; expected one '
                           f'of {", ".join(form.title for form in FORMATS)}')
    tensors = found.prepare(checkpoint.tensors)
    classes = next((len(tensor) for key, tensor in tensors.items() if tensor.ndim == 1
                    and re.fullmatch(found.class_bias, key)), 0)
    if not classes:
        raise WeightsError(f'{checkpoint.path}: {found.title} checkpoint without a class head '
                           f'(no tensor {found.class_bias.replace(chr(92), "")})')
    names = [model] if model else _candidates(found)
    reports = [_compare(checkpoint.path, found, tensors, name, classes) for name in names]
    fitting = [report.model for report in reports if not report.problems]
    if len(fitting) > 1:
        raise WeightsError(f'{checkpoint.path}: fits several models ({", ".join(fitting)}); '
                           'name one with --model')
    return min(reports, key=lambda report: report.problems)


def import_weights(checkpoint: Checkpoint, report: Report, *,
                   class_names: tuple[str, ...] | None = None, licence: str | None = None,
                   allow_left_over: bool = False) -> tuple[AnyDepthModel, ModelInfo]:
    """Return the model with the checkpoint's weights, in evaluation mode, and its info.

    Args:
        checkpoint: what `read_checkpoint` returned.
        report: what `plan_import` returned for it.
        class_names: names of the classes; by default the checkpoint's, or COCO's for 80 classes.
        licence: of the weights; by default what the checkpoint says.
        allow_left_over: accept keys that the model has no place for.

    Raises:
        WeightsError: a weight is missing, misfits or is left over, or the classes have no names.
    """
    if report.missing or report.misfits or (report.left_over and not allow_left_over):
        raise WeightsError(report.refusal())
    info = ModelInfo(
        model=report.model, class_names=_class_names(checkpoint, report, class_names),
        input_size=INPUT_SIZE, resize=report.format.resize,
        licence=checkpoint.licence if licence is None else licence,
        description=f'imported from {checkpoint.path.name}: {report.format.title}',
        created_by='anydepth convert')
    model = create_model(report.model, report.num_classes)
    tensors = report.format.prepare(checkpoint.tensors)
    state = model.state_dict()
    with torch.no_grad():
        for ours, theirs in report.matched.items():
            source = tensors[theirs]
            if ours in report.columns:
                source = source[:, :state[ours].shape[1]]
            state[ours].copy_(source.reshape(state[ours].shape))
    return model.eval(), info


def _candidates(form: Format) -> list[str]:
    return [name for name in list_models()
            if any(fnmatch.fnmatch(name, pattern) for pattern in form.models)]


@functools.lru_cache
def _shapes_of(name: str, classes: int) -> AnyDepthModel:
    with torch.device('meta'):
        return create_model(name, classes)


def _compare(path: Path, form: Format, tensors: Mapping[str, Tensor], name: str, classes: int,
             ) -> Report:
    """Return how the tensors fit one model, without memory for its weights."""
    model = _shapes_of(name, classes)
    expected = model.state_dict()
    key_map = form.key_map(model)
    exact: dict[str, str] = {}
    columns: dict[str, str] = {}
    misfits, left_over, not_weights = [], [], []
    for key, tensor in tensors.items():
        targets = key_map(key)
        known = [target for target in targets or () if target in expected]
        if targets is None or (not known and key.endswith(COUNTER)):
            not_weights.append(key)
        elif not known:
            left_over.append(key)
        for target in known:
            if _fits(tensor, expected[target]):
                if target in exact and not tensor.equal(tensors[exact[target]]):
                    misfits.append(f'{key}: not equal to {exact[target]}, the same weight')
                exact[target] = key
            elif _has_columns_of(tensor, expected[target]) and '.essential.' in target:
                columns[target] = key
            else:
                misfits.append(f'{key}: {tensor.dtype} {list(tensor.shape)}, expected '
                               f'{expected[target].dtype} {list(expected[target].shape)}')
    matched = {target: exact.get(target) or columns[target] for target in expected
               if target in exact or target in columns}
    missing = tuple(target for target in expected
                    if target not in matched and not target.endswith(COUNTER))
    return Report(path, form, name, classes, matched, frozenset(columns.keys() - exact.keys()),
                  missing, tuple(dict.fromkeys(misfits)), tuple(left_over), tuple(not_weights))


def _fits(tensor: Tensor, expected: Tensor) -> bool:
    """Return whether a tensor is the expected one, but for dimensions of size one."""
    return (tensor.is_floating_point() == expected.is_floating_point()
            and (tensor.shape == expected.shape
                 or tensor.squeeze().shape == expected.squeeze().shape))


def _has_columns_of(tensor: Tensor, expected: Tensor) -> bool:
    """Return whether `expected` is a 1x1 convolution's weight and `tensor` a wider one."""
    return (tensor.ndim == expected.ndim == 4 and tensor.is_floating_point()
            and expected.shape[2:] == tensor.shape[2:] == (1, 1)
            and tensor.shape[0] == expected.shape[0] and tensor.shape[1] > expected.shape[1])


def _class_names(checkpoint: Checkpoint, report: Report, given: tuple[str, ...] | None,
                 ) -> tuple[str, ...]:
    names = given or checkpoint.class_names
    if names is None and report.num_classes == len(COCO_NAMES):
        return COCO_NAMES
    if names is None:
        raise WeightsError(f'{checkpoint.path}: does not name its {report.num_classes} classes; '
                           'give a file with --classes, one name a line')
    if len(names) != report.num_classes:
        raise WeightsError(f'{checkpoint.path}: scores {report.num_classes} classes, but '
                           f'there are names for {len(names)}; give a file with --classes')
    return names
