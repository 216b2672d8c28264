# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the node `detector`, once: name, default, words, range, and what is valid.

No ROS here: `parameter_server.py` declares this table and keeps it in step with the running node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from anydepth_core.depth import DepthSpace
from anydepth_core.errors import AnyDepthError, nearest


class ParameterError(AnyDepthError):
    """A parameter value that cannot be; the message names it and says what to write."""


@dataclass(frozen=True)
class Spec:
    """One parameter.

    Attributes:
        name: as users write it.
        default: gives the type too; a list is a list of strings.
        description: one sentence for `ros2 param describe`.
        constraints: what is valid, in words; empty where the range says it.
        low: smallest valid number; None without a range.
        high: greatest valid number.
        read_only: can be given at start only.
    """

    name: str
    default: Any
    description: str
    constraints: str = ''
    low: float | None = None
    high: float | None = None
    read_only: bool = False


SPECS = (
    Spec('depth', 'full', 'How much of the network runs; takes effect on the next frame.',
         "'full', 'base', 'full-STAGE…' or 'base+STAGE…' with p2 p3 p4 p5 fpn4 fpn3 pan4 pan5 "
         'backbone neck fpn pan; @N at the end for N decoder layers of a model that has them'),
    Spec('score_threshold', 0.3, 'Objects with a lower score are left out.', low=0.0, high=1.0),
    Spec('nms_iou', 0.7, 'Of two boxes of one class that overlap more (intersection over union) '
         'the better is kept; no effect on models that need no such step.', low=0.0, high=1.0),
    Spec('max_detections', 100, 'At most this many objects per image, best first.',
         low=1, high=1000),
    Spec('classes', [], 'Names or indices of the classes to report; empty: all.',
         'names as in ~/label_info, or their indices'),
    Spec('enabled', True, 'False: images are not processed and nothing is published.'),
    Spec('weights', 'scenes', 'Name of packaged weights, or path of a .safetensors file.',
         read_only=True),
    Spec('backend', 'auto', 'What runs the network; auto says in the log what it chose.',
         read_only=True),
    Spec('device', 'auto', "Where the network runs: 'auto', 'cpu', 'cuda', 'cuda:1', …; a device "
         'that is not there is an error.', read_only=True),
    Spec('precision', 'fp32', "Number format of the network: 'fp32', or what the backend offers.",
         read_only=True),
    Spec('autostart', True, 'Configure and activate at start; false leaves that to a lifecycle '
         'manager.', read_only=True),
)
BY_NAME: Mapping[str, Spec] = {spec.name: spec for spec in SPECS}


@dataclass(frozen=True)
class Settings:
    """What one frame is processed with: a snapshot that never changes.

    Attributes are the live parameters; `class_indices` is None until a model is known or when
    every class is reported.
    """

    depth: str
    score_threshold: float
    nms_iou: float
    max_detections: int
    classes: tuple[str, ...]
    enabled: bool
    class_indices: frozenset[int] | None = None


@dataclass(frozen=True)
class ModelFacts:
    """What a loaded model decides about the parameters."""

    depths: DepthSpace
    class_names: tuple[str, ...]


LIVE = tuple(field.name for field in fields(Settings) if field.name in BY_NAME)


def coerce(spec: Spec, value: Any) -> Any:
    """Return `value` in the type of the parameter where it is plain what was meant.

    The command line and YAML make 1 an integer, [0, 2] a list of integers, [] a list of nothing,
    on a bool and 1e-1 a string. A value that stays of a wrong type is returned unchanged.
    """
    default = spec.default
    if isinstance(default, float):
        return _number(value)
    if isinstance(default, str) and isinstance(value, (bool, int, float)):
        return str(value)
    if isinstance(default, list):
        one = isinstance(value, (str, bytes)) or not isinstance(value, Iterable)
        items = [] if value is None else [value] if one else value
        return [str(item) for item in items if item != '']
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return value


def expected(spec: Spec) -> str:
    """Return how a value of the parameter is written, for an error message."""
    words = {bool: 'true or false', int: 'an integer such as 100', float: 'a number such as 0.3',
             str: 'a text', list: 'a list of texts such as [ball, cup]'}[type(spec.default)]
    return words if spec.low is None else f'{words}, {spec.low:g} to {spec.high:g}'


def check(spec: Spec, value: Any) -> None:
    """Refuse a value of the parameter that is of a wrong type or out of range.

    Raises:
        ParameterError: with what to write instead.
    """
    fits = type(value) is type(spec.default)
    if fits and spec.low is not None and spec.high is not None:
        fits = bool(spec.low <= value <= spec.high)
    if not fits:
        raise ParameterError(f'{spec.name}: {value!r} is not {expected(spec)}')


def make_settings(values: Mapping[str, Any], model: ModelFacts | None) -> Settings:
    """Return the snapshot of these parameter values, valid for `model` (None: not loaded yet).

    Args:
        values: at least every live parameter, in its right type.
        model: None checks the grammar of the depth, but not what the model lacks.

    Raises:
        ParameterError: a value that cannot be.
        DepthError: a depth that is none, or that this model does not have.
    """
    for name in LIVE:
        check(BY_NAME[name], values[name])
    depth = values['depth']
    if model is None:
        DepthSpace(decoder_layers=999 if '@' in depth else None).parse(depth)
    else:
        model.depths.parse(depth)
    classes = tuple(values['classes'])
    indices = class_indices(classes, model.class_names) if model and classes else None
    return Settings(**{**{name: values[name] for name in LIVE}, 'classes': classes},
                    class_indices=indices)


def class_indices(classes: tuple[str, ...], names: tuple[str, ...]) -> frozenset[int]:
    """Return the indices that names or written indices stand for.

    Raises:
        ParameterError: a class that the model does not have.
    """
    found = set()
    for word in classes:
        if word in names:
            found.add(names.index(word))
        elif word.isdecimal() and word.isascii() and int(word[:9]) < len(names):
            found.add(int(word))
        else:
            shown = ', '.join(names[:20]) + (', …' if len(names) > 20 else '')
            raise ParameterError(f'classes: this model has no class {word!r}'
                                 f'{nearest(word, names)}; it has {shown} '
                                 f'(or indices 0 to {len(names) - 1})')
    return frozenset(found)
