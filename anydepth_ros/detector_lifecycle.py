# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node `detector`: transitions, parameters, services and diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from importlib import import_module
import math
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.lifecycle.node import LifecycleNodeMixin
from rclpy.node import Node
from rclpy.parameter import Parameter

from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.energy import open_sensors
from anydepth_ros import transport
from anydepth_ros.energy_watch import EnergyWatch
from anydepth_ros.executable import BUG, USER_ERROR, Stop
from anydepth_ros.outputs import ManagedNode
from anydepth_ros.parameter_server import ParameterServer
from anydepth_ros.parameters import WEIGHTS, ModelFacts
from anydepth_ros.reporter import Reporter
from anydepth_ros.services import Services

if TYPE_CHECKING:
    from anydepth_ros.session import Session

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class DetectorNode(ManagedNode):
    """Lifecycle, parameters, services and diagnostics around a `Session`.

    Callback groups: transitions have their own, so that loading a model blocks no parameter;
    parameters and services share the node's default. Images do not pass the executor, see
    `receiver.Receiver`.
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
        self._active_since = math.inf
        self._model_error = ''
        self._failed_with = 0
        self._energy = EnergyWatch(open_sensors())
        self.parameters = ParameterServer(self, self._on_settings, self._energy.without_sensor,
                                          self._judge_weights, self._follow_weights)
        # Triggered by the thread that loads; its callback takes turns with those of parameters.
        self._weights_loaded = self.create_guard_condition(self._on_weights_loaded)
        self._configured = self.create_guard_condition(self._on_configured)
        self._reporter = Reporter(self, self.parameters, self._energy)
        self._own_services = Services(self, self.parameters, lambda: self._session, self._state)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._watch_group = MutuallyExclusiveCallbackGroup()
        self.create_timer(1.0, self._on_tick, callback_group=self._watch_group, clock=steady)
        # PyTorch takes seconds to import: meanwhile the node can be seen and answers.
        self._preload = threading.Thread(target=_preload)
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
        began = time.monotonic()
        try:
            work()
            result = managed(state)
            self.get_logger().info(f'{name}: {1e3 * (time.monotonic() - began):.1f} ms')
            return result
        except AnyDepthError as error:
            self._failed_with = USER_ERROR
            self._model_error = ' '.join(str(error).split())
            # One line of code each: rclpy refuses another severity where it has logged before.
            if self._stop.asked:
                self.get_logger().info(f'cannot {name}: {self._model_error}')
            else:
                self.get_logger().error(f'cannot {name}: {self._model_error}')
            return FAILURE
        except Exception as error:
            self._failed_with = BUG
            self._model_error = f'{type(error).__name__}: {error}'
            self.get_logger().error(f'{name} failed: {self._model_error}\n'
                                    f'{traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR

    def _configure(self) -> None:
        self._model_error = ''
        # A module whose import is failing in one thread is there, but empty, for another.
        self._preload.join()
        try:
            from anydepth_ros.session import Session
        except ModuleNotFoundError as error:
            raise AnyDepthError(f'the Python package {error.name} is missing; what rosdep cannot '
                                'install is named in the README, below "Run it on a robot"'
                                ) from error
        self._session = Session(self, self.parameters, lambda: self._active_since,
                                lambda: self._stop.asked, self._weights_loaded.trigger)
        self._configured.trigger()
        self._own_services.configured()

    def _activate(self) -> None:
        assert self._session is not None
        # What was received before is not processed, whenever a thread gets round to take it.
        self._active_since = time.monotonic()
        for name, camera in self._session.cameras.items():
            settings = self.parameters.settings[name]
            self.get_logger().info(
                f'active at depth {settings.depth}, waiting for images on {camera.input.topic}'
                + ('' if settings.enabled else '; enabled is false, so nothing is processed'))

    def _deactivate(self) -> None:
        self._active_since = math.inf
        if self._session:
            self._session.discard_waiting()

    def _clean_up(self) -> None:
        from anydepth_core.runtime.memory import give_back
        self._release()
        give_back()

    def _release(self) -> None:
        self._active_since = math.inf
        session, self._session = self._session, None
        if session:
            session.close()

    def _autostart(self) -> None:
        self._starter.cancel()
        if self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS:
            return
        self._stop.ask(self._failed_with or BUG)

    def _state(self) -> str:
        return 'unconfigured' if self._session is None else (
            'active' if self._active_since < math.inf else 'inactive')

    def _on_settings(self) -> None:
        session = self._session
        if session:
            session.apply_settings()

    def _judge_weights(self, name: str | None, values: Mapping[str, Any]) -> ModelFacts | None:
        session = self._session
        if session:
            return session.change.judge(name, values)
        if name is not None:
            from anydepth_core.runtime.network import read_header
            read_header(name, self.parameters.input_size)
        return None

    def _follow_weights(self, name: str) -> None:
        session = self._session
        if session:
            session.follow_weights(name)

    def _on_configured(self) -> None:
        """Change to weights that were set while others were loaded, or say why not."""
        session, wanted = self._session, self.parameters[WEIGHTS]
        if not session or wanted == session.facts['weights']:
            return
        result, = self.set_parameters([Parameter(WEIGHTS, value=wanted)])
        if not result.successful:
            self.parameters.put_back_weights(session.facts['weights'])

    def _on_weights_loaded(self) -> None:
        session = self._session
        if session:
            session.put_weights_in_place()

    def _on_tick(self) -> None:
        """Publish the diagnostics and watch the inputs, once a second."""
        session, state = self._session, self._state()
        reading = self._energy.read()  # before, because a driver may take its time
        with session.kept_open() if session else nullcontext(False) as is_open:
            self._reporter.tell(session if is_open else None, '' if state == 'active' else state,
                                self._model_error, reading)


def make_node(stop: Stop) -> DetectorNode:
    """Return the node; see `DetectorNode` for what it raises."""
    return DetectorNode(stop)


def _preload() -> None:
    """Import what configuring needs."""
    with suppress(ModuleNotFoundError):  # configuring tells which
        import_module('anydepth_ros.session')
