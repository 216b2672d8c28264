# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the node tells of itself once a second on /diagnostics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import rclpy
from rclpy.node import Node
from std_msgs.msg import Header

from anydepth_ros import diagnostics, transport
from anydepth_ros.depth_choice import AUTO
from anydepth_ros.diagnostics import Identity, Running
from anydepth_ros.energy_watch import LIMITS, EnergyWatch, Reading
from anydepth_ros.frame_statistics import Counts, FrameStatistics
from anydepth_ros.parameter_server import ParameterServer

if TYPE_CHECKING:
    from anydepth_ros.camera import Camera
    from anydepth_ros.session import Session


class Reporter:
    """Publishes the state of each camera's input and inference, of the model and of the energy."""

    def __init__(self, node: Node, parameters: ParameterServer, energy: EnergyWatch) -> None:
        self._energy = energy
        self._node = node
        self._parameters = parameters
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 5)
        self._rmw = transport.state(rclpy.get_rmw_implementation_identifier())
        self._last: dict[str, tuple[float, Counts]] = {}

    def tell(self, session: Session | None, gate: str, model_error: str,
             reading: Reading) -> None:
        """Publish the diagnostics and watch the inputs.

        Args:
            session: what is configured.
            gate: why no camera is served ('unconfigured', 'inactive'); empty when they are.
            model_error: why the model could not be loaded.
            reading: of the sensors, just now.
        """
        name = self._node.get_fully_qualified_name()
        identity = Identity(name, session.device if session else self._parameters['device'])
        statuses: list[DiagnosticStatus] = []
        for camera in self._parameters.cameras:
            if session:
                session.cameras[camera].feel(reading)
                statuses += self._of_camera(session.cameras[camera], gate)
            else:
                statuses += self._of_nothing(Identity(name, identity.hardware, camera), gate)
        statuses.append(diagnostics.model_status(identity, session.facts if session else {},
                                                 model_error, session.warning if session else ''))
        if session:
            statuses.append(session.requests.look())
        limits = {limit: self._parameters[limit] for limit in LIMITS}
        statuses.append(diagnostics.energy_status(
            identity, reading, limits, self._energy.words,
            self._energy.without_sensor(limits) or self._without_effect(limits)))
        self._publisher.publish(DiagnosticArray(
            header=Header(stamp=self._node.get_clock().now().to_msg()), status=statuses))

    def _without_effect(self, limits: dict[str, float]) -> str:
        """Return one sentence if a limit is set while no camera's depth can follow it."""
        used = [name for name, limit in limits.items() if limit]
        depths = {self._parameters.settings[name].depth for name in self._parameters.cameras}
        if not used or AUTO in depths:
            return ''
        return (f'{used[0]} has no effect at the fixed depth {min(depths)}; set depth to {AUTO}, '
                'or the limit to 0')

    def _of_camera(self, camera: Camera, gate: str) -> list[DiagnosticStatus]:
        counts = camera.statistics.counts
        received, processed = self._rates(camera.identity.camera, counts)
        running = camera.running(gate, processed)
        finding = None if running.gate else camera.look()
        return [diagnostics.input_status(camera.identity, finding, running.gate, counts, received,
                                         camera.input.topic, self._rmw),
                diagnostics.inference_status(camera.identity, running, camera.statistics)]

    def _of_nothing(self, identity: Identity, gate: str) -> list[DiagnosticStatus]:
        settings = self._parameters.settings[identity.camera]
        return [diagnostics.input_status(identity, None, gate, Counts(), 0.0, '', self._rmw),
                diagnostics.inference_status(
                    identity, Running(gate, settings.depth, settings.mission_mode),
                    FrameStatistics())]

    def _rates(self, camera: str, counts: Counts) -> tuple[float, float]:
        """Return how many images were received and processed a second since the last time."""
        now = time.monotonic()
        then, before = self._last.get(camera, (now, counts))
        self._last[camera] = now, counts
        seconds = max(now - then, 1e-3)
        return (max(0, counts.received - before.received) / seconds,
                max(0, counts.processed - before.processed) / seconds)
