# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Drawing for the built-in scenes: a supersampled sprite canvas in the units of the object.

Objects are painted in their own units (x to the right, y up, origin where they touch the ground,
height about 1) on a small premultiplied RGBA canvas, which is then averaged down to pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Colour = tuple[float, float, float]
Points = NDArray[np.float64]
Image = NDArray[np.uint8]

_SHIFT = 3
_TURN = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
CIRCLE: Points = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
SOLID = 128  # alpha from which a pixel belongs to the silhouette: at least half covered


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` moved towards `second` by `share` (0..1)."""
    r, g, b = (p + (q - p) * share for p, q in zip(first, second, strict=True))
    return r, g, b


def tone(colour: Colour, gain: float) -> Colour:
    """A lighter (gain > 1, towards warm white) or darker (gain < 1, towards blue) colour."""
    if gain >= 1.0:
        return mix(colour, (255.0, 250.0, 238.0), min((gain - 1.0) * 0.9, 1.0))
    return mix((14.0, 16.0, 34.0), colour, max(gain, 0.0))


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """RGB (0..255) of a hue in turns (any real number), saturation and value in 0..1."""
    wheel = [abs((hue + shift) % 1.0 * 6.0 - 3.0) - 1.0 for shift in (0.0, 2.0 / 3.0, 1.0 / 3.0)]
    r, g, b = (
        255.0 * value * (1.0 + saturation * (min(max(w, 0.0), 1.0) - 1.0)) for w in wheel
    )
    return r, g, b


def ramp(colours: Sequence[Colour], stops: Sequence[float] | None = None) -> NDArray[np.uint32]:
    """A table of 256 opaque RGBA pixels that runs through `colours` (at `stops` in 0..1)."""
    at = np.linspace(0.0, 1.0, len(colours)) if stops is None else np.asarray(stops)
    table = np.full((256, 4), 255, np.uint8)
    grid = np.arange(256) / 255.0
    for channel in range(3):
        table[:, channel] = np.interp(grid, at, [c[channel] for c in colours]).clip(0, 255)
    return table.view(np.uint32)[:, 0]


def curve(points: ArrayLike, steps: int = 6) -> Points:
    """A closed smooth outline (Catmull-Rom) through `points`."""
    p = np.asarray(points, np.float64)
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (np.roll(p, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    q = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    return (0.5 * q).reshape(-1, 2)


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> Points:
    """The outline of an ellipse, `angle` in radians anticlockwise."""
    c, s = np.cos(angle), np.sin(angle)
    return CIRCLE * (rx, ry) @ np.array([[c, s], [-s, c]]) + (x, y)


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    """The outline of an upright rectangle."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)


def rounded(x0: float, y0: float, x1: float, y1: float, r: float) -> Points:
    """The outline of an upright rectangle with round corners of radius `r`."""
    r = min(r, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
    sign = np.where(CIRCLE >= 0, 1.0, -1.0)
    half = np.array([(x1 - x0) / 2 - r, (y1 - y0) / 2 - r])
    return CIRCLE * r + sign * half + ((x0 + x1) / 2, (y0 + y1) / 2)


def limb(start: ArrayLike, end: ArrayLike, r0: float, r1: float) -> Points:
    """The outline of a capsule from `start` (radius r0) to `end` (radius r1)."""
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    angle = np.arctan2(b[1] - a[1], b[0] - a[0])
    half = np.linspace(-np.pi / 2, np.pi / 2, 8)
    front = np.stack([np.cos(angle + half), np.sin(angle + half)], axis=1)
    return np.concatenate([b + front * r1, a - front * r0])


@dataclass(frozen=True)
class Sprite:
    """A painted object: premultiplied RGBA (h, w, 4) uint8 and its place in the frame."""

    pixels: Image
    x: int
    y: int


class Brush:
    """A canvas for one object.

    Args:
        extent: (left, right, bottom, top) of everything that will be painted, in object units.
        unit: pixels per object unit.
        anchor: pixel position (x, y) of the object's origin, with fractions.
        light: side the light comes from, -1 (left) to 1 (right).
        angle: rotation in radians about the origin; mirror: swap left and right.
    """

    def __init__(
        self,
        extent: tuple[float, float, float, float],
        unit: float,
        anchor: tuple[float, float],
        *,
        light: float = -0.5,
        angle: float = 0.0,
        mirror: bool = False,
    ) -> None:
        left, right, bottom, top = extent
        self.light = -light if mirror else light
        c, s = np.cos(angle), np.sin(angle)
        flip = -1.0 if mirror else 1.0
        turn = np.array([[c * flip, -s * flip], [-s, -c]]) * unit
        corners = box(left, bottom, right, top) @ turn + anchor
        low = np.floor(corners.min(axis=0)).astype(int) - 1
        high = np.ceil(corners.max(axis=0)).astype(int) + 1
        self._factor = 4 if unit < 24 else 3 if unit < 64 else 2
        self._origin = int(low[0]), int(low[1])
        self._size = int(high[0] - low[0]), int(high[1] - low[1])
        self._matrix = turn * self._factor
        self._offset = (np.asarray(anchor) - low) * self._factor
        width, height = self._size
        self.canvas: Image = np.zeros((height * self._factor, width * self._factor, 4), np.uint8)
        self.pixel = 1.0 / (unit * self._factor)

    def _place(self, points: ArrayLike) -> Points:
        """Canvas positions (N, 2) of object positions; pixel centres are whole numbers."""
        return np.asarray(points) @ self._matrix + self._offset - 0.5

    def fill(self, points: ArrayLike, colour: Colour, alpha: float = 1.0) -> None:
        """Fill an outline with one colour; alpha < 1 lets what lies behind the object through."""
        r, g, b = colour
        fixed = np.rint(self._place(points) * (1 << _SHIFT)).astype(np.int32)
        value = (r * alpha, g * alpha, b * alpha, 255.0 * alpha)
        cv2.fillPoly(self.canvas, [fixed], value, lineType=cv2.LINE_8, shift=_SHIFT)

    def shade(
        self,
        points: ArrayLike,
        table: NDArray[np.uint32],
        start: tuple[float, float] | None = None,
        end: tuple[float, float] | None = None,
    ) -> None:
        """Fill an outline with a gradient, left to right unless `start` and `end` are given."""
        outline = np.asarray(points, np.float64)
        if start is None or end is None:
            start, end = (outline[:, 0].min(), 0.0), (outline[:, 0].max(), 0.0)
        placed = self._place(outline)
        region = self._region(placed)
        if region is None:
            return
        x0, y0, x1, y1 = region
        first, last = self._place([start, end])
        step = last - first
        step = step / max(float(step @ step), 1e-9) * 255.0
        across = (np.arange(x0, x1, dtype=np.float32) - np.float32(first[0])) * np.float32(step[0])
        down = (np.arange(y0, y1, dtype=np.float32) - np.float32(first[1])) * np.float32(step[1])
        field = np.add.outer(down, across).clip(0.0, 255.0).astype(np.uint8)
        self._lay(table[field].view(np.uint8).reshape(*field.shape, 4), placed, region)

    def stamp(self, picture: Image, x: float, y: float, radius: float) -> None:
        """Lay a square opaque picture (n, n, 4) inside the circle of `radius` around (x, y)."""
        centre = self._place([(x, y)])[0]
        half = radius / self.pixel
        low = np.rint(centre - half).astype(int)
        side = max(round(2 * half), 1)
        height, width = self.canvas.shape[:2]
        x0, y0 = max(low[0], 0), max(low[1], 0)
        x1, y1 = min(low[0] + side, width), min(low[1] + side, height)
        resized = cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR)
        part = np.asarray(resized, np.uint8)[y0 - low[1] : y1 - low[1], x0 - low[0] : x1 - low[0]]
        self._lay(part, CIRCLE * half + centre, (x0, y0, x1, y1))

    def finish(self) -> Sprite:
        """Average the canvas down to frame pixels."""
        pixels = cv2.resize(self.canvas, self._size, interpolation=cv2.INTER_AREA)
        return Sprite(np.asarray(pixels, np.uint8), *self._origin)

    def _region(self, placed: Points) -> tuple[int, int, int, int] | None:
        height, width = self.canvas.shape[:2]
        x0, y0 = np.floor(placed.min(axis=0)).astype(int).clip(0)
        x1, y1 = np.ceil(placed.max(axis=0)).astype(int) + 1
        x1, y1 = min(x1, width), min(y1, height)
        return (int(x0), int(y0), int(x1), int(y1)) if x1 > x0 and y1 > y0 else None

    def _lay(self, picture: Image, placed: Points, region: tuple[int, int, int, int]) -> None:
        x0, y0, x1, y1 = region
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        fixed = np.rint((placed - (x0, y0)) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, lineType=cv2.LINE_8, shift=_SHIFT)
        cv2.copyTo(np.ascontiguousarray(picture), mask, self.canvas[y0:y1, x0:x1])
