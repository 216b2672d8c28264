# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""One camera of a configured node: input, outputs, counts, and what picks its depth."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
import math
import time

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage

from anydepth_core.detections import Detections
from anydepth_core.runtime.budget import Budget
from anydepth_core.runtime.detector import Detector
from anydepth_core.runtime.policy import Choice, FrameCost
from anydepth_core.runtime.preprocess import Color
from anydepth_ros.conversions import to_array
from anydepth_ros.depth_choice import DepthChooser
from anydepth_ros.diagnostics import FrameReport, Identity, Running, shortfall_text, words
from anydepth_ros.energy_watch import Reading
from anydepth_ros.frame_statistics import FrameStatistics
from anydepth_ros.image_input import AnyImage, ImageInput, stamp_ns
from anydepth_ros.input_watch import Finding
from anydepth_ros.outputs import ManagedNode, Outputs
from anydepth_ros.parameters import Settings
from anydepth_ros.scheduler import Letter, Rank, Scheduler

UNITS = {'latency_ms': 'ms', 'gflops': 'GFLOPs', 'energy_j': 'J'}


@dataclass(frozen=True)
class Frame:
    """An image about to be detected, with the settings in force when its turn began.

    Attributes:
        letter: the message, with how long it waited.
        settings: of the camera.
        detector: that is to run.
        pixels: (H, W, 3) uint8.
        color: order of their channels.
        choice: the depth, and why.
        key: what images must have in common to be detected in one pass; None: never.
    """

    letter: Letter[AnyImage]
    settings: Settings
    detector: Detector
    pixels: NDArray[np.uint8]
    color: Color
    choice: Choice
    key: Hashable | None


