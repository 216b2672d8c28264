# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Mission modes: named bundles of live parameters from a YAML file, valid as a whole or refused.

A file is a mapping of modes, each a mapping of parameters with the values to set::

    patrol:
      description: On the way, nothing special.
      latency_budget_ms: 100.0

What a robot does in a mode must not depend on the mode before. So a parameter that any mode of a
file names is set by each of them: to its default where a mode leaves it out. What decides the
depth counts as one for this, and is `auto` where a mode gives a budget or a limit, be it of depth,
power or temperature. No ROS here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from types import MappingProxyType
from typing import Any

import yaml

from anydepth_core.errors import AnyDepthError, nearest
from anydepth_ros.depth_choice import AUTO, BUDGETS, DEPTH_LIMITS
from anydepth_ros.energy_watch import LIMITS
from anydepth_ros.parameters import (
    BY_NAME,
    LIVE,
    ParameterError,
    check,
    coerce,
    expected,
    make_settings,
)

CUSTOM = 'custom'  # what `mission_mode` reads once a setting was changed by hand
DESCRIPTION = 'description'
CHOOSING = (*BUDGETS, *DEPTH_LIMITS)  # how depth auto is chosen
MAX_BYTES = 64 * 1024
MAX_WORD = 1000
MAX_NAME = 40
MAX_MODES = 32
NESTED = 3  # the modes, their settings, a list of classes
NAME = re.compile('[a-z][a-z0-9]*([-_][a-z0-9]+)*')


@dataclass(frozen=True)
class MissionMode:
    """One mode.

    Attributes:
        name: as users write it.
        description: what it is for, in one sentence; empty if the file does not say.
        settings: live parameters and the values to set, valid together.
    """

    name: str
    description: str
    settings: Mapping[str, Any]

    @property
    def ros_name(self) -> str:
        """The name as part of a ROS 2 name, in which a hyphen cannot stand."""
        return self.name.replace('-', '_')


def live_parameters() -> tuple[str, ...]:
    """Return the names of the parameters that a mode can set."""
    return tuple(name for name in LIVE
                 if name != 'mission_mode' and not BY_NAME[name].cameras_only)


def load(path: str | Path) -> Mapping[str, MissionMode]:
    """Return the modes of a YAML file by name, in the order of the file.

    What a model or a profile decides, such as whether a class exists, is not known here.

    Raises:
        ParameterError: the file cannot be read, or anything in it cannot be; nothing is loaded
            then. Names file and line, and the nearest valid word.
    """
    try:
        return _modes(_parse(_text(Path(path))))
    except _FileError as wrong:
        raise ParameterError(f'mission modes: {path}, {wrong}') from None


class _FileError(AnyDepthError):
    """What is wrong in the file and, if it has one, in which line (counted from 0)."""

    def __init__(self, what: object, line: int | None = None) -> None:
        super().__init__(f'line {line + 1}: {what}' if line is not None else what)


def _text(path: Path) -> str:
    try:
        if not path.is_file():  # a pipe would block, a device might never end
            raise _FileError('no such file')
        with path.open('rb') as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise _FileError(f'larger than {MAX_BYTES} bytes, so no file of mission modes')
        return data.decode()
    except OSError as error:
        raise _FileError(f'cannot be read: {error.strerror}') from error
    except ValueError as error:
        raise _FileError('is no UTF-8 text') from error


