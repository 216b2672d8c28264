# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Indoor walls of the scenes: windows, doors, pictures, shelves, columns and roller doors."""

import cv2
import numpy as np

from anydepth_core.data.scene_brush import Colour, Image, hsv, mix, tone
from anydepth_core.data.scene_place import Style, View

Rng = np.random.Generator


class _Wall:
    """Rectangles on a wall that faces the camera, in metres of the wall."""

    def __init__(self, frame: Image, view: View, z: float, edge: int) -> None:
        self._frame, self._view, self._z, self._edge = frame, view, z, edge

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        view, z = self._view, self._z
        points = np.array([
            [view.column(x0, z), view.row(y1, z)],
            [view.column(x1, z), view.row(y0, z)],
        ]).clip(-4000, 4000)
        (left, top), (right, bottom) = points
        if right <= 0 or left >= view.width or bottom <= 0:
            return
        outline = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        fixed = np.rint((outline - 0.5) * 8).astype(np.int32)
        cv2.fillPoly(self._frame[: self._edge], [fixed], colour, lineType=cv2.LINE_AA, shift=3)

    def framed(self, x0: float, y0: float, x1: float, y1: float, rim: float, edge: Colour,
               face: Colour) -> None:
        self.rectangle(x0 + 0.03, y0 - 0.05, x1 + 0.05, y1, tone(edge, 0.5))
        self.rectangle(x0, y0, x1, y1, edge)
        self.rectangle(x0 + rim, y0 + rim, x1 - rim, y1 - rim, face)


def _window(wall: _Wall, x: float, style: Style, rng: Rng) -> None:
    half, low, high = rng.uniform(0.45, 0.8), rng.uniform(0.8, 1.1), rng.uniform(1.9, 2.3)
    rim: Colour = (240, 238, 232)
    wall.framed(x - half, low, x + half, high, 0.06, rim, style.sky[1])
    for share in (0.3, 0.55):
        y = low + (high - low) * (1 - share)
        wall.rectangle(x - half + 0.06, low + 0.06, x + half - 0.06, y,
                       mix(style.sky[1], style.sky[2], share + 0.2))
    wall.rectangle(x - half + 0.06, low + 0.06, x + half - 0.06, low + 0.3, (122, 150, 112))
    wall.rectangle(x - 0.02, low, x + 0.02, high, rim)
    wall.rectangle(x - half - 0.06, low - 0.05, x + half + 0.06, low, tone(rim, 0.9))


def _picture(wall: _Wall, x: float, style: Style, rng: Rng) -> None:
    half, tall, y = rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.7), rng.uniform(1.2, 1.5)
    edge = hsv(rng.uniform(0.05, 0.12), 0.4, rng.uniform(0.15, 0.9))
    face = hsv(rng.random(), 0.25, 0.92)
    wall.framed(x - half, y, x + half, y + tall, 0.04, edge, face)
    for _ in range(3):
        a, b = np.sort(rng.uniform(-half + 0.06, half - 0.06, 2))
        c, d = np.sort(rng.uniform(y + 0.06, y + tall - 0.06, 2))
        wall.rectangle(x + a, c, x + b, d, hsv(rng.random(), 0.5, rng.uniform(0.5, 0.95)))


def _door(wall: _Wall, x: float, style: Style, rng: Rng) -> None:
    paint = hsv(rng.uniform(0.03, 0.6), rng.uniform(0.1, 0.5), rng.uniform(0.4, 0.9))
    wall.framed(x - 0.5, 0, x + 0.5, 2.1, 0.07, tone(paint, 1.15), paint)
    for y in (0.25, 1.15):
        wall.rectangle(x - 0.3, y, x + 0.3, y + 0.7, tone(paint, 0.85))
        wall.rectangle(x - 0.27, y, x + 0.3, y + 0.67, tone(paint, 0.94))
    wall.rectangle(x + 0.33, 1.0, x + 0.39, 1.06, (214, 196, 140))


