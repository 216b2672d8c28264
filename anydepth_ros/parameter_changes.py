# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What follows from setting a parameter: modes, budgets, and cameras that follow the node.

No ROS here. All that follows is set together with what was asked for, so that reading the
parameters always tells what runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from anydepth_core.errors import nearest
from anydepth_ros import energy_watch
from anydepth_ros.depth_choice import AUTO, BUDGETS, DEPTH_LIMITS
from anydepth_ros.mission_modes import CHOOSING, CUSTOM, MissionMode
from anydepth_ros.parameters import BY_NAME, LIVE, ParameterError, scoped

Modes = Mapping[str, MissionMode]


def completed(asked: Mapping[str, Any], values: Mapping[str, Any], own: Collection[str],
              cameras: Sequence[str], modes: Modes) -> dict[str, Any]:
    """Return what was asked for with all that follows from it.

    Args:
        asked: full names and valid values of live parameters.
        values: of all live parameters now, by full name.
        own: full names of cameras' parameters that do not follow the node's.
        cameras: their names; one empty name for a single one.
        modes: by name.

    Raises:
        ParameterError: an unknown mode, or values that contradict each other.
    """
    node = _in_scope('', asked, values, {}, modes)
    found = dict(node)
    for camera in cameras if tuple(cameras) != ('',) else ():
        followed = {name: value for name, value in node.items()
                    if scoped(camera, name) in values and scoped(camera, name) not in own}
        found.update({scoped(camera, name): value for name, value in
                      _in_scope(camera, asked, values, followed, modes).items()})
    after = {**values, **found}
    if AUTO not in {after[scoped(camera, 'depth')] for camera in cameras}:
        _refuse_without_effect(tuple(energy_watch.LIMITS), asked, values)
    return found


def _refuse_without_effect(limits: Sequence[str], given: Mapping[str, Any],
                           now: Mapping[str, Any]) -> None:
    """Refuse a limit of depth auto where the depth is fixed; to take one away is always right."""
    for name in limits:
        if name in given and given[name] not in (now[name], BY_NAME[name].default):
            raise ParameterError(f'{name}: limits depth {AUTO!r}, and depth is {now["depth"]!r}; '
                                 f'set depth to {AUTO!r} first')


def set_apart(names: Collection[str], values: Mapping[str, Any], own: Collection[str],
              modes: Modes) -> frozenset[str]:
    """Return `own` after these were set: a camera's parameter follows while it is the node's.

    Depth, limits and budgets follow together or not at all, and so does all that a camera's own
    mode names.
    """
    found = set(own)
    for full in names:
        camera, _, name = full.rpartition('.')
        if camera:
            (found.discard if values[full] == values[name] else found.add)(full)
    for camera in {full.rpartition('.')[0] for full in values if '.' in full}:
        mode = modes.get(values[scoped(camera, 'mission_mode')])
        if mode and scoped(camera, 'mission_mode') in found:
            found |= {full for name in _settings(mode) if (full := scoped(camera, name)) in values}
        group = {scoped(camera, name) for name in ('depth', *CHOOSING)}
        apart = (mode is not None and bool(group & found)) or any(
            values[full] != values[full.rpartition('.')[2]] for full in group)
        found = found | group if apart else found - group
    return frozenset(found)


def at_start(values: Mapping[str, Any], cameras: Sequence[str], modes: Modes) -> dict[str, Any]:
    """Return what has to be set once at start: a mode given there, a budget with a depth.

    Raises:
        ParameterError: an unknown mode, or values that contradict each other.
    """
    found: dict[str, Any] = {}
    for camera in dict.fromkeys(['', *cameras]):
        given = {name: values[full] for name in ('mission_mode', *BUDGETS)
                 if (full := scoped(camera, name)) in values and values[full]}
        depth = values[scoped(camera, 'depth')]
        if camera and depth not in (AUTO, values['depth']):  # wins over the node's budget
            given = {name: value for name, value in given.items() if value != values[name]}
        asked = {scoped(camera, name): value for name, value in given.items()}
        if given.get('mission_mode'):  # which sets the budgets too
            asked = {scoped(camera, 'mission_mode'): given['mission_mode']}
        elif len(given) > 1:
            raise ParameterError(f'{" and ".join(asked)}: one budget at a time')
        found.update({scoped(camera, name): value for name, value in
                      _in_scope(camera, asked, values, {}, modes).items()})
    return found


def _in_scope(camera: str, asked: Mapping[str, Any], values: Mapping[str, Any],
              followed: Mapping[str, Any], modes: Modes) -> dict[str, Any]:
    """Return the changes of one camera, or of the node, by plain name."""
    known = [name for name in LIVE if scoped(camera, name) in values]
    now = {**{name: values[scoped(camera, name)] for name in known}, **followed}
    given = {name: asked[full] for name in known if (full := scoped(camera, name)) in asked}
    mode_settings = _mode_settings(given, now, known, modes)
    if any(given.get(name) for name in BUDGETS):  # asked for beside the mode, so it wins
        mode_settings = {name: value for name, value in mode_settings.items()
                         if name not in BUDGETS}
    changes = {**followed, **mode_settings, **given}
    fixed = changes.get('depth', now['depth']) != AUTO
    budgets = [name for name in BUDGETS if changes.get(name)]
    if budgets:
        if fixed and 'depth' in given:
            raise ParameterError(f'{budgets[0]}: a budget chooses the depth, so depth cannot be '
                                 f'{changes["depth"]!r} too; set it to {AUTO!r}')
        changes.update({name: 0.0 for name in BUDGETS if name not in changes})
        changes['depth'] = AUTO
    elif fixed:
        changes.update({name: 0.0 for name in BUDGETS if now[name]})
        if 'depth' not in given:
            _refuse_without_effect(DEPTH_LIMITS, given, now)
    after = {**now, **changes}
    mode = modes.get(after['mission_mode'])
    if mode and any(after[name] != value for name, value in _settings(mode).items()
                    if name in known):
        changes['mission_mode'] = CUSTOM
    return changes


def _settings(mode: MissionMode) -> dict[str, Any]:
    """Return what the mode sets, with the depth that its budget means."""
    budget = any(mode.settings.get(name) for name in BUDGETS)
    return {**mode.settings, **({'depth': AUTO} if budget else {})}


def _mode_settings(given: Mapping[str, Any], now: Mapping[str, Any], known: Collection[str],
                   modes: Modes) -> dict[str, Any]:
    """Return what the mode asked for sets; nothing if none is."""
    name = given.get('mission_mode', '')
    if not name or (name == CUSTOM == now['mission_mode']):
        return {}
    if name not in modes:
        raise ParameterError(f'mission_mode: unknown mode {name!r}{nearest(name, modes)}; valid: '
                             f"{', '.join(modes)}, '' for none")
    return {each: value for each, value in _settings(modes[name]).items() if each in known}


def refused_by_type(asked: Mapping[str, Any]) -> bool:
    """Return whether a value has another type than its parameter, which rclpy refuses."""
    return any(type(value) is not type(BY_NAME[full.rpartition('.')[2]].default)
               for full, value in asked.items())
