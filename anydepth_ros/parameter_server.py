# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The parameter table on a node: declares it, answers sets, and holds the snapshots in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import threading
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from anydepth_core.errors import AnyDepthError
from anydepth_ros import mission_modes
from anydepth_ros.parameter_changes import at_start, completed, refused_by_type, set_apart
from anydepth_ros.parameters import (
    BY_NAME,
    LIVE,
    WEIGHTS,
    ModelFacts,
    ParameterError,
    Settings,
    Spec,
    camera_names,
    check,
    coerce,
    make_settings,
    parse_size,
    scoped,
    table,
)
from anydepth_ros.transport import shared_file

PACKAGED_MODES = 'config/mission_modes.yaml'
JudgeWeights = Callable[[str | None, Mapping[str, Any]], ModelFacts | None]


class ParameterServer:
    """Keeps `settings` equal to the node's parameters, and refuses what cannot be with a reason.

    Attributes:
        cameras: their names; one empty name for a single one.
        modes: the mission modes by name.
        first_weights: the weights named at start.
        input_size: (height, width) of the network input; None: as the weights say.
        settings: by name of the camera; '' has what cameras follow. Replaced, never changed: take
            it once per frame from any thread.
    """

    def __init__(self, node: Node, changed: Callable[[], None],
                 impossible: Callable[[Mapping[str, Any]], str], judge_weights: JudgeWeights,
                 follow_weights: Callable[[str], None]) -> None:
        """Declare every parameter.

        Args:
            node: whose parameters they are.
            changed: called after each change of `settings`; it must not raise.
            impossible: returns why values that somebody asks for cannot be kept on this machine.
            judge_weights: given the weights that somebody asks for (None: nobody does) and the
                values of the live parameters, returns what these have to suit beside the model
                that runs; raises AnyDepthError for weights that cannot be.
            follow_weights: called when the parameter `weights` was set.

        Raises:
            ParameterError, DepthError: a value given at start that cannot be.
        """
        self._node = node
        self._changed = changed
        self._impossible = impossible
        self._judge_weights = judge_weights
        self._follow_weights = follow_weights
        self._putting_back = False
        self._lock = threading.Lock()
        self._model: ModelFacts | None = None
        self._refusal = ''
        self.cameras = camera_names(declare(node, BY_NAME['cameras']))
        self.specs = table(self.cameras)
        values: dict[str, Any] = {'cameras': list(self.cameras)}
        for name, spec in self.specs.items():
            if name != 'cameras':
                plain = values.get(name.rpartition('.')[2], spec.default)
                values[name] = declare(node, spec, plain)
        self._live = [name for name in self.specs if name.rpartition('.')[2] in LIVE]
        self.first_weights: str = values[WEIGHTS]
        self.input_size = parse_size(values['input_size'])
        path = values['mission_modes_file'] or shared_file(PACKAGED_MODES)
        self.modes = mission_modes.load(path)
        follows = at_start({name: values[name] for name in self._live}, self.cameras, self.modes)
        node.set_parameters([_parameter(name, value) for name, value in follows.items()])
        values = self.live_values()
        self._own = set_apart(self._live, values, (), self.modes)
        self.settings: Mapping[str, Settings] = self._snapshots(values, None)
        node.add_pre_set_parameters_callback(self._pre_set)
        node.add_on_set_parameters_callback(self._on_set)
        node.add_post_set_parameters_callback(self._post_set)

    def __getitem__(self, name: str) -> Any:
        return self._node.get_parameter(name).value

    def live_values(self) -> dict[str, Any]:
        """Return the live parameters by full name."""
        # Through coerce, because an empty list reads back as [''] where that was its default.
        return {name: coerce(self.specs[name], self[name]) for name in self._live}

    def attach(self, model: ModelFacts | None) -> None:
        """Validate against `model` from now on; None: no model is loaded.

        Raises:
            ParameterError, DepthError, BudgetError, ProfileError: the present values do not suit
                the model; nothing changes.
        """
        with self._lock:
            self.settings = self._snapshots(self.live_values(), model)
            self._model = model

    def preview(self, model: ModelFacts) -> dict[str, Settings]:
        """Return what `settings` would be with `model`; raises as `attach`."""
        return self._snapshots(self.live_values(), model)

    def put_back_weights(self, name: str) -> None:
        """Let `weights` tell what runs, after others could not be loaded."""
        self._putting_back = True
        try:
            self._node.set_parameters([_parameter(WEIGHTS, name)])
        finally:
            self._putting_back = False

    def refused_modes(self, model: ModelFacts) -> dict[str, str]:
        """Return which mission modes could not be selected now with `model`, and why."""
        found: dict[str, str] = {}
        values = self.live_values()
        for name in self.modes:
            with refusals(found, name):
                follows = completed({'mission_mode': name}, values, self._own, self.cameras,
                                    self.modes)
                self._snapshots({**values, **follows}, model)
        return found

    def _snapshots(self, values: Mapping[str, Any],
                   model: ModelFacts | None) -> dict[str, Settings]:
        return {camera: make_settings(self._of(camera, values), model)
                for camera in dict.fromkeys(('', *self.cameras))}

    def _of(self, camera: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the live parameters of a camera by plain name."""
        return {name: values.get(scoped(camera, name), values.get(name, BY_NAME[name].default))
                for name in LIVE}

    def _pre_set(self, parameters: list[Parameter[Any]]) -> list[Parameter[Any]]:
        """Understand what was plainly meant, and add what follows from it."""
        self._refusal = ''
        given = [_coerced(p, self.specs[p.name]) if p.name in self.specs else p
                 for p in parameters]
        asked = {p.name: coerce(self.specs[p.name], p.value) for p in given
                 if p.name in self._live}
        if not asked or refused_by_type(asked):
            return given
        self._refusal = self._impossible(asked)
        try:
            found = completed(asked, self.live_values(), self._own, self.cameras, self.modes)
        except AnyDepthError as error:
            self._refusal = str(error)
            return given
        return [*(p for p in given if p.name not in found),
                *(_parameter(name, value) for name, value in found.items())]

    def _on_set(self, parameters: Sequence[Parameter[Any]]) -> SetParametersResult:
        reason, self._refusal = self._refusal, ''
        try:
            with self._lock:
                if not reason:
                    self._judge(parameters)
        except AnyDepthError as error:
            reason = str(error)
        if reason:
            self._node.get_logger().warning(f'parameter refused: {reason}')
        return SetParametersResult(successful=not reason, reason=reason)

    def _judge(self, parameters: Sequence[Parameter[Any]]) -> None:
        """Raise AnyDepthError unless the values suit what runs and what is to run."""
        values = {**self.live_values(), **self._given(parameters)}
        self._snapshots(values, self._model)
        weights = _weights_in(parameters)
        if weights is not None:
            check(self.specs[WEIGHTS], weights)
        coming = None if self._putting_back else self._judge_weights(weights, values)
        if coming is None:
            return
        try:
            self._snapshots(values, coming)
        except AnyDepthError as error:
            which = 'those that are being loaded' if weights is None else repr(weights)
            raise ParameterError(f'{WEIGHTS}: {which} cannot run so: {error}') from error

    def _given(self, parameters: Sequence[Parameter[Any]]) -> dict[str, Any]:
        return {p.name: coerce(self.specs[p.name], p.value) for p in parameters
                if p.name in self._live}

    def _post_set(self, parameters: Sequence[Parameter[Any]]) -> None:
        weights = _weights_in(parameters)
        self._put_in_force(self._given(parameters))
        if weights is not None and not self._putting_back:
            self._follow_weights(weights)

    def _put_in_force(self, given: Mapping[str, Any]) -> None:
        if not given:
            return
        values = self.live_values()
        self._own = set_apart(given, values, self._own, self.modes)
        try:
            with self._lock:
                self.settings = self._snapshots(values, self._model)
        except AnyDepthError as error:  # a model was loaded between the check and now
            self._node.get_logger().error(f'parameter not in force: {error}')
            return
        shown = ', '.join(f'{name} = {value}' for name, value in given.items())
        self._node.get_logger().info(f'in force from the next frame: {shown}')
        self._changed()


@contextmanager
def refusals(found: dict[str, str], name: str) -> Iterator[None]:
    """Enter into `found` why `name` is refused, if it is."""
    try:
        yield
    except AnyDepthError as error:
        found[name] = str(error)


def _weights_in(parameters: Sequence[Parameter[Any]]) -> str | None:
    return next((p.value for p in parameters if p.name == WEIGHTS), None)


def _coerced(parameter: Parameter[Any], spec: Spec) -> Parameter[Any]:
    value = coerce(spec, parameter.value)
    if value is parameter.value and not isinstance(spec.default, list):
        return parameter
    return _parameter(parameter.name, value)


def _parameter(name: str, value: Any) -> Parameter[Any]:
    if isinstance(value, list):
        return Parameter(name, Parameter.Type.STRING_ARRAY, value)
    return Parameter(name, value=value)


def declare(node: Node, spec: Spec, plain: Any = None) -> Any:
    """Declare one parameter and return its value.

    Args:
        node: whose parameter it is.
        spec: what it is.
        plain: its value where none is given; None: the default of the table.

    Raises:
        ParameterError: the value given at start is of a wrong type or out of range.
    """
    default = spec.default if plain is None else plain
    default = default or [''] if isinstance(spec.default, list) else default
    # First without a type, only to read what was given: rclpy would refuse 1 where 1.0 is meant.
    given = node.declare_parameter(spec.name, default, ParameterDescriptor(dynamic_typing=True))
    node.undeclare_parameter(spec.name)
    value = coerce(spec, given.value)
    check(spec, value)
    node.declare_parameter(spec.name, value or [''] if isinstance(value, list) else value,
                           _descriptor(spec), ignore_override=True)
    return value


def _descriptor(spec: Spec) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=spec.description, read_only=spec.read_only,
                                     additional_constraints=spec.valid)
    if isinstance(spec.default, float):
        descriptor.floating_point_range = [FloatingPointRange(
            from_value=spec.low, to_value=spec.high, step=0.0)]
    elif spec.low is not None:
        descriptor.integer_range = [IntegerRange(
            from_value=int(spec.low), to_value=int(spec.high or 0), step=1)]
    return descriptor
