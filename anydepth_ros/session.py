# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What exists while the node is configured: the model, its thread, its cameras."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
import threading
import time
from typing import Any

from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.batching import measure_batching
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.devices import available_devices
from anydepth_core.runtime.policy_budgeted import Budgeted
from anydepth_core.runtime.router import open_routed
from anydepth_ros.camera import Camera
from anydepth_ros.depth_choice import make_policy
from anydepth_ros.diagnostics import Identity
from anydepth_ros.image_input import AnyImage
from anydepth_ros.outputs import ManagedNode
from anydepth_ros.parameter_server import ParameterServer
from anydepth_ros.parameters import ModelFacts
from anydepth_ros.profile_keeper import ProfileKeeper
from anydepth_ros.profiles import as_table
from anydepth_ros.receiver import Receiver
from anydepth_ros.scheduler import Scheduler
from anydepth_ros.turns import Turns
from anydepth_ros.unused_gpu import drivers, unused_gpu
from anydepth_ros.worker import Worker


class Session:
    """A loaded detector between its inputs and its outputs, from configure to cleanup."""

    def __init__(self, node: ManagedNode, parameters: ParameterServer,
                 is_active: Callable[[], bool], asked_to_end: Callable[[], bool]) -> None:
        """Load and warm up the model, then create the thread and the topics.

        Args:
            node: whose topics they are.
            parameters: where the settings of each frame come from.
            is_active: whether images are to be processed at this moment.
            asked_to_end: whether to give up on the way.

        Raises:
            AnyDepthError: weights, device or settings that cannot be; nothing is left behind.
        """
        self._node, self._parameters = node, parameters
        self._open = threading.Lock()
        started = time.monotonic()
        detector = _open(parameters)
        loaded = time.monotonic()
        self._detector: Detector | None = detector
        self.device = detector.device
        self._keeper = ProfileKeeper(detector, parameters['profile'], f'{self._name} of '
                                     'anydepth_ros', asked_to_end)
        if self._keeper.profile is None and parameters['profile_on_start']:
            node.get_logger().info('measuring what each depth costs on this device, once')
            self._keeper.measure()
        profiled = time.monotonic()
        with ExitStack() as undo:
            undo.callback(parameters.attach, None)
            parameters.attach(self._model_facts(detector))
            for depth in self._depths_to_warm_up():
                if asked_to_end():
                    raise AnyDepthError('told to end')
                detector.warm_up([depth])
            detector.batching = measure_batching(detector, len(parameters.cameras), asked_to_end)
            warm = time.monotonic()
            self._scheduler: Scheduler[AnyImage] = Scheduler()
            self.cameras: dict[str, Camera] = {}
            for name in parameters.cameras:
                camera = self._camera(name, detector, is_active)
                undo.callback(camera.destroy)
                self.cameras[name] = camera
            turns = Turns(self._scheduler, self.cameras)
            worker = Worker(self._scheduler, turns.process, turns.report)
            undo.callback(worker.close)
            receiver = Receiver(node, (camera.input for camera in self.cameras.values()))
            undo.callback(receiver.close)
            self._undo = undo.pop_all()
        self.facts: dict[str, Any] = {
            'model': detector.model_name, 'weights': parameters['weights'],
            'weights_sha256': detector.weights_hash, 'classes': len(detector.class_names),
            'input_size': '{1}x{0}'.format(*detector.input_size), 'backend': detector.backend,
            'device': detector.device, 'precision': detector.precision,
            'router': parameters['router'], 'batching': str(detector.batching),
            'profile': self._keeper.where, 'load_s': loaded - started,
            'profile_s': profiled - loaded, 'warm_up_s': warm - profiled}
        self.warning = self._tell(detector)
        self.apply_settings()

    def close(self) -> None:
        """End the thread, take the topics away and free the model."""
        self._keeper.cancel()
        with self._open:
            self._detector = None
        self._undo.close()

    @contextmanager
    def kept_open(self) -> Iterator[bool]:
        """Let nobody close the session meanwhile; yield whether it still is open."""
        with self._open:
            yield self._detector is not None

    def apply_settings(self) -> None:
        """Let changed settings be felt also by who waits for a turn or listens."""
        self._scheduler.wake()
        with self.kept_open() as is_open:
            for camera in self.cameras.values() if is_open else ():
                camera.apply()

    def discard_waiting(self) -> None:
        """Forget the images that wait for their turn."""
        for camera in self.cameras.values():
            camera.discard_waiting()

    def measure_profile(self) -> str:
        """Measure what depths cost between the frames that come meanwhile, and follow the result.

        Returns:
            the path of the profile and what is in it.

        Raises:
            AnyDepthError: another measurement runs, this one was cancelled, or its result cannot
                be kept or followed.
        """
        try:
            profile = self._keeper.measure(self._scheduler.call)
        except CancelledError:
            raise AnyDepthError('the node was cleaned up meanwhile') from None
        with self.kept_open():
            if self._detector:
                self._parameters.attach(self._model_facts(self._detector))
        self.facts['profile'] = self._keeper.where
        return f'{self._keeper.where}\n{as_table(profile)}'

    def cancel_measuring(self) -> bool:
        """Let a measurement end; return whether one was running."""
        return self._keeper.cancel()

    def describe(self) -> dict[str, Any]:
        """Return what is known of the model, its depths and its profile, as JSON has it."""
        detector, profile = self._detector, self._keeper.profile
        return {**self.facts, 'class_names': detector.class_names if detector else (),
                'depths': detector.depths.grammar() if detector else '',
                'profile_entries': [{**vars(entry), 'depth': entry.name}
                                    for entry in (profile.entries if profile else ())]}

    @property
    def _name(self) -> str:
        return self._node.get_fully_qualified_name()

    def _camera(self, name: str, detector: Detector, is_active: Callable[[], bool]) -> Camera:
        return Camera(self._node, Identity(self._name, detector.device, name), detector,
                      self._scheduler, self._parameters['image_transport'],
                      lambda: self._parameters.settings[name], is_active)

    def _tell(self, detector: Detector) -> str:
        """Log what was found out about how the model runs; return what should be better."""
        log = self._node.get_logger()
        if detector.batching.shares:
            log.info(f'several cameras: {detector.batching}')
        warning = unused_gpu(detector.device, available_devices(), drivers())
        if warning:
            log.warning(warning)
        return warning

    def _model_facts(self, detector: Detector) -> ModelFacts:
        return ModelFacts(detector.depths, detector.class_names, self._keeper.profile,
                          self._keeper.advice(self._name), len(self._parameters.cameras),
                          bool(self._parameters['router']))

    def _depths_to_warm_up(self) -> list[str]:
        """Return the extremes, which have all layers, and what the cameras may run.

        On CUDA each depth is a graph of its own, so there all that `auto` may ever choose too.
        """
        found = ['full', 'base']
        if self._keeper.profile and self.device.startswith('cuda'):
            found += [entry.name for entry in self._keeper.profile.entries]
        for settings in self._parameters.settings.values():
            assert settings.plan is not None
            policy = make_policy(settings.plan)
            found += ([str(entry.depth) for entry in policy.options]
                      if isinstance(policy, Budgeted) else [str(policy.choose(0.0).depth)])
        return list(dict.fromkeys(found))


def _open(parameters: ParameterServer) -> Detector:
    """Return the detector that the parameters ask for."""
    how = {name: parameters[name] for name in ('backend', 'device', 'precision')}
    if parameters['router']:
        return open_routed(parameters['weights'], parameters['router'], **how)
    return Detector.open(parameters['weights'], **how)
