# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo measured: one entry per frame, its summary per depth, and what went wrong.

No ROS here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import threading

from anydepth_core.depth import DepthSpace
from anydepth_ros.frame_statistics import quantiles

# One image in progress when the depth was accepted, and one whose status was already on its way.
LATE_ALLOWED = 2


@dataclass(frozen=True)
class Frame:
    """One processed image, as its status message told.

    Attributes:
        time_s: when the status came, on a steady clock.
        depth: that ran.
        total_ms: from the image array to the detections.
        age_ms: from the image's stamp to the publishing of its detections.
        detections: how many.
        dropped: total of images dropped until then.
        lost: total of images lost in transport until then.
    """

    time_s: float
    depth: str
    total_ms: float
    age_ms: float
    detections: int
    dropped: int
    lost: int


@dataclass(frozen=True)
class Summary:
    """Numbers of one phase; nan where there was no frame."""

    frames: int
    fps: float
    p50_ms: float
    p95_ms: float
    age_p50_ms: float
    detections: int
    dropped: int
    lost: int

    @property
    def per_image(self) -> float:
        """Detections per image."""
        return self.detections / self.frames if self.frames else float('nan')


@dataclass
class Phase:
    """The time in which one depth was asked for.

    Attributes:
        depth: canonical text.
        started_s: when the node had accepted it; None: not yet.
        ended_s: when the next was asked for.
        late: frames that ran at another depth after it was accepted.
        switch_ms: from the acceptance to the first status at this depth; None: it never came.
    """

    depth: str
    started_s: float | None = None
    ended_s: float | None = None
    late: int = 0
    switch_ms: float | None = None
    frames: list[Frame] = field(default_factory=list)

    def summary(self) -> Summary:
        """Return the numbers until now."""
        frames = self.frames
        count = len(frames)
        seconds = frames[-1].time_s - frames[0].time_s if count > 1 else 0.0
        p50, p95 = quantiles(sorted(f.total_ms for f in frames), (0.5, 0.95))
        age, = quantiles(sorted(f.age_ms for f in frames), (0.5,))
        return Summary(
            frames=count, fps=(count - 1) / seconds if seconds else 0.0, p50_ms=p50, p95_ms=p95,
            age_p50_ms=age, detections=sum(f.detections for f in frames),
            dropped=frames[-1].dropped - frames[0].dropped if frames else 0,
            lost=frames[-1].lost - frames[0].lost if frames else 0)


class Record:
    """Sorts frames into phases. One thread adds frames, another begins phases."""

    def __init__(self, depths: Sequence[str]) -> None:
        """Take the depths to run, as canonical texts."""
        self.phases = [Phase(depth) for depth in depths]
        self._lock = threading.Lock()
        self._current: Phase | None = None
        self.frames_seen = 0

    def begin(self, index: int, now_s: float) -> Phase:
        """Begin phase `index`: its depth has just been accepted."""
        with self._lock:
            if self._current:
                self._current.ended_s = now_s
            self._current = self.phases[index]
            self._current.started_s = now_s
            return self._current

    def add(self, frame: Frame) -> None:
        """Sort in one frame; one at another depth than asked for counts as late."""
        with self._lock:
            self.frames_seen += 1
            phase = self._current
            if phase is None or phase.started_s is None:
                return
            if frame.depth != phase.depth:
                phase.late += 1
                return
            if phase.switch_ms is None:
                phase.switch_ms = 1e3 * (frame.time_s - phase.started_s)
            phase.frames.append(frame)

    def summaries(self) -> list[Summary]:
        """Return the numbers of all phases until now."""
        with self._lock:
            return [phase.summary() for phase in self.phases]

    def faults(self) -> list[str]:
        """Return what went wrong, one sentence each; empty when every depth ran and found."""
        found = []
        for phase in self.phases:
            if phase.switch_ms is None:
                found.append(f'the switch to depth {phase.depth} did not take effect')
            elif not any(frame.detections for frame in phase.frames):
                found.append(f'nothing was detected at depth {phase.depth} in '
                             f'{len(phase.frames)} images')
            elif phase.late > LATE_ALLOWED:
                found.append(f'{phase.late} images ran at another depth after {phase.depth} had '
                             'been accepted')
        return found


def canonical(depths: Sequence[str]) -> list[str]:
    """Return the depths as the node prints them.

    Raises:
        DepthError: one that cannot be.
    """
    return [str(DepthSpace(decoder_layers=6 if '@' in text else None).parse(text))
            for text in depths]
