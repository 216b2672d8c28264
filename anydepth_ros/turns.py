# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What happens in a turn of the inference thread: one image, or several cameras' in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anydepth_core.detections import Detections
from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.batching import Batching
from anydepth_ros.camera import Camera, Frame
from anydepth_ros.image_input import AnyImage
from anydepth_ros.scheduler import Letter, Scheduler


class Turns:
    """Detects the objects in an image whose turn it is, with others that are ready, if that pays.

    Cameras share a pass only where one pass can serve them: the same depth, which was set and not
    chosen by a policy, the same thresholds and classes. No image waits for another.
    """

    def __init__(self, scheduler: Scheduler[AnyImage], cameras: Mapping[str, Camera]) -> None:
        self._scheduler = scheduler
        self._cameras = cameras

    def process(self, letter: Letter[AnyImage]) -> None:
        """Process the image, and those that share the pass with it."""
        frame = self._begin(letter)
        if frame is None:
            return
        others = self._sharing(frame)
        self._finish([frame, *(each for each in others if each.key == frame.key)])
        for each in others:
            if each.key != frame.key:  # its settings changed as its turn began
                self._finish([each])

    def report(self, letter: Letter[AnyImage], error: Exception) -> None:
        """Tell the camera that its image could not be processed."""
        self._cameras[letter.camera].report(error)

    def _begin(self, letter: Letter[AnyImage]) -> Frame | None:
        try:
            return self._cameras[letter.camera].begin(letter)
        except Exception as error:
            self.report(letter, error)
            return None

    def _sharing(self, frame: Frame) -> list[Frame]:
        """Begin the frames of other cameras that are ready for the same pass."""
        most = frame.detector.batching.most
        if most < 2 or frame.key is None:
            return []
        own = frame.letter.camera  # which may have a newer image by now

        def matches(name: str, item: AnyImage) -> bool:
            return name != own and self._cameras[name].shared(item) == frame.key
        letters = self._scheduler.more(matches, most - 1)
        begun = (self._begin(letter) for letter in letters)
        return [each for each in begun if each is not None]

    def _finish(self, frames: Sequence[Frame]) -> None:
        """Detect in one pass, and let each camera publish."""
        try:
            found = detect(frames)
        except Exception as error:
            if len(frames) == 1:
                self.report(frames[0].letter, error)
            else:  # whose fault it is shows when each is alone
                if not isinstance(error, AnyDepthError):  # memory that is short, above all
                    frames[0].detector.batching = Batching()
                for frame in frames:
                    self._finish([frame])
            return
        for frame, detections in zip(frames, found):
            self._publish(frame, detections, len(frames))

    def _publish(self, frame: Frame, detections: Detections, batch: int) -> None:
        try:
            self._cameras[frame.letter.camera].finish(frame, detections, batch)
        except Exception as error:
            self.report(frame.letter, error)


def detect(frames: Sequence[Frame]) -> list[Detections]:
    """Return what is in images that share a pass, and so the settings that matter in it."""
    first, settings = frames[0], frames[0].settings
    return first.detector.detect_batch(
        [frame.pixels for frame in frames], depth=first.choice.depth, color=first.color,
        score_threshold=settings.score_threshold, nms_iou=settings.nms_iou,
        max_detections=settings.max_detections, classes=settings.class_indices)
