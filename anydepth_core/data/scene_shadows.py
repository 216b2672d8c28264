# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Shadows on the floor of the scenes: a soft spot where an object stands, and the sun's."""

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.data.scene_brush import SOLID, Image, Sprite
from anydepth_core.data.scene_place import View


def cast_shadow(
    frame: Image,
    sprite: Sprite,
    view: View,
    place: tuple[float, float, float],
    light: float,
    sun: float,
) -> None:
    """Darken `frame` where the object at `place` (x, y, z in metres) keeps light from the floor.

    `light` is the side the light comes from (-1 left, 1 right), `sun` the strength (0..1).
    """
    x, y, z = place
    foot, ground = view.column(x, z), view.row(0, z)
    alpha = sprite.pixels[..., 3]
    _, _, wide, tall = cv2.boundingRect(np.asarray(alpha >= SOLID).view(np.uint8))
    nearness = float(np.exp(-3 * y))  # the shadow of what flies is faint
    slope = float(np.clip(view.eye / (z - view.z), 0.05, 0.5))
    half = wide * 0.575 + 1, max(wide * 0.45 * slope, tall * 0.03) + 1
    _spot(frame, foot, ground - 0.2 * half[1], half, 0.55 * nearness)
    if sun > 0.2 and nearness > 0.2:
        _lay_down(frame, sprite, ground, light, sun, 0.22 + 0.5 * slope)


def _soft_disc() -> NDArray[np.float32]:
    axis = np.linspace(-1, 1, 32, dtype=np.float32)
    reach = np.sqrt(np.add.outer(axis**2, axis**2))
    return (np.clip(1.25 - 1.25 * reach, 0, 1) ** 1.2).astype(np.float32)


_DISC = _soft_disc()


def _spot(
    frame: Image, x: float, y: float, half: tuple[float, float], strength: float
) -> None:
    x0, y0 = round(x - half[0]), round(y - half[1])
    w, h = max(round(2 * half[0]), 2), max(round(2 * half[1]), 2)
    disc = cv2.resize(_DISC, (w, h), interpolation=cv2.INTER_LINEAR)
    _darken(frame, disc * np.float32(strength), x0, y0)


def _darken(frame: Image, shade: NDArray[np.float32], x0: int, y0: int) -> None:
    height, width = shade.shape
    a, b = max(x0, 0), max(y0, 0)
    c, d = min(x0 + width, frame.shape[1]), min(y0 + height, frame.shape[0])
    if c <= a or d <= b:
        return
    keep = ((1 - shade[b - y0 : d - y0, a - x0 : c - x0]) * 255).astype(np.uint8)
    window = frame[b:d, a:c]
    window[:] = cv2.multiply(window, cv2.merge([keep] * 3), scale=1 / 255)


def _lay_down(
    frame: Image, sprite: Sprite, ground: float, light: float, sun: float, squash: float
) -> None:
    """Lay the silhouette on the floor behind the object, away from the light.

    A point `h` pixels above the row `ground` falls `squash * h` above it and `-0.9 * light * h` to
    the side. Drawn at a fraction of the resolution, which also makes the edge soft.
    """
    alpha = sprite.pixels[..., 3]
    height, width = alpha.shape
    step = 4 if height > 70 else 2
    lean = -0.9 * light
    foot = ground - sprite.y  # row of the ground in the sprite
    x0 = sprite.x + min(lean, 0.0) * height
    y0 = ground - squash * foot
    columns = int((width + abs(lean) * height) / step) + 3
    lines = int(height * squash / step) + 3
    small = cv2.resize(alpha, (max(width // step, 1), max(height // step, 1)),
                       interpolation=cv2.INTER_AREA)
    sx, sy = small.shape[1] / width, small.shape[0] / height
    across = step * lean / squash  # sprite columns per line of the shadow
    back = np.array([
        [sx * step, sx * across, sx * (x0 - sprite.x - lean * foot)],
        [0.0, sy * step / squash, 0.0],
    ])
    shade = cv2.warpAffine(small, back, (columns, lines),
                           flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    shade = cv2.resize(shade, (columns * step, lines * step), interpolation=cv2.INTER_LINEAR)
    _darken(frame, shade.astype(np.float32) * np.float32(sun / 255), round(x0), round(y0))
