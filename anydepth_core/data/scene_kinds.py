# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The sorts of objects in the scenes: what is labelled, what is clutter, how big, how it moves."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from anydepth_core.data import scene_actors as actors
from anydepth_core.data import scene_clutter as clutter
from anydepth_core.data import scene_objects as things
from anydepth_core.data.scene_brush import Brush

Rng = np.random.Generator


@dataclass(frozen=True)
class Kind:
    """One sort of object: how it is painted, how big it is, whether it flies or walks."""

    name: str
    paint: Callable[[Brush, Rng, float], None]
    metres: tuple[float, float]
    extent: tuple[float, float, float, float]
    slim: float  # smaller side of the box over height
    flies: bool = False
    speed: float = 0.0  # metres per second
    cycle: float = 0.0  # pose turns per metre walked (or per second in the air)


LABELLED: tuple[Kind, ...] = (
    Kind('person', actors.paint_person, (1.5, 1.9), (-0.36, 0.36, -0.05, 1.02), 0.28,
         speed=0.8, cycle=0.7),
    Kind('robot', actors.paint_robot, (0.5, 1.3), (-0.95, 0.95, -0.05, 1.05), 0.4,
         speed=0.5, cycle=1.2),
    Kind('drone', actors.paint_drone, (0.22, 0.45), (-1.8, 1.8, 0.0, 1.0), 0.9,
         flies=True, speed=0.5, cycle=1.0),
    Kind('cone', things.paint_cone, (0.4, 0.9), (-0.5, 0.5, -0.05, 1.05), 0.7),
    Kind('crate', things.paint_crate, (0.35, 0.9), (-1.2, 1.2, -0.03, 1.1), 0.9),
    Kind('ball', things.paint_ball, (0.25, 0.7), (-0.52, 0.52, -0.02, 1.02), 1.0,
         speed=0.5, cycle=0.32),
    Kind('plant', things.paint_plant, (0.5, 1.5), (-0.8, 0.8, -0.04, 1.15), 0.5),
    Kind('sign', things.paint_sign, (1.3, 2.3), (-0.3, 0.3, -0.02, 1.06), 0.32),
)
CLUTTER: tuple[Kind, ...] = (
    Kind('barrel', clutter.paint_barrel, (0.7, 1.0), (-0.4, 0.4, -0.04, 1.02), 0.6),
    Kind('bollard', clutter.paint_bollard, (0.6, 1.1), (-0.15, 0.15, -0.02, 1.02), 0.15),
    Kind('rock', clutter.paint_rock, (0.3, 0.9), (-0.85, 0.85, -0.06, 1.02), 1.0),
    Kind('bush', clutter.paint_bush, (0.5, 1.2), (-0.9, 0.9, -0.12, 1.05), 1.0),
    Kind('bin', clutter.paint_bin, (0.8, 1.2), (-0.32, 0.32, -0.02, 1.0), 0.6),
    Kind('chair', clutter.paint_chair, (0.8, 1.0), (-0.35, 0.35, -0.03, 1.03), 0.5),
    Kind('lamp', clutter.paint_lamp, (1.5, 3.2), (-0.14, 0.14, -0.02, 1.02), 0.15),
    Kind('suitcase', clutter.paint_suitcase, (0.6, 0.9), (-0.28, 0.28, -0.02, 1.02), 0.5),
    Kind('bird', clutter.paint_bird, (0.15, 0.3), (-1.05, 1.05, 0.2, 1.15), 0.6, flies=True,
         speed=1.5, cycle=1.5),
)


@dataclass(frozen=True)
class Actor:
    """One object of a world. `label` is -1 for clutter; lengths in metres, angles in radians."""

    kind: Kind
    label: int
    seed: int
    height: float
    x: float
    z: float
    y: float
    phase: float
    mirror: bool
    tilt: float
    reach: float  # half the length of the path it walks to and fro

    def at(self, seconds: float) -> tuple[float, float, float, float]:
        """Place (x, y, z) and pose after `seconds`."""
        if not self.reach:
            return self.x, self.y, self.z, self.phase
        rate = self.kind.speed / self.reach
        swing = float(np.sin(rate * seconds + self.phase * 6.283))
        rest = float(np.sin(self.phase * 6.283))
        x = self.x + self.reach * (swing - rest)
        y = self.y
        if self.kind.flies:
            y += 0.06 * float(np.sin(2.1 * seconds + self.phase * 9) - np.sin(self.phase * 9))
            return x, y, self.z, self.phase + self.kind.cycle * seconds
        sign = -1.0 if self.facing_left(seconds) else 1.0
        turns = self.kind.cycle / self.height * sign * (x - self.x)
        return x, y, self.z, self.phase + turns

    def facing_left(self, seconds: float) -> bool:
        """Whether the painted object is mirrored: walkers look where they go."""
        if self.kind.name == 'ball':  # its pattern says which way it rolls
            return False
        if not self.reach or self.kind.flies:
            return self.mirror
        rate = self.kind.speed / self.reach
        return float(np.cos(rate * seconds + self.phase * 6.283)) < 0
