# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Other weights while some run: judged at once, loaded beside, put in place between two frames.

The parameter `weights` takes its new value when the file has been judged by its head, by the
parameters in force and by the memory that is free. Loading may still fail; the parameter is then
set back to what runs. No ROS here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
import logging
import threading
from typing import Any

from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.measure import profile_key
from anydepth_core.runtime.memory import free_bytes, give_back, needed_bytes
from anydepth_core.runtime.network import Header, read_header
from anydepth_ros.depth_choice import AUTO
from anydepth_ros.loaded_model import LoadedModel, stamp_of
from anydepth_ros.parameters import WEIGHTS, ModelFacts, ParameterError, scoped
from anydepth_ros.profiles import find_profile

Load = Callable[[str, Callable[[], bool]], LoadedModel]


class WeightsChange:
    """Loads the weights that were asked for last; one thread at most, so two models at most.

    After `close` that thread may still load for a while, as what a library does cannot be broken
    off.

    `judge`, `follow` and `take` are called in turns; `loading` and `close` by anybody.
    """

    def __init__(self, running: Callable[[], LoadedModel | None], load: Load,
                 loaded: Callable[[], None], cameras: tuple[str, ...], profile: str,
                 router: str, input_size: tuple[int, int] | None) -> None:
        """Have nothing to do yet.

        Args:
            running: returns the model that runs; None once the node is being cleaned up.
            load: loads weights and warms them up; asks now and then whether to give up.
            loaded: called in a thread of its own when there is something to `take`.
            cameras: their names.
            profile: file that was named at start.
            router: file that was named at start; its weights are not changed.
            input_size: (height, width) that was set at start; None: as weights say.
        """
        self._running = running
        self._load = load
        self._loaded = loaded
        self._cameras = cameras
        self._profile = profile
        self._router = router
        self._input_size = input_size
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wanted = ''
        self._ticket = 0  # counts what was asked for, so that a thread knows what is out of date
        self._closed = False
        self._outcome: LoadedModel | str | None = None
        self._judged: Header | None = None
        self._header: Header | None = None

    def prepare(self) -> None:
        """Look at the head of what runs: another file of its network is then judged at once."""
        running = self._running()
        if running:
            read_header(running.weights, self._input_size)

    @property
    def loading(self) -> str:
        """The weights that are being loaded; empty: none are."""
        return self._wanted

    def judge(self, name: str | None, values: Mapping[str, Any]) -> ModelFacts | None:
        """Return what parameters have to suit beside the model that runs; None: nothing.

        Args:
            name: of weights that somebody asks for; None: those that are being loaded count.
            values: of all live parameters, as they will be.

        Raises:
            AnyDepthError: the weights cannot be.
        """
        if name is None:
            return self._facts(self._header, values) if self._wanted and self._header else None
        self._judged = None
        running = self._running()
        if self._runs(name):
            return None
        if running and self._router:
            raise ParameterError(f'{WEIGHTS}: the router {self._router!r} is for those that run; '
                                 'start without a router to change them')
        if running and running.keeper.measuring:
            raise ParameterError(f'{WEIGHTS}: a profile of those that run is being measured; wait '
                                 'for it, or cancel it')
        header = read_header(name, self._input_size)
        if running is None:
            return None
        device = running.detector.device
        needed, free = needed_bytes(header, running.detector.backend), free_bytes(device)
        if free is not None and needed > free:
            raise ParameterError(
                f'{WEIGHTS}: {name!r} may need {needed / 2**20:.0f} MiB beside those that run, '
                f'and {free / 2**20:.0f} MiB are free on {device}; clean the node up, set them, '
                'and configure it again')
        self._judged = header
        return self._facts(header, values)

    def follow(self, name: str) -> None:
        """Load these weights from now on and no others; nothing, if they are those that run."""
        with self._lock:
            if self._closed:
                return
            self._ticket += 1
            self._outcome = None
            self._header, self._judged = self._judged, None
            self._wanted = '' if self._runs(name) else name
            if self._wanted and self._thread is None:
                # It ends with the process: what a library loads cannot be broken off.
                self._thread = threading.Thread(target=self._run, name='anydepth-weights',
                                                daemon=True)
                self._thread.start()

    def take(self) -> tuple[str, LoadedModel | str] | None:
        """Return which weights were loaded and the model, or why there is none; None: nothing."""
        with self._lock:
            if self._outcome is None:
                return None
            taken = self._wanted, self._outcome
            self._outcome, self._wanted = None, ''
            return taken

    def close(self) -> None:
        """Let what is being loaded go; its thread ends by itself as soon as it can."""
        with self._lock:
            self._closed, self._wanted, self._outcome = True, '', None
            self._ticket += 1

    def _run(self) -> None:
        while True:
            with self._lock:
                name, ticket = self._wanted, self._ticket
                if not name:
                    self._thread = None
                    return
            outcome = self._attempt(name, ticket)
            with self._lock:
                if ticket == self._ticket:
                    self._outcome, self._thread = outcome, None
                    self._loaded()
                    return
            del outcome
            give_back()  # before the next takes its memory

    def _attempt(self, name: str, ticket: int) -> LoadedModel | str:
        """Return the model, or why there is none: an error itself would hold half a model."""
        try:
            return self._load(name, lambda: ticket != self._ticket)
        except AnyDepthError as error:
            return str(error)
        except Exception as error:  # memory that is short, above all
            logging.getLogger(__name__).debug('loading %s', name, exc_info=True)
            return f'{type(error).__name__}: {error}'

    def _runs(self, name: str) -> bool:
        running = self._running()
        return (running is not None and running.weights == name and running.stamp is not None
                and running.stamp == stamp_of(name))

    def _facts(self, header: Header, values: Mapping[str, Any]) -> ModelFacts:
        """Return what the file decides; its profile too, where the depth of a camera needs one."""
        profile, where, running = None, '', self._running()
        if running and AUTO in {values[scoped(camera, 'depth')] for camera in self._cameras}:
            key = replace(profile_key(running.detector), input_size=header.info.input_size,
                          weights_hash=header.weights_hash)
            profile, where = find_profile(key, header.depths, self._profile, must=False)
        return ModelFacts(header.depths, header.info.class_names, profile,
                          f'{where}; set a depth, then the weights, and measure one when they run',
                          len(self._cameras))
