# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a weights file says about itself, and its form as flat text metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import json
from pathlib import Path
import reprlib
from typing import Any, Literal, cast

from anydepth_core.errors import WeightsError
from anydepth_core.texts import CLASS_NAME_RULE, is_class_name

FORMAT = 'anydepth'
SCHEMA_VERSION = 1
MAX_CLASSES = 65_535
MAX_SIDE = 4096
MAX_TEXT = 2_000
RESIZES = ('letterbox', 'stretch')


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What is needed to rebuild a model, to feed it and to name what it finds.

    Attributes:
        model: registered name, for `create_model`.
        class_names: one name per class, in the order of the labels.
        input_size: (height, width) in pixels the model was trained for.
        resize: how an image becomes that size: 'letterbox' keeps the aspect ratio and pads,
            'stretch' does not.
        licence: of the weights, an SPDX identifier where there is one.
        description: what the weights are, for people.
        ap: average precision in [0, 1] of the depths where it was measured, such as
            ``{'full': 0.512, 'base': 0.447}``.
        created_by: the command that made the file.

    Raises:
        WeightsError: a field is of the wrong type or makes no sense.
    """

    model: str
    class_names: tuple[str, ...]
    input_size: tuple[int, int]
    resize: Literal['letterbox', 'stretch'] = 'letterbox'
    licence: str = ''
    description: str = ''
    ap: Mapping[str, float] = field(default_factory=dict)
    created_by: str = ''

    def __post_init__(self) -> None:
        for name in ('model', 'licence', 'description', 'created_by'):
            text = getattr(self, name)
            _require(isinstance(text, str) and len(text) <= MAX_TEXT
                     and text.replace('\n', '').isprintable(),
                     f'{name!r} is no printable text of at most {MAX_TEXT} characters')
        _require(isinstance(self.class_names, tuple)
                 and 1 <= len(self.class_names) <= MAX_CLASSES,
                 f'{len(self.class_names)} class names; there must be 1 to {MAX_CLASSES}')
        for name in self.class_names:
            _require(is_class_name(name),
                     f'class name {reprlib.repr(name)} is no {CLASS_NAME_RULE}')
        _require(isinstance(self.input_size, tuple) and len(self.input_size) == 2
                 and all(type(side) is int and 1 <= side <= MAX_SIDE for side in self.input_size),
                 f'input size {self.input_size!r} is not two sides of 1 to {MAX_SIDE} pixels')
        _require(self.resize in RESIZES, f'resize {self.resize!r} is not {" or ".join(RESIZES)}')
        _require(isinstance(self.ap, Mapping)
                 and all(isinstance(depth, str) and type(value) in (int, float)
                         and 0 <= value <= 1 for depth, value in self.ap.items()),
                 "'ap' is not a number from 0 to 1 per depth")

    def require_stride(self, path: Path, stride: int) -> None:
        """Raise WeightsError if the input size is not a multiple of the model's stride."""
        if any(side % stride for side in self.input_size):
            raise WeightsError(f'{path}: input size {list(self.input_size)} is not a multiple of '
                               f'{stride}, as {self.model!r} needs')


def write_metadata(info: ModelInfo) -> dict[str, str]:
    """Return the metadata of a weights file: text values only, as safetensors wants them."""
    return {
        'format': FORMAT,
        'schema_version': str(SCHEMA_VERSION),
        'model': info.model,
        'classes': json.dumps(info.class_names, ensure_ascii=False),
        'input_size': json.dumps(info.input_size),
        'resize': info.resize,
        'licence': info.licence,
        'description': info.description,
        'ap': json.dumps(dict(info.ap)),
        'created_by': info.created_by,
    }


def read_metadata(path: Path, metadata: Mapping[str, str] | None) -> ModelInfo:
    """Return what the metadata of the file at `path` says.

    Raises:
        WeightsError: not ours, of a newer schema, incomplete, or a field that makes no sense.
    """
    if not metadata or metadata.get('format') != FORMAT:
        raise WeightsError(f"{path}: not an AnyDepth weights file; 'anydepth convert' imports "
                           'weights of other detectors')
    version = metadata.get('schema_version', '')
    if not (version.isascii() and version.isdigit() and int(version[:9]) >= 1):
        raise WeightsError(f'{path}: schema version {version[:20]!r} is no number')
    if int(version[:9]) > SCHEMA_VERSION:
        raise WeightsError(f'{path}: written by a newer AnyDepth (schema {version[:9]}, this one '
                           f'reads up to {SCHEMA_VERSION}); update this package')
    try:
        return ModelInfo(
            model=metadata['model'],
            class_names=tuple(_parse(metadata, 'classes', list)),
            input_size=tuple(_parse(metadata, 'input_size', list)),
            resize=cast(Any, metadata['resize']),
            licence=metadata.get('licence', ''),
            description=metadata.get('description', ''),
            ap=measured(_parse(metadata, 'ap', dict)) if 'ap' in metadata else {},
            created_by=metadata.get('created_by', ''),
        )
    except KeyError as error:
        raise WeightsError(f'{path}: the metadata lacks {error}') from error
    except WeightsError as error:
        raise WeightsError(f'{path}: {error}') from error


def measured(ap: Mapping[str, float]) -> dict[str, float]:
    """Return the AP per depth without COCO's -1, which says that there was nothing to find."""
    return {depth: value for depth, value in ap.items() if value != -1}


def _parse(metadata: Mapping[str, str], key: str, kind: type) -> Any:
    try:
        value = json.loads(metadata[key])
    except (ValueError, RecursionError) as error:
        raise WeightsError(f'metadata {key!r} is not JSON') from error
    _require(isinstance(value, kind), f'metadata {key!r} is no JSON {kind.__name__}')
    return value


def _require(condition: bool, complaint: str) -> None:
    if not condition:
        raise WeightsError(complaint)
