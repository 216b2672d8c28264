# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The parameter table on a node: declares it, answers sets, and holds the snapshot in force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from anydepth_ros.parameters import (
    BY_NAME,
    LIVE,
    SPECS,
    ModelFacts,
    Settings,
    Spec,
    check,
    coerce,
    make_settings,
)


class ParameterServer:
    """Keeps `settings` equal to the node's parameters, and refuses what cannot be with a reason.

    `settings` is replaced, never changed: take it once per frame from any thread.
    """

    def __init__(self, node: Node, changed: Callable[[Settings], None]) -> None:
        """Declare every parameter.

        Args:
            node: whose parameters they are.
            changed: called with the new snapshot after each change; it must not raise.

        Raises:
            ParameterError, DepthError: a value given at start that cannot be.
        """
        self._node = node
        self._changed = changed
        self._lock = threading.Lock()
        self._model: ModelFacts | None = None
        values = {spec.name: declare(node, spec) for spec in SPECS}
        self.settings = make_settings(values, None)
        node.add_pre_set_parameters_callback(self._pre_set)
        node.add_on_set_parameters_callback(self._on_set)
        node.add_post_set_parameters_callback(self._post_set)

    def __getitem__(self, name: str) -> Any:
        return self._node.get_parameter(name).value

    def attach(self, model: ModelFacts | None) -> Settings:
        """Validate against `model` from now on; None: no model is loaded.

        Raises:
            ParameterError, DepthError: the present values do not suit the model; nothing changes.
        """
        with self._lock:
            settings = make_settings(self._values(), model)
            self._model = model
            self.settings = settings
            return settings

    def _values(self) -> dict[str, Any]:
        # Through coerce, because an empty list reads back as [''] where that was its default.
        return {name: coerce(BY_NAME[name], self[name]) for name in LIVE}

    def _pre_set(self, parameters: list[Parameter[Any]]) -> list[Parameter[Any]]:
        return [_coerced(p) if p.name in BY_NAME else p for p in parameters]

    def _on_set(self, parameters: Sequence[Parameter[Any]]) -> SetParametersResult:
        changed = {p.name: p.value for p in parameters if p.name in LIVE}
        try:
            with self._lock:
                make_settings({**self._values(), **changed}, self._model)
        except AnyDepthError as error:
            self._node.get_logger().warning(f'parameter refused: {error}')
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _post_set(self, parameters: Sequence[Parameter[Any]]) -> None:
        changed = {p.name: p.value for p in parameters if p.name in LIVE}
        if not changed:
            return
        try:
            with self._lock:
                self.settings = make_settings(self._values(), self._model)
        except AnyDepthError as error:  # a model was loaded between the check and now
            self._node.get_logger().error(f'parameter not in force: {error}')
            return
        shown = ', '.join(f'{name} = {value}' for name, value in changed.items())
        self._node.get_logger().info(f'in force from the next frame: {shown}')
        self._changed(self.settings)


def _coerced(parameter: Parameter[Any]) -> Parameter[Any]:
    spec = BY_NAME[parameter.name]
    value = coerce(spec, parameter.value)
    if isinstance(spec.default, list):
        return Parameter(parameter.name, Parameter.Type.STRING_ARRAY, value)
    if value is parameter.value:
        return parameter
    return Parameter(parameter.name, value=value)


def declare(node: Node, spec: Spec) -> Any:
    """Declare one parameter and return its value.

    Raises:
        ParameterError: the value given at start is of a wrong type or out of range.
    """
    default = spec.default or [''] if isinstance(spec.default, list) else spec.default
    # First without a type, only to read what was given: rclpy would refuse 1 where 1.0 is meant.
    given = node.declare_parameter(spec.name, default, ParameterDescriptor(dynamic_typing=True))
    node.undeclare_parameter(spec.name)
    value = coerce(spec, given.value)
    check(spec, value)
    node.declare_parameter(spec.name, value or default if isinstance(value, list) else value,
                           _descriptor(spec), ignore_override=True)
    return value


def _descriptor(spec: Spec) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=spec.description, read_only=spec.read_only,
                                     additional_constraints=spec.constraints)
    if isinstance(spec.default, float):
        descriptor.floating_point_range = [FloatingPointRange(
            from_value=spec.low, to_value=spec.high, step=0.0)]
    elif spec.low is not None:
        descriptor.integer_range = [IntegerRange(
            from_value=int(spec.low), to_value=int(spec.high or 0), step=1)]
    return descriptor