def _parse(text: str) -> yaml.Node | None:
    """Return the nodes of the text, after making sure that it is small and plain."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            assert event.start_mark is not None  # the parser knows where it is
            line = event.start_mark.line
            if isinstance(event, yaml.AliasEvent):
                raise _FileError('aliases (*name) are not allowed; write the value out', line)
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > NESTED:
                raise _FileError('nested too deeply; a mode holds values and lists of classes',
                                 line)
            if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_WORD:
                raise _FileError(f'a text of more than {MAX_WORD} characters', line)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _FileError(f'not YAML: {error.problem}', mark.line if mark else None) from error
    except yaml.reader.ReaderError as error:
        line = text.count('\n', 0, error.position)
        raise _FileError(f'not YAML: {error.reason}', line) from error


def _modes(root: yaml.Node | None) -> Mapping[str, MissionMode]:
    rows = list(_rows(root, 'the file', 'modes', 'mode')) if root is not None else []
    if not 1 <= len(rows) <= MAX_MODES:
        raise _FileError(f'holds {len(rows)} mission modes; valid: 1 to {MAX_MODES}')
    written: dict[str, dict[str, tuple[Any, int]]] = {}
    descriptions: dict[str, str] = {}
    for key, value in rows:
        name = key.value
        _check_name(key, written)
        settings = {each.value: (_value(each, node), each.start_mark.line)
                    for each, node in _rows(value, f'mode {name!r}', 'settings', 'setting')}
        descriptions[name] = settings.pop(DESCRIPTION, ('', 0))[0]
        written[name] = settings
    named = _completed({name for settings in written.values() for name in settings})
    return MappingProxyType({name: MissionMode(name, descriptions[name], MappingProxyType(
        _valid(settings, named))) for name, settings in written.items()})


def _rows(node: yaml.Node | None, what: str, of: str,
          one: str) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Yield the keys and values of a mapping, each key a text that comes once."""
    assert node is not None
    if not isinstance(node, yaml.MappingNode):
        raise _FileError(f'{what} must be a mapping of {of}', node.start_mark.line)
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line
        if not isinstance(key, yaml.ScalarNode):
            raise _FileError(f'the name of a {one} must be one word', line)
        if key.value in seen:
            raise _FileError(f'{one} {key.value!r} is there twice, first in line '
                                 f'{seen[key.value] + 1}', line)
        seen[key.value] = line
        yield key, value


def _check_name(key: yaml.Node, others: Mapping[str, object]) -> None:
    name, line = key.value, key.start_mark.line
    if (not NAME.fullmatch(name) or len(name) > MAX_NAME or name == CUSTOM
            or not isinstance(yaml.safe_load(name), str)):
        raise _FileError(f'a mode cannot be named {name!r}; valid: small letters, digits and '
                         f'single - or _ between, not {CUSTOM!r} and no word that YAML takes for '
                         'something else', line)
    alike = [other for other in others if other.replace('-', '_') == name.replace('-', '_')]
    if alike:
        raise _FileError(f'mode {name!r} and mode {alike[0]!r} are the same name in ROS 2', line)


def _value(key: yaml.Node, node: yaml.Node) -> Any:
    """Return the value of a setting in the type of its parameter, checked by itself."""
    name, line = key.value, key.start_mark.line
    if name == DESCRIPTION:
        if not isinstance(node, yaml.ScalarNode) or not node.value.isprintable():
            raise _FileError(f'{DESCRIPTION} must be one line of text', line)
        return node.value
    known = live_parameters()
    if name not in known:
        what = f'a mode cannot set {name}' if name in BY_NAME else (
            f'unknown setting {name!r}{nearest(name, known)}')
        raise _FileError(f'{what}; valid: {", ".join((DESCRIPTION, *known))}', line)
    spec = BY_NAME[name]
    wanted = _FileError(f'{name}: must be {expected(spec)}', line)
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not all(isinstance(item, yaml.ScalarNode) for item in items):
        raise wanted
    if isinstance(spec.default, list):
        # Texts as written: a class may be named `on`, or 7.
        return [item.value for item in items if item.value]
    if not isinstance(node, yaml.ScalarNode):
        raise wanted
    if isinstance(spec.default, str):
        return node.value
    try:
        value = coerce(spec, yaml.constructor.SafeConstructor().construct_object(node))
        check(spec, value)
    except (yaml.YAMLError, ValueError) as error:  # a tag of its own, a date that is none
        raise wanted from error
    except AnyDepthError as error:
        raise _FileError(error, line) from error
    return value


def _completed(names: set[str]) -> list[str]:
    """Return the parameters that every mode sets if these are named: with those they go with."""
    together = {'depth', *CHOOSING}
    return [name for name in live_parameters()
            if name in names or (name in together and {*together, *LIMITS} & names)]


def _valid(written: Mapping[str, tuple[Any, int]], named: list[str]) -> dict[str, Any]:
    """Return all settings of a mode, after making sure that they are valid together."""
    values = {name: BY_NAME[name].default for name in LIVE}
    choosing = [name for name in (*CHOOSING, *LIMITS)
                if name in written and written[name][0] != values[name]]
    if choosing:
        depth, line = written.get('depth', (AUTO, 0))
        values['depth'] = AUTO
        if depth != AUTO:
            raise _FileError(f'depth: with {choosing[0]} it can only be {AUTO!r}, not {depth!r}',
                             line)
    for name, (value, line) in written.items():
        values[name] = value
        try:
            make_settings(values, None)
        except AnyDepthError as error:
            text = str(error)
            raise _FileError(text if text.startswith(name) else f'{name}: {text}',
                             line) from error
    return {name: values[name] for name in named}
