# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node `detector`: transitions, parameters, services and diagnostics."""

from __future__ import annotations

from collections.abc import Callable
import gc
from importlib import import_module
import threading
import time
import traceback
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.lifecycle.node import LifecycleNodeMixin
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from anydepth_core.errors import AnyDepthError
from anydepth_ros import diagnostics, transport
from anydepth_ros.executable import BUG, USER_ERROR, Stop
from anydepth_ros.frame_statistics import Counts, FrameStatistics
from anydepth_ros.outputs import ManagedNode
from anydepth_ros.parameter_server import ParameterServer
from anydepth_ros.parameters import Settings

if TYPE_CHECKING:
    from anydepth_ros.session import Session

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class DetectorNode(ManagedNode):
    """Lifecycle, parameters, services and diagnostics around a `Session`.

    Callback groups: transitions have their own, so that loading a model blocks no parameter;
    images have theirs; parameters and services share the node's default.
    """

    def __init__(self, stop: Stop) -> None:
        """Declare and validate the parameters; nothing is loaded yet.

        Raises:
            AnyDepthError: a parameter value given at start that cannot be.
        """
        Node.__init__(self, 'detector')
        self._transitions = MutuallyExclusiveCallbackGroup()
        LifecycleNodeMixin.__init__(self, callback_group=self._transitions)
        self._stop = stop
        self._session: Session | None = None
        self._active = False
        self._model_error = ''
        self._failed_with = 0
        self._last_tick = (time.monotonic(), Counts())
        self.parameters = ParameterServer(self, self._on_settings)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 5)
        self.create_service(SetBool, '~/set_enabled', self._on_set_enabled)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._watch_group = MutuallyExclusiveCallbackGroup()
        self.create_timer(1.0, self._on_tick, callback_group=self._watch_group, clock=steady)
        # PyTorch takes seconds to import: meanwhile the node can be seen and answers.
        self._preload = threading.Thread(target=import_module, args=('anydepth_ros.session',))
        self._preload.start()
        self.get_logger().info(transport.state(rclpy.get_rmw_implementation_identifier()))
        if self.parameters['autostart']:
            self._starter = self.create_timer(0.0, self._autostart, clock=steady,
                                              callback_group=self._transitions)
        else:
            self.get_logger().info('unconfigured; waiting for the configure transition')

    def close(self) -> None:
        """Free everything, after the last callback."""
        self._preload.join()
        self._release()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and warm it up; FAILURE with the reason when the user can mend it."""
        return self._transition('configure', self._configure, super().on_configure, state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let images in."""
        return self._transition('activate', self._activate, super().on_activate, state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let no image in; the model stays loaded."""
        return self._transition('deactivate', self._deactivate, super().on_deactivate, state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and take the topics away."""
        return self._transition('cleanup', self._clean_up, super().on_cleanup, state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        return self._transition('shutdown', self._release, super().on_shutdown, state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that the node is unconfigured again."""
        return self._transition('recover', self._release, super().on_error, state)

    def _transition(self, name: str, work: Callable[[], None],
                    managed: Callable[[LifecycleState], TransitionCallbackReturn],
                    state: LifecycleState) -> TransitionCallbackReturn:
        """Do one transition; rclpy would swallow what it raises without a word."""
        try:
            work()
            return managed(state)
        except AnyDepthError as error:
            self._failed_with = USER_ERROR
            self._model_error = ' '.join(str(error).split())
            level = self.get_logger().info if self._stop.asked else self.get_logger().error
            level(f'cannot {name}: {self._model_error}')
            return FAILURE
        except Exception as error:
            self._failed_with = BUG
            self._model_error = f'{type(error).__name__}: {error}'
            self.get_logger().error(f'{name} failed: {self._model_error}\n'
                                    f'{traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR

    def _configure(self) -> None:
        self._model_error = ''
        from anydepth_ros.session import Session
        self._session = Session(self, self.parameters, self._is_open, lambda: self._stop.asked)
        facts = self._session.facts
        self.get_logger().info(
            '{model} from {weights} on {backend} {device} {precision}, {classes} classes, '
            'input {input_size}; loaded in {load_s:.1f} s, warmed up in {warm_up_s:.1f} s'
            .format(**facts))

    def _activate(self) -> None:
        self._active = True
        assert self._session is not None
        settings = self.parameters.settings
        self.get_logger().info(
            f'active at depth {settings.depth}, waiting for images on {self._session.input.topic}'
            + ('' if settings.enabled else '; enabled is false, so nothing is processed'))

    def _deactivate(self) -> None:
        self._active = False
        if self._session:
            self._session.discard_waiting()

    def _clean_up(self) -> None:
        self._release()
        gc.collect()  # what the model held in cycles, so that its memory is free now

    def _release(self) -> None:
        self._active = False
        session, self._session = self._session, None
        if session:
            session.close()

    def _autostart(self) -> None:
        self._starter.cancel()
        if self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS:
            return
        self._stop.ask(self._failed_with or BUG)

    def _is_open(self) -> bool:
        return self._active and self.parameters.settings.enabled

    def _on_settings(self, settings: Settings) -> None:
        session = self._session
        if session:
            session.outputs.publish_labels(settings.score_threshold)

    def _on_set_enabled(self, request: SetBool.Request,
                        response: SetBool.Response) -> SetBool.Response:
        result = self.set_parameters([Parameter('enabled', value=bool(request.data))])[0]
        response.success = result.successful
        response.message = result.reason or f'enabled is {str(bool(request.data)).lower()}'
        return response

    def _on_tick(self) -> None:
        """Publish the diagnostics and watch the input, once a second."""
        session, settings = self._session, self.parameters.settings
        now, counts = time.monotonic(), session.statistics.counts if session else Counts()
        (then, before), self._last_tick = self._last_tick, (now, counts)
        seconds = max(now - then, 1e-3)
        received = max(0, counts.received - before.received) / seconds
        processed = max(0, counts.processed - before.processed) / seconds
        gate = ('unconfigured' if session is None else 'inactive' if not self._active
                else '' if settings.enabled else 'disabled')
        finding = session.input.look() if session and not gate else None
        identity = session.identity if session else diagnostics.Identity(
            self.get_fully_qualified_name(), self.parameters['device'])
        rmw = transport.state(rclpy.get_rmw_implementation_identifier())
        self._diagnostics.publish(DiagnosticArray(
            header=Header(stamp=self.get_clock().now().to_msg()), status=[
                diagnostics.input_status(identity, finding, counts, received,
                                         session.input.topic if session else '', rmw),
                diagnostics.inference_status(
                    identity, gate, session.statistics if session else FrameStatistics(),
                    settings.depth, processed, session.last_error if session else ''),
                diagnostics.model_status(identity, session.facts if session else {},
                                         self._model_error)]))


def make_node(stop: Stop) -> DetectorNode:
    """Return the node; see `DetectorNode` for what it raises."""
    return DetectorNode(stop)
