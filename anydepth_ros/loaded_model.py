# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One loaded model: its detector, the profile it follows, and what the node tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import time
from typing import Any

from anydepth_core.errors import AnyDepthError
from anydepth_core.models.weights import resolve_weights
from anydepth_core.runtime.batching import measure_batching
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.devices import available_devices
from anydepth_core.runtime.policy_budgeted import Budgeted
from anydepth_core.runtime.router import open_routed
from anydepth_ros.depth_choice import make_policy
from anydepth_ros.parameter_server import ParameterServer
from anydepth_ros.parameters import ModelFacts, Settings
from anydepth_ros.profile_keeper import ProfileKeeper
from anydepth_ros.unused_gpu import drivers, unused_gpu


class LoadedModel:
    """A detector as it runs.

    Attributes:
        weights: as the parameter names them.
        stamp: of their file, see `stamp_of`.
        detector: that runs them.
        keeper: of its profile.
        warning: what should be better about how it runs; empty where nothing should.
    """

    def __init__(self, weights: str, parameters: ParameterServer, node: str,
                 asked_to_end: Callable[[], bool], *, backend: str, device: str) -> None:
        """Load weights, which takes seconds; nothing has run yet.

        Args:
            weights: name or path.
            parameters: of the node, for the rest.
            node: its full name.
            asked_to_end: whether to give up measuring a profile.
            backend: or 'auto'.
            device: or 'auto'.

        Raises:
            AnyDepthError: weights, device or profile that cannot be.
        """
        began = time.monotonic()
        self.weights = weights
        self.stamp = stamp_of(weights)
        how: Any = {'backend': backend, 'device': device, 'precision': parameters['precision'],
                    'input_size': parameters.input_size}
        self._router: str = parameters['router']
        self.detector = (open_routed(weights, self._router, **how) if self._router
                         else Detector.open(weights, **how))
        self._times = {'load_s': time.monotonic() - began, 'profile_s': 0.0, 'warm_up_s': 0.0}
        # A profile that was named at start is of the weights that were.
        self.keeper = ProfileKeeper(
            self.detector, parameters['profile'], f'{node} of anydepth_ros', asked_to_end,
            must=weights == parameters.first_weights)
        self._node = node
        self._cameras = len(parameters.cameras)
        self.warning = unused_gpu(self.detector.device, available_devices(), drivers())

    def measure(self) -> None:
        """Measure a profile at once.

        Raises:
            AnyDepthError: told to end.
        """
        began = time.monotonic()
        self.keeper.measure()
        self._times['profile_s'] = time.monotonic() - began

    def warm_up(self, settings: Iterable[Settings], asked_to_end: Callable[[], bool]) -> None:
        """Run once what the cameras and requests may run.

        Args:
            settings: of the cameras, made for this model.
            asked_to_end: asked before each depth whether to give up.

        Raises:
            AnyDepthError: told to end.
        """
        began = time.monotonic()
        for depth in self._depths_to_warm_up(settings):
            if asked_to_end():
                raise AnyDepthError('told to end')
            self.detector.warm_up([depth])
        self._times['warm_up_s'] = time.monotonic() - began

    def batch(self, measured: Detector, asked_to_end: Callable[[], bool]) -> None:
        """Find out whether cameras should share a pass.

        Args:
            measured: the detector, or one that does the same between frames.
            asked_to_end: whether to give up.
        """
        self.detector.batching = measure_batching(measured, self._cameras, asked_to_end)

    def model_facts(self) -> ModelFacts:
        """Return what it decides about the parameters."""
        return ModelFacts(self.detector.depths, self.detector.class_names, self.keeper.profile,
                          self.keeper.advice(self._node), self._cameras,
                          bool(self._router), self.detector)

    @property
    def facts(self) -> dict[str, Any]:
        """What is told of it in the diagnostics."""
        detector = self.detector
        return {
            'model': detector.model_name, 'weights': self.weights,
            'weights_sha256': detector.weights_hash, 'classes': len(detector.class_names),
            'input_size': '{1}x{0}'.format(*detector.input_size), 'backend': detector.backend,
            'device': detector.device, 'precision': detector.precision,
            'router': self._router, 'batching': str(detector.batching),
            'profile': self.keeper.where, **self._times}

    @property
    def words(self) -> str:
        """One clause for the log."""
        return ('{model} from {weights} on {backend} {device} {precision}, {classes} classes, '
                'input {input_size}; loaded in {load_s:.1f} s, warmed up in {warm_up_s:.1f} s'
                .format(**self.facts))

    def describe(self) -> dict[str, Any]:
        """Return what is known of the model, its depths and its profile, as JSON has it."""
        profile = self.keeper.profile
        return {**self.facts, 'class_names': self.detector.class_names,
                'depths': self.detector.depths.grammar(),
                'profile_entries': [{**vars(entry), 'depth': entry.name}
                                    for entry in (profile.entries if profile else ())]}

    def _depths_to_warm_up(self, of: Iterable[Settings]) -> list[str]:
        """Return depths that together run all there is, and what may run.

        On CUDA each depth is a graph of its own, so there all that `auto` may ever choose too.
        """
        found = [str(depth) for depth in self.detector.depths.covering]
        if self.keeper.profile and self.detector.device.startswith('cuda'):
            found += [entry.name for entry in self.keeper.profile.entries]
        for settings in of:
            assert settings.plan is not None
            policy = make_policy(settings.plan)
            found += ([str(entry.depth) for entry in policy.options]
                      if isinstance(policy, Budgeted) else [str(policy.choose(0.0).depth)])
            found.append(str(self.detector.depths.parse(settings.request_depth)))
        return list(dict.fromkeys(found))


def stamp_of(weights: str) -> tuple[int, ...] | None:
    """Return what changes when the file of the weights does; None if there is none."""
    try:
        status = resolve_weights(weights).stat()
    except (AnyDepthError, OSError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
