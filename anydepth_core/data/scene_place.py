# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Where a scene takes place: the camera's view, and the style of the surroundings."""

from dataclasses import dataclass

import numpy as np

from anydepth_core.data.scene_brush import Colour, hsv, mix

Rng = np.random.Generator


@dataclass(frozen=True)
class View:
    """Where the camera is: pixels for size, focal, horizon; metres for eye height and position."""

    width: int
    height: int
    focal: float
    horizon: float
    eye: float
    pan: float = 0.0
    x: float = 0.0
    z: float = 0.0

    def column(self, x: float, z: float) -> float:
        """Pixel column of a point at `x` metres to the side, `z` metres ahead (world)."""
        return self.width / 2 + self.focal * ((x - self.x) / (z - self.z) - self.pan)

    def row(self, y: float, z: float) -> float:
        """Pixel row of a point `y` metres above the floor, `z` metres ahead (world)."""
        return self.horizon + self.focal * (self.eye - y) / (z - self.z)


@dataclass(frozen=True)
class Style:
    """What a place looks like; colours are RGB 0..255."""

    indoor: bool
    place: str
    material: str
    floor_dark: Colour
    floor_light: Colour
    sky: tuple[Colour, ...]
    wall: Colour
    haze: Colour
    wall_z: float
    seed: int


_FLOORS: dict[str, tuple[float, float, float, float, float]] = {
    # hue from, hue to, saturation, value of the dark end, value of the light end
    'grass': (0.2, 0.3, 0.5, 0.25, 0.75), 'asphalt': (0.6, 0.7, 0.06, 0.15, 0.6),
    'sand': (0.08, 0.12, 0.35, 0.5, 1.0), 'concrete': (0.05, 0.65, 0.06, 0.2, 0.85),
    'tiles': (0.0, 1.0, 0.14, 0.3, 1.0), 'checker': (0.0, 1.0, 0.25, 0.25, 0.95),
    'wood': (0.05, 0.1, 0.5, 0.12, 0.9), 'paving': (0.02, 0.12, 0.2, 0.2, 0.9),
    'carpet': (0.0, 1.0, 0.35, 0.25, 0.75),
}
_SKIES: tuple[tuple[Colour, ...], ...] = (
    ((92, 152, 220), (164, 204, 238), (226, 236, 240)),
    ((64, 118, 190), (140, 190, 228), (246, 232, 204)),
    ((150, 166, 184), (190, 200, 208), (222, 224, 222)),
    ((74, 72, 128), (218, 132, 124), (252, 204, 142)),
    ((52, 66, 112), (120, 122, 166), (232, 186, 170)),
    ((120, 176, 196), (190, 220, 214), (244, 240, 220)),
)


def choose_style(rng: Rng) -> Style:
    """A random place."""
    indoor = bool(rng.random() < 0.45)
    if indoor:
        place = str(rng.choice(['room', 'room', 'hall', 'warehouse']))
        material = {'room': ['wood', 'carpet', 'checker', 'tiles'], 'hall': ['tiles', 'concrete'],
                    'warehouse': ['concrete']}[place]
        wall_z = {'room': rng.uniform(5, 9), 'hall': rng.uniform(9, 16),
                  'warehouse': rng.uniform(14, 28)}[place]
    else:
        place = str(rng.choice(['park', 'street', 'desert', 'snow'], p=[0.42, 0.36, 0.14, 0.08]))
        material = {'park': ['grass', 'grass', 'paving'], 'street': ['asphalt', 'paving'],
                    'desert': ['sand'], 'snow': ['carpet']}[place]
        wall_z = np.inf
    kind = str(rng.choice(material))
    low, high, saturation, dark, light = _FLOORS[kind]
    hue, value = rng.uniform(low, high), rng.uniform(0.75, 1.0)
    ends = hsv(hue, saturation, dark * value), hsv(hue, saturation * 0.8, light * value)
    if place == 'snow':
        ends = (178, 192, 214), (250, 252, 255)
    sky = _SKIES[rng.integers(len(_SKIES))]
    wall = hsv(rng.random(), rng.uniform(0.03, 0.4), rng.uniform(0.55, 0.95))
    haze = mix(wall, (128, 128, 128), 0.2) if indoor else sky[-1]
    return Style(indoor, place, kind, *ends, sky, wall, haze, float(wall_z),
                 int(rng.integers(1 << 31)))
