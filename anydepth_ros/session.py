# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What exists while the node is configured: the model, its thread, its cameras, its requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
import math
import threading
from typing import Any

from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.memory import give_back
from anydepth_ros.camera import Camera
from anydepth_ros.diagnostics import Identity
from anydepth_ros.image_input import AnyImage
from anydepth_ros.loaded_model import LoadedModel
from anydepth_ros.outputs import ManagedNode
from anydepth_ros.parameter_server import ParameterServer
from anydepth_ros.parameters import WEIGHTS
from anydepth_ros.profiles import BetweenFrames, as_table
from anydepth_ros.receiver import Receiver
from anydepth_ros.requests import Requests
from anydepth_ros.scheduler import Scheduler
from anydepth_ros.turns import Turns
from anydepth_ros.weights_change import WeightsChange
from anydepth_ros.worker import Worker


class Session:
    """A loaded model between its inputs and its outputs, from configure to cleanup.

    Attributes:
        cameras: by name.
        requests: images that are to be answered one by one.
        change: to other weights.
        device: the network runs on.
    """

    def __init__(self, node: ManagedNode, parameters: ParameterServer,
                 active_since: Callable[[], float], asked_to_end: Callable[[], bool],
                 weights_loaded: Callable[[], None]) -> None:
        """Load and warm up the model, then create the thread and the topics.

        Args:
            node: whose topics they are.
            parameters: where the settings of each frame come from.
            active_since: since when images are to be processed, in seconds of
                `time.monotonic`; inf: they are not now.
            asked_to_end: whether to give up on the way.
            weights_loaded: lets `put_weights_in_place` be called in the parameters' turn.

        Raises:
            AnyDepthError: weights, device or settings that cannot be; nothing is left behind.
        """
        self._node, self._parameters = node, parameters
        self._asked_to_end = asked_to_end
        self._open = threading.Lock()
        self._failure = ''
        model = LoadedModel(parameters[WEIGHTS], parameters, self._name, asked_to_end,
                            backend=parameters['backend'], device=parameters['device'])
        self._model: LoadedModel | None = model
        self.device = model.detector.device
        if model.keeper.profile is None and parameters['profile_on_start']:
            node.get_logger().info('measuring what each depth costs on this device, once')
            model.measure()
        with ExitStack() as undo:
            undo.callback(parameters.attach, None)
            parameters.attach(model.model_facts())
            model.warm_up(parameters.settings.values(), asked_to_end)
            model.batch(model.detector, asked_to_end)
            self._scheduler: Scheduler[AnyImage] = Scheduler()
            self.cameras: dict[str, Camera] = {}
            for name in parameters.cameras:
                camera = self._camera(name, active_since)
                undo.callback(camera.destroy)
                self.cameras[name] = camera
            self.requests = Requests(node, Identity(self._name, self.device), self._scheduler,
                                     parameters['class_id_as'],
                                     lambda: parameters.settings[''],
                                     lambda: active_since() < math.inf)
            undo.callback(self.requests.destroy)
            turns = Turns(self._scheduler, self.cameras)
            worker = Worker(self._scheduler, turns.process, turns.report)
            undo.callback(worker.close)
            receiver = Receiver(node, (camera.input for camera in self.cameras.values()))
            undo.callback(receiver.close)
            self.change = WeightsChange(lambda: self._model, self._load, weights_loaded,
                                        parameters.cameras, parameters['profile'],
                                        parameters['router'], parameters.input_size)
            self.change.prepare()
            self._undo = undo.pop_all()
        give_back()
        node.get_logger().info(model.words)
        if model.warning:
            node.get_logger().warning(model.warning)
        if model.detector.batching.shares:
            node.get_logger().info(f'several cameras: {model.detector.batching}')
        self.apply_settings()

    def close(self) -> None:
        """End the thread, take the topics away and free the model."""
        self.change.close()
        with self._open:
            model, self._model = self._model, None
        if model:
            model.keeper.cancel()
        self._undo.close()

    @contextmanager
    def kept_open(self) -> Iterator[bool]:
        """Let nobody close the session meanwhile; yield whether it still is open."""
        with self._open:
            yield self._model is not None

    @property
    def facts(self) -> dict[str, Any]:
        """What is told of the model; nothing once the session is closed."""
        model = self._model
        return {**model.facts, 'loading': self.change.loading} if model else {}

    @property
    def warning(self) -> str:
        """What should be better; empty where nothing should."""
        model = self._model
        return self._failure or (model.warning if model else '')

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

    def follow_weights(self, name: str) -> None:
        """Load other weights beside those that run, unless they are the same."""
        self._failure = ''
        self.change.follow(name)
        if self.change.loading:
            self._node.get_logger().info(f'loading {name}; what runs goes on meanwhile')

    def put_weights_in_place(self) -> None:
        """Let the next frame run on the weights that were loaded, or tell why there are none.

        Called in the parameters' turn, so that no parameter changes meanwhile.
        """
        taken, running = self.change.take(), self._model
        if taken is None or running is None:
            return
        name, outcome = taken
        why = outcome if isinstance(outcome, str) else self._exchange(running, outcome)
        if why:
            self._failure = f'{name} could not be loaded: {why}; {running.weights} still runs'
            self._node.get_logger().error(self._failure)
            self._parameters.put_back_weights(running.weights)

    def measure_profile(self) -> str:
        """Measure what depths cost between the frames that come meanwhile, and follow the result.

        Returns:
            the path of the profile and what is in it.

        Raises:
            AnyDepthError: another measurement runs, this one was cancelled, weights are being
                loaded, or its result cannot be kept or followed.
        """
        model = self._model
        if self.change.loading:
            raise AnyDepthError('weights are being loaded; measure when they run')
        try:
            if model is None:
                raise CancelledError
            profile = model.keeper.measure(self._scheduler.call)
        except CancelledError:
            raise AnyDepthError('the node was cleaned up meanwhile') from None
        with self.kept_open():
            if self._model is model:
                self._parameters.attach(model.model_facts())
        return f'{model.keeper.where}\n{as_table(profile)}'

    def cancel_measuring(self) -> bool:
        """Let a measurement end; return whether one was running."""
        model = self._model
        return model is not None and model.keeper.cancel()

    def describe(self) -> dict[str, Any]:
        """Return what is known of the model, its depths and its profile, as JSON has it."""
        model = self._model
        return {**model.describe(), 'loading': self.change.loading} if model else {'model': None}

    @property
    def _name(self) -> str:
        return self._node.get_fully_qualified_name()

    def _camera(self, name: str, active_since: Callable[[], float]) -> Camera:
        return Camera(self._node, Identity(self._name, self.device, name), self._scheduler,
                      self._parameters['image_transport'], self._parameters['class_id_as'],
                      lambda: self._parameters.settings[name], active_since)

    def _load(self, name: str, given_up: Callable[[], bool]) -> LoadedModel:
        """Load other weights where those before run, and warm them up."""
        running = self._model
        if running is None:
            raise AnyDepthError('the node was cleaned up')
        model = LoadedModel(name, self._parameters, self._name, self._asked_to_end,
                            backend=running.detector.backend, device=running.detector.device)
        settings = self._parameters.preview(model.model_facts())

        def stop() -> bool:
            return given_up() or self._asked_to_end()
        model.warm_up(settings.values(), stop)
        try:
            # Between frames, which would spoil what is measured.
            model.batch(BetweenFrames(model.detector, self._scheduler.call, stop), stop)
        except CancelledError:
            raise AnyDepthError('the node was cleaned up') from None
        return model

    def _exchange(self, running: LoadedModel, model: LoadedModel) -> str:
        """Put a model in place of the one that runs; return why it cannot be."""
        facts, log = model.model_facts(), self._node.get_logger()
        before = self._parameters.refused_modes(running.model_facts())
        after = self._parameters.refused_modes(facts)
        with self.kept_open() as is_open:
            if not is_open:
                return ''
            try:
                # The detector is part of the settings: a frame has both of one model.
                self._parameters.attach(facts)
            except AnyDepthError as error:
                return str(error)
            self._model = model
        self._failure = ''
        self.apply_settings()
        self._scheduler.submit(give_back)  # between two frames nobody holds the old one any more
        log.info(f'from the next image: {model.words}')
        for mode in after.keys() - before.keys():
            log.warning(f'mission mode {mode} cannot be selected any more: {after[mode]}')
        return ''