class Camera:
    """From the images of one camera to its detections; the inference thread begins and ends."""

    def __init__(self, node: ManagedNode, identity: Identity,
                 scheduler: Scheduler[AnyImage], transport: str, class_id_as: str,
                 settings: Callable[[], Settings], active_since: Callable[[], float]) -> None:
        """Create the topics.

        Args:
            node: whose topics they are.
            identity: names the camera.
            scheduler: where images wait for their turn.
            transport: of the images.
            class_id_as: what detections say of their class.
            settings: returns those in force.
            active_since: since when images are to be processed, in seconds of
                `time.monotonic`; inf: they are not now.
        """
        self.identity = identity
        self.statistics = FrameStatistics()
        self._node = node
        self._settings = settings
        self._active_since = active_since
        self._enabled_since = math.inf
        self._chooser = DepthChooser()
        self._choice: Choice | None = None
        self._last_error = ''
        self._slot = scheduler.slot(identity.camera, self._rank)
        topic = f'{identity.camera}/image' if identity.camera else 'image'
        self.input = ImageInput(node, topic, transport, self._slot, self.statistics,
                                self._open_since)
        try:
            self.outputs = Outputs(node, identity, class_id_as)
        except BaseException:
            self.input.destroy()
            raise

    def destroy(self) -> None:
        """Take the topics away."""
        self.outputs.destroy()
        self.input.destroy()

    def apply(self) -> None:
        """Show others the settings that they can see; disabled, nothing waits for better times."""
        settings = self._settings()
        if not settings.enabled:
            self._enabled_since = math.inf
            self._slot.discard()
        elif self._enabled_since == math.inf:
            self._enabled_since = time.monotonic()
        assert settings.detector is not None
        self.outputs.publish_labels(settings.detector, settings.score_threshold)

    def discard_waiting(self) -> None:
        """Forget an image that waits for its turn."""
        self._slot.discard()

    def shared(self, image: AnyImage) -> Hashable | None:
        """Return the `Frame.key` that an image would have now."""
        return _shared(self._settings(), image)

    def begin(self, letter: Letter[AnyImage]) -> Frame | None:
        """Return what is to be detected; None if the image is too old, or not wanted any more.

        Raises:
            ImageError: it cannot be read.
        """
        settings, message = self._settings(), letter.item
        wanted = time.monotonic() - letter.waited_s >= self._open_since()
        if not wanted or self._refuse(letter, settings):
            return None
        pixels, color = to_array(message)
        assert settings.plan is not None and settings.detector is not None
        choice = self._choice = self._chooser.choose(settings.plan, time.monotonic())
        return Frame(letter, settings, settings.detector, pixels, color, choice,
                     _shared(settings, message))

    def finish(self, frame: Frame, detections: Detections, batch: int) -> None:
        """Publish what was found in an image.

        Args:
            frame: from `begin`.
            detections: of it.
            batch: how many images the pass had.
        """
        message, settings = frame.letter.item, frame.settings
        self._chooser.observe(FrameCost(frame.choice.depth, detections.timing.total_ms,
                                        benefit=detections.benefit))
        self.outputs.publish_detections(detections, message.header, frame.detector.class_names)
        counts = self.statistics.add_processed(detections.timing.total_ms)
        self.outputs.publish_status(message.header, FrameReport(
            detections, frame.choice, _unit(settings), settings.mission_mode,
            frame.detector.weights_hash, counts, wait_ms=1e3 * frame.letter.waited_s,
            age_ms=self._age_ms(message), batch=batch))
        self.outputs.views.publish(frame.pixels, frame.color, detections,
                                   frame.detector.class_names, message.header)

    def report(self, error: Exception) -> None:
        """Count an image that could not be processed; tell it where its kind is new."""
        self._last_error = words(error)
        self.input.tell_failed(self._last_error)

    def look(self) -> Finding:
        """Judge the input; called about once a second."""
        return self.input.look(self._settings())

    def feel(self, reading: Reading) -> None:
        """Take note of power and temperature; called about once a second."""
        self._chooser.feel(reading.at, reading.power_w, reading.temperature_c)

    def running(self, gate: str, rate_hz: float) -> Running:
        """Return how frames are processed, for the diagnostics."""
        settings, choice = self._settings(), self._choice
        limit, over = self._chooser.limit()
        short = shortfall_text(choice, _unit(settings))
        if over:
            short = f'{limit}; the shallowest depth allowed is {over} over'
        return Running(gate or ('' if settings.enabled else 'disabled'), settings.depth,
                       settings.mission_mode, rate_hz, choice.reason if choice else '',
                       short, self._last_error)

    def _open_since(self) -> float:
        """Return since when images are to be processed; inf: they are not now."""
        enabled = self._settings().enabled
        return max(self._active_since(), self._enabled_since) if enabled else math.inf

    def _rank(self) -> Rank:
        settings = self._settings()
        return Rank(settings.priority, settings.rate_limit_hz)

    def _refuse(self, letter: Letter[AnyImage], settings: Settings) -> bool:
        """Return whether the image is older than allowed, and count it then."""
        if not settings.max_age_ms:
            return False
        age_ms = self._age_ms(letter.item)
        # Without a stamp only the time in our own hands is known: nan is not greater.
        too_old = max(1e3 * letter.waited_s, age_ms) > settings.max_age_ms
        if too_old:
            self.statistics.add(refused=1)
            self._slot.give_back()
        return too_old

    def _age_ms(self, message: AnyImage) -> float:
        stamp = stamp_ns(message)
        now = self._node.get_clock().now().nanoseconds
        return (now - stamp) / 1e6 if stamp else float('nan')


def _shared(settings: Settings, image: AnyImage) -> Hashable | None:
    """Return what images must have in common to be detected in one pass; None: never.

    A policy learns from what an image costs alone, so a depth that one chooses is not shared.
    """
    if settings.plan is None or settings.plan.depth is None:
        return None
    return (settings.detector, settings.plan.depth, settings.score_threshold, settings.nms_iou,
            settings.max_detections, settings.class_indices,
            image.format if isinstance(image, CompressedImage) else image.encoding)


def _unit(settings: Settings) -> str:
    budget: Budget | None = settings.plan.budget if settings.plan else None
    return UNITS[budget.resource] if budget else ''
