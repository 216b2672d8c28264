# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The world behind a scene: what stands where, how it moves, and painting it back to front."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.data.scene_backdrops import draw_backdrop
from anydepth_core.data.scene_brush import SOLID, Brush, Image, Sprite
from anydepth_core.data.scene_effects import Lens
from anydepth_core.data.scene_kinds import CLUTTER, LABELLED, Actor
from anydepth_core.data.scene_objects import tilt_of_cone
from anydepth_core.data.scene_place import Style, View, choose_style
from anydepth_core.data.scene_shadows import cast_shadow

Rng = np.random.Generator
MIN_SIDE = 6  # pixels: nothing smaller is placed or labelled
MIN_VISIBLE = 0.3  # share of a silhouette that must be in the frame and not hidden
_OUTDOOR_ONLY = {'rock', 'bush', 'lamp', 'bird'}


@dataclass(frozen=True)
class World:
    """A place with objects, seen by a camera. Light comes from -1 (left) to 1 (right)."""

    view: View
    style: Style
    actors: tuple[Actor, ...]  # far to near
    lens: Lens
    light: float
    sun: float  # strength of cast shadows, 0..1


def build_world(rng: Rng, size: tuple[int, int], wide: float = 1.0) -> World:
    """A random world for frames of `size` (height, width), peopled over `wide` frame widths."""
    height, width = size
    style = choose_style(rng)
    mean = float(np.sqrt(height * width))
    view = View(width, height, focal=mean * rng.uniform(0.8, 1.25),
                horizon=height * rng.uniform(0.3, 0.56), eye=float(rng.uniform(0.25, 1.3)))
    light = float(rng.choice([-1, 1]) * rng.uniform(0.4, 1.0))
    sun = float(rng.uniform(0.25, 0.5)) if not style.indoor and rng.random() < 0.7 else 0.12
    count = 0 if rng.random() < 0.03 else 1 + min(int(rng.poisson(5.5 * wide)), 15)
    cast = [_place(rng, view, style, int(rng.integers(len(LABELLED))), wide)
            for _ in range(count)]
    cast += [_place(rng, view, style, -1, wide) for _ in range(int(rng.poisson(1.8)))]
    cast.sort(key=lambda actor: -actor.z)
    return World(view, style, tuple(cast), Lens.draw(rng), light, sun)


def _place(rng: Rng, view: View, style: Style, label: int, wide: float) -> Actor:
    if label >= 0:
        kind = LABELLED[label]
    else:
        choice = [k for k in CLUTTER if not (style.indoor and k.name in _OUTDOOR_ONLY)]
        kind = choice[rng.integers(len(choice))]
    metres = float(rng.uniform(*kind.metres))
    smallest = max(8.0, (MIN_SIDE + 1.5) / kind.slim)
    largest = view.height * 0.55 / max(kind.extent[1] / 0.75, 1.0)
    pixels = float(np.exp(rng.uniform(np.log(smallest), np.log(max(largest, smallest * 1.5)))))
    near = 1.0 if kind.flies else 0.5
    z = float(np.clip(view.focal * metres / pixels, near, style.wall_z * 0.96))
    column = rng.uniform(-0.5, 0.5) * view.width * wide
    x = column / view.focal * z
    y = 0.0
    if kind.flies:
        row = rng.uniform(0.06, 0.6) * view.height
        y = max(view.eye + (view.horizon - row) / view.focal * z, 0.15)
    moves = kind.speed > 0 and rng.random() < 0.8
    tilt = tilt_of_cone(rng) if kind.name == 'cone' else 0.0
    tilt = float(rng.normal() * 0.1) if kind.flies else tilt
    return Actor(kind, label, int(rng.integers(1 << 31)), metres, float(x), z, float(y),
                 float(rng.random()), bool(rng.random() < 0.5), tilt,
                 float(rng.uniform(0.5, 2.0)) if moves else 0.0)


@dataclass(frozen=True)
class Painted:
    """One object as it came out: its box (xyxy pixels) and the share of it that can be seen."""

    label: int
    box: tuple[int, int, int, int]
    visible: float


