# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The services of the node, and the topic that selects a mission mode."""

from __future__ import annotations

from collections.abc import Callable
import json
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from anydepth_core.errors import AnyDepthError
from anydepth_ros.outputs import LATCHED_QOS
from anydepth_ros.parameter_server import ParameterServer
from anydepth_ros.parameters import scoped

if TYPE_CHECKING:
    from anydepth_ros.session import Session

Answer = TypeVar('Answer', SetBool.Response, Trigger.Response)
NOT_CONFIGURED = 'the node is not configured; no model is loaded'


class Services:
    """Answers calls. Those that set a parameter share its callback group, so they take turns."""

    def __init__(self, node: Node, parameters: ParameterServer,
                 session: Callable[[], Session | None], state: Callable[[], str]) -> None:
        """Create the services and the subscription.

        Args:
            node: whose they are.
            parameters: of the node.
            session: returns what is configured.
            state: returns the name of the lifecycle state.
        """
        self._node = node
        self._parameters = parameters
        self._session = session
        self._state = state
        # A measurement lasts long: somebody must be able to cancel it, and a second is refused.
        slow, quick = ReentrantCallbackGroup(), MutuallyExclusiveCallbackGroup()
        node.create_service(SetBool, '~/set_enabled', self._on_set_enabled)
        node.create_service(Trigger, '~/describe', self._on_describe, callback_group=quick)
        node.create_service(Trigger, '~/measure_profile', self._on_measure, callback_group=slow)
        node.create_service(Trigger, '~/measure_profile/cancel', self._on_cancel,
                            callback_group=quick)
        for camera in dict.fromkeys(['', *parameters.cameras]):
            topic = f'~/{camera}/mission_mode' if camera else '~/mission_mode'
            for name, mode in parameters.modes.items():
                node.create_service(Trigger, f'{topic}/{mode.ros_name}',
                                    self._selector(scoped(camera, 'mission_mode'), name))
        self._wanted_mode = ''
        node.create_subscription(String, 'mission_mode', self._on_mode, LATCHED_QOS)
        self._configured = node.create_guard_condition(self._select_wanted_mode)

    def configured(self) -> None:
        """Select, in the parameters' own callback group, the mode that was asked for before."""
        self._configured.trigger()

    def _set(self, name: str, value: Any, response: Answer) -> Answer:
        result = self._node.set_parameters([Parameter(name, value=value)])[0]
        response.success = result.successful
        response.message = result.reason or f'{name} is {json.dumps(value)}'
        return response

    def _on_set_enabled(self, request: SetBool.Request,
                        response: SetBool.Response) -> SetBool.Response:
        return self._set('enabled', bool(request.data), response)

    def _selector(self, parameter: str, mode: str) -> Callable[..., Trigger.Response]:
        def select(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            return self._set(parameter, mode, response)
        return select

    def _on_mode(self, message: String) -> None:
        """Select the mode; one that cannot be is refused, which the parameters tell in the log.

        While no model is loaded nobody knows whether it can be: a latched message must not keep
        the node from being configured.
        """
        self._wanted_mode = message.data
        if self._session() is not None:
            self._select_wanted_mode()

    def _select_wanted_mode(self) -> None:
        mode, self._wanted_mode = self._wanted_mode, ''
        if mode and mode != self._parameters['mission_mode']:
            self._set('mission_mode', mode, Trigger.Response())

    def _on_describe(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        session = self._session()
        parameters = {name: self._parameters[name] for name in self._parameters.specs}
        response.success = True
        response.message = json.dumps({
            'node': self._node.get_fully_qualified_name(), 'state': self._state(),
            'cameras': [name for name in self._parameters.cameras if name],
            'mission_modes': {name: {'description': mode.description, **mode.settings}
                              for name, mode in self._parameters.modes.items()},
            'parameters': {**parameters, **self._parameters.live_values()},
            **(session.describe() if session else {'model': None}),
        }, ensure_ascii=False)
        return response

    def _on_measure(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        session = self._session()
        try:
            if session is None:
                raise AnyDepthError(NOT_CONFIGURED)
            response.message = session.measure_profile()
            response.success = True
        except AnyDepthError as error:
            response.message = str(error)
        except Exception as error:  # memory that is short, above all: frames still go on
            response.message = f'{type(error).__name__}: {error}'
            self._node.get_logger().error(traceback.format_exc())
        # One line of code each: rclpy refuses another severity where it has logged before.
        if response.success:
            self._node.get_logger().info(f'profile measured: {response.message}')
        else:
            self._node.get_logger().warning(f'no profile measured: {response.message}')
        return response

    def _on_cancel(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        session = self._session()
        response.success = session is not None and session.cancel_measuring()
        response.message = 'cancelled' if response.success else 'no measurement is running'
        return response