def _shelf(wall: _Wall, x: float, style: Style, rng: Rng) -> None:
    wood = hsv(rng.uniform(0.05, 0.1), rng.uniform(0.2, 0.5), rng.uniform(0.35, 0.8))
    wall.framed(x - 0.7, 0.0, x + 0.7, 2.0, 0.05, wood, tone(wood, 0.5))
    for level in range(4):
        y = 0.06 + level * 0.48
        at = x - 0.62
        while at < x + 0.55:
            wide = rng.uniform(0.04, 0.1)
            if rng.random() < 0.85:
                book = hsv(rng.random(), rng.uniform(0.2, 0.6), rng.uniform(0.35, 0.85))
                wall.rectangle(at, y, at + wide, y + rng.uniform(0.25, 0.38), book)
            at += wide + 0.008
        wall.rectangle(x - 0.68, y - 0.04, x + 0.68, y, wood)


def _roller(wall: _Wall, x: float, style: Style, rng: Rng) -> None:
    paint = hsv(rng.random(), rng.uniform(0.05, 0.5), rng.uniform(0.4, 0.8))
    wall.rectangle(x - 1.6, 0, x + 1.6, 3.1, tone(paint, 0.5))
    for line in range(10):
        wall.rectangle(x - 1.5, line * 0.3, x + 1.5, line * 0.3 + 0.26, tone(paint, 0.98))
    for share in range(8):
        wall.rectangle(x - 1.5 + share * 0.375, 0, x - 1.31 + share * 0.375, 0.2, (224, 184, 56))


def _column(wall: _Wall, x: float, style: Style, rng: Rng) -> None:
    wall.rectangle(x - 0.3, 0, x + 0.3, 9, tone(style.wall, 0.84))
    wall.rectangle(x - 0.3, 0, x - 0.05, 9, tone(style.wall, 1.1))
    if style.place == 'warehouse':
        wall.rectangle(x - 0.3, 0.1, x + 0.3, 0.9, (226, 186, 60))


def _glass(wall: _Wall, x: float, style: Style, rng: Rng) -> None:
    wall.framed(x - 1.1, 0.1, x + 1.1, 2.9, 0.06, (70, 74, 82), mix(style.sky[1], style.wall, 0.3))
    wall.rectangle(x - 0.9, 0.4, x - 0.2, 2.8, mix(style.sky[2], style.wall, 0.2))
    wall.rectangle(x - 0.03, 0.1, x + 0.03, 2.9, (70, 74, 82))


_FEATURES = {
    'room': (_window, _picture, _door, _shelf, _picture, _window),
    'hall': (_glass, _column, _door, _picture, _glass),
    'warehouse': (_roller, _column, _column, _door),
}


def draw_wall(
    frame: Image, view: View, style: Style, edge: int, light: float, rng: Rng
) -> None:
    """Fill the rows above `edge` with ceiling and wall, seen from `view`."""
    side = np.linspace(-1, 1, view.width, dtype=np.float32)
    glow = 1.0 + 0.12 * side * light - 0.08 * side**2
    down = np.linspace(1.04, 0.9, edge, dtype=np.float32)
    field = (down[:, None] * glow)[..., None] * np.array(style.wall, np.float32)
    np.copyto(frame[:edge], field.clip(0, 255), casting='unsafe')
    tall = {'room': 2.7, 'hall': 4.5, 'warehouse': 7.0}[style.place]
    wall = _Wall(frame, view, style.wall_z, edge)
    if rng.random() < 0.4:  # wainscot
        wall.rectangle(-90, 0, 90, 1.0, tone(style.wall, rng.choice([0.75, 1.3])))
        wall.rectangle(-90, 0.98, 90, 1.05, tone(style.wall, 0.65))
    features = _FEATURES[style.place]
    pitch = 3.6 if style.place == 'warehouse' else 2.4
    for slot in range(-9, 10):
        x = slot * pitch + rng.uniform(-0.3, 0.3)
        feature = features[rng.integers(len(features))]
        if rng.random() < 0.75:
            feature(wall, x, style, np.random.default_rng([style.seed, slot + 50]))
    wall.rectangle(-90, 0, 90, 0.1, tone(style.wall, rng.choice([0.6, 1.35])))
    ceiling = int(np.clip(round(view.row(tall, style.wall_z)), 0, edge))
    if ceiling > 0:
        shade = np.linspace(1.12, 0.92, ceiling, dtype=np.float32)[:, None, None]
        paint = np.array(mix(style.wall, (250, 248, 242), 0.6), np.float32)
        np.copyto(frame[:ceiling], (shade * paint).clip(0, 255), casting='unsafe')