def paint_world(
    world: World, view: View, seconds: float, strict: bool
) -> tuple[Image, list[Painted], NDArray[np.uint8]]:
    """Paint a world as seen from `view` after `seconds`.

    With `strict`, an object is left out if too little of it, or of one behind it, would be seen;
    so every labelled kind of object in the picture has a label.

    Returns:
        The frame (H, W, 3) uint8 RGB before the lens; what was painted, far to near; and for each
        pixel (H, W) the number (from 1) of the object that is in front there, 0 for the backdrop.
    """
    frame = draw_backdrop(view, world.style, world.light)
    owner = np.zeros((view.height, view.width), np.uint8)
    boxes: list[tuple[int, tuple[int, int, int, int]]] = []
    total, seen = [1], [1]
    for actor in world.actors:
        sprite = _sprite(world, view, actor, seconds)
        if sprite is None:
            continue
        inside = _clip(sprite, view)
        if inside is None:
            continue
        part, x0, y0 = inside
        solid = np.asarray(part[..., 3] >= SOLID)
        bx, by, bw, bh = cv2.boundingRect(solid.view(np.uint8))
        window = owner[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
        hidden = np.bincount(window[solid], minlength=len(total))
        area, whole = int(solid.sum()), int((sprite.pixels[..., 3] >= SOLID).sum())
        if strict:
            left = np.array(seen) - hidden
            crowded = (left[1:] < MIN_VISIBLE * 1.1 * np.array(total[1:])).any()
            if crowded or min(bw, bh) < MIN_SIDE or area < MIN_VISIBLE * 1.1 * whole:
                continue
        elif not area:
            continue
        x, y, z, _ = actor.at(seconds)
        cast_shadow(frame, sprite, view, (x, y, z), world.light, world.sun)
        _lay_over(frame, part, x0, y0)
        window[solid] = len(total)
        seen = [s - int(h) for s, h in zip(seen, hidden, strict=True)] + [area]
        total.append(whole)
        boxes.append((actor.label, (x0 + bx, y0 + by, x0 + bx + bw, y0 + by + bh)))
    painted = [Painted(label, b, s / t)
               for (label, b), s, t in zip(boxes, seen[1:], total[1:], strict=True)]
    return frame, painted, owner


def _sprite(world: World, view: View, actor: Actor, seconds: float) -> Sprite | None:
    x, y, z, pose = actor.at(seconds)
    if z - view.z < 0.3:
        return None
    unit = view.focal * actor.height / (z - view.z)
    if unit > 1.6 * view.height:
        return None
    anchor = view.column(x, z), view.row(y, z)
    angle, extent = actor.tilt, actor.kind.extent
    reach = max(extent[1], extent[3] if angle else 0.0) * unit
    if anchor[0] + reach < 0 or anchor[0] - reach > view.width:
        return None
    brush = Brush(extent, unit, anchor, light=world.light, angle=angle,
                  mirror=actor.facing_left(seconds))
    actor.kind.paint(brush, np.random.default_rng(actor.seed), pose)
    sprite = brush.finish()
    pixels, top = _in_air(sprite.pixels, world, z - view.z), sprite.y
    if abs(angle) > 0.5:  # knocked over: it lies on the floor with its lowest point
        _, low, _, tall = cv2.boundingRect(np.asarray(pixels[..., 3] >= SOLID).view(np.uint8))
        top = round(anchor[1]) - low - tall
    return Sprite(pixels, sprite.x, top)


def _in_air(pixels: Image, world: World, distance: float) -> Image:
    """Fade colours towards the haze with distance."""
    veil = 0.85 * (1 - np.exp(-distance / (90 if world.style.indoor else 80)))
    if veil < 0.02:
        return pixels
    haze = np.array(world.style.haze, np.float32) * np.float32(veil / 255)
    faded = pixels[..., :3] * np.float32(1 - veil) + pixels[..., 3:] * haze
    return np.concatenate([faded.astype(np.uint8), pixels[..., 3:]], axis=2)


def _clip(sprite: Sprite, view: View) -> tuple[Image, int, int] | None:
    height, width = sprite.pixels.shape[:2]
    x0, y0 = max(sprite.x, 0), max(sprite.y, 0)
    x1, y1 = min(sprite.x + width, view.width), min(sprite.y + height, view.height)
    if x1 <= x0 or y1 <= y0:
        return None
    part = sprite.pixels[y0 - sprite.y : y1 - sprite.y, x0 - sprite.x : x1 - sprite.x]
    return np.ascontiguousarray(part), x0, y0


def _lay_over(frame: Image, part: Image, x0: int, y0: int) -> None:
    height, width = part.shape[:2]
    window = frame[y0 : y0 + height, x0 : x0 + width]
    rest = 255 - part[..., 3]
    behind = cv2.multiply(window, cv2.merge([rest] * 3), scale=1 / 255)
    window[:] = cv2.add(behind, np.ascontiguousarray(part[..., :3]))
