# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Backdrops of the scenes: sky, hills, towns and floors, drawn for one view of a place."""

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.data.scene_brush import Colour, Image, hsv, mix, tone
from anydepth_core.data.scene_place import Style, View
from anydepth_core.data.scene_textures import SIDE, clouds, floor
from anydepth_core.data.scene_walls import draw_wall

Rng = np.random.Generator
METRES = {'grass': 3.0, 'asphalt': 4.0, 'sand': 5.0, 'concrete': 6.0, 'tiles': 2.4,
          'checker': 2.0, 'wood': 2.4, 'paving': 3.0, 'carpet': 3.0}  # side of a floor tile


def draw_backdrop(view: View, style: Style, light: float) -> Image:
    """Everything behind the objects: (H, W, 3) uint8 RGB."""
    frame = np.empty((view.height, view.width, 3), np.uint8)
    rng = np.random.default_rng(style.seed)
    edge = view.row(0.0, style.wall_z) if style.indoor else view.horizon
    edge = int(np.clip(round(edge), 1, view.height - 2))
    if style.indoor:
        draw_wall(frame, view, style, edge, light, rng)
    else:
        _draw_sky(frame, view, style, edge, light, rng)
        _draw_distance(frame, view, style, edge, rng)
    _draw_floor(frame, view, style, edge)
    _draw_markings(frame, view, style, edge, rng)
    return frame


def rows(colours: tuple[Colour, ...], count: int) -> NDArray[np.float32]:
    """A vertical gradient (count, 1, 3)."""
    at, grid = np.linspace(0, 1, len(colours)), np.linspace(0, 1, count)
    parts = [np.interp(grid, at, [c[i] for c in colours]) for i in range(3)]
    return np.stack(parts, axis=1)[:, None].astype(np.float32)


def _draw_sky(
    frame: Image, view: View, style: Style, edge: int, light: float, rng: Rng
) -> None:
    shift = int(view.pan * view.focal)
    sky = np.repeat(rows(style.sky, edge), view.width, axis=1)
    sun = (view.width * (0.5 + 0.45 * light) - shift, edge * rng.uniform(0.1, 0.8))
    x = (np.arange(view.width, dtype=np.float32) - sun[0]) / view.height
    y = (np.arange(edge, dtype=np.float32) - sun[1]) / view.height
    glow = np.float32(rng.uniform(10, 80)) * np.exp(-6 * y**2)[:, None] * np.exp(-6 * x**2)
    cover = rng.uniform(-0.4, 1.1)
    noise = clouds()
    side = max(view.width, edge * 2)
    first = rng.integers(512, size=2)
    columns = (first[0] + (np.arange(view.width) + shift) * 420 // side) % 512
    lines = (first[1] + np.arange(edge) * 900 // side) % 512
    mist = noise[np.ix_(lines, columns)].astype(np.float32) / 255
    mist = ((mist - 1 + cover * 0.6) * 2.2).clip(0, 0.85)
    mist *= np.linspace(1, 0.35, edge, dtype=np.float32)[:, None]
    sky += (np.array(tone(style.sky[-1], 1.35), np.float32) - sky) * mist[..., None]
    sky += glow[..., None] * np.array([1.0, 0.9, 0.66], np.float32)
    np.copyto(frame[:edge], sky.clip(0, 255), casting='unsafe')


def _ridge(view: View, row: int, detail: float) -> NDArray[np.float64]:
    """Heights 0..1 of a skyline over the columns of the view, fixed to the world."""
    angle = (np.arange(view.width) - view.width / 2) / view.focal + view.pan
    at = (angle * detail * 160) % 512
    return np.interp(at, np.arange(513), np.append(clouds()[row], clouds()[row, 0])) / 255


def _fill_under(frame: Image, tops: NDArray[np.float64], edge: int, colour: Colour) -> None:
    x = np.arange(len(tops))
    line = np.stack([x, tops], axis=1)
    outline = np.concatenate([line, [[len(tops), edge], [0, edge]]])
    points = np.rint(outline * 8).astype(np.int32)
    cv2.fillPoly(frame, [points], colour, lineType=cv2.LINE_AA, shift=3)


def _draw_distance(frame: Image, view: View, style: Style, edge: int, rng: Rng) -> None:
    far = style.sky[-1]
    near = {'park': (70, 112, 72), 'street': (92, 98, 110), 'desert': (176, 122, 84),
            'snow': (150, 168, 196)}[style.place]
    for layer in range(3):
        tall = view.focal * rng.uniform(0.05, 0.2) * (1 - 0.22 * layer)
        ridge = _ridge(view, int(rng.integers(512)), 0.7 + layer)
        colour = mix(far, near, 0.25 + 0.2 * layer)
        _fill_under(frame, edge - ridge * tall - view.focal * 0.008, edge, colour)
    if style.place == 'street':
        _draw_town(frame, view, edge, far, rng)
    elif style.place == 'park' or rng.random() < 0.3:
        ridge = _ridge(view, int(rng.integers(512)), 6.0)
        leaf = mix(far, (48, 88, 54), 0.72)
        base = view.focal * rng.uniform(0.02, 0.08)
        _fill_under(frame, edge - base * (0.6 + ridge), edge, leaf)
        _fill_under(frame, edge - base * (0.1 + ridge[::-1] * 0.8), edge, tone(leaf, 0.82))


def _draw_town(frame: Image, view: View, edge: int, far: Colour, rng: Rng) -> None:
    angle = -1.6
    while angle < 1.6:
        wide, tall = rng.uniform(0.06, 0.22), rng.uniform(0.06, 0.42)
        paint = mix(far, hsv(rng.random(), 0.25, rng.uniform(0.35, 0.8)), rng.uniform(0.45, 0.8))
        glass, pitch = tone(paint, rng.uniform(0.6, 1.25)), rng.uniform(0.018, 0.03)
        x0 = round(view.width / 2 + (angle - view.pan) * view.focal)
        x1, y0 = round(x0 + wide * view.focal), max(round(edge - tall * view.focal), 0)
        angle += wide * rng.uniform(0.8, 1.4)
        if x1 <= 0 or x0 >= view.width:
            continue
        a, b = max(x0, 0), min(x1, view.width)
        frame[y0:edge, a:b] = paint
        step = pitch * view.focal
        across = ((np.arange(a, b) - x0) % step) / step
        down = ((np.arange(y0, edge) - edge) % (step * 1.3)) / (step * 1.3)
        pane = np.outer((down > 0.25) & (down < 0.75), (across > 0.3) & (across < 0.8))
        frame[y0:edge, a:b][pane] = glass


def _draw_floor(frame: Image, view: View, style: Style, edge: int) -> None:
    count = view.height - edge
    scale = SIDE / METRES[style.material]
    below = np.arange(edge, view.height) + 0.5 - view.horizon
    eye, cx = view.eye, view.width / 2
    shift = style.seed % SIDE, style.seed // SIDE % SIDE  # where in the tile the world begins
    matrix = np.array([
        [scale * eye, scale * view.x + shift[0], -scale * eye * (cx + view.pan * view.focal)],
        [0, scale * view.z + shift[1], scale * eye * view.focal],
        [0, 1, 0],
    ])
    lift = np.array([[1, 0, 0.5], [0, 1, below[0]], [0, 0, 1]])
    matrix = matrix @ lift
    grey = cv2.warpPerspective(floor(style.material), matrix, (view.width, count),
                               flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                               borderMode=cv2.BORDER_WRAP)
    step = eye * view.focal / np.maximum(below, 0.5) ** 2 * scale  # texels from row to row
    sharp = np.clip(7.0 / step, 0, 1).astype(np.float32)[:, None]
    grey = (grey - np.float32(128)) * sharp + np.float32(128)
    table = rows((style.floor_dark, style.floor_light), 256)[:, 0]
    colour = cv2.LUT(cv2.merge([grey.astype(np.uint8)] * 3), table.astype(np.uint8)[None])
    distance = eye * view.focal / np.maximum(below, 0.5)
    veil = 1 - np.exp(-distance / (60 if style.indoor else 70))
    gain = np.linspace(0.94, 1.03, count) * (1 - veil)
    haze = veil[:, None, None] * np.array(style.haze)
    lit = colour * gain[:, None, None].astype(np.float32) + haze.astype(np.float32)
    np.copyto(frame[edge:], lit.clip(0, 255), casting='unsafe')


def floor_patch(
    frame: Image, view: View, x0: float, x1: float, z0: float, z1: float, colour: Colour
) -> None:
    """Paint a rectangle that lies on the floor, between metres x0..x1 and z0..z1 of the world."""
    z0 = max(z0, view.z + 0.3)
    if z1 <= z0:
        return
    corners = [(x0, z0), (x1, z0), (x1, z1), (x0, z1)]
    points = np.array([[view.column(x, z), view.row(0, z)] for x, z in corners])
    fixed = np.rint(points.clip(-8000, 8000) * 8).astype(np.int32)
    cv2.fillPoly(frame, [fixed], colour, lineType=cv2.LINE_AA, shift=3)


def _draw_markings(frame: Image, view: View, style: Style, edge: int, rng: Rng) -> None:
    kind = rng.random()
    middle = mix(style.floor_dark, style.floor_light, 0.5)
    if style.place == 'street' and style.material == 'asphalt':
        paint = mix(middle, (240, 236, 220), 0.75)
        for x in (-3.4, 3.4) if kind < 0.7 else ():
            floor_patch(frame, view, x - 0.07, x + 0.07, 0.5, 120, paint)
        for z in np.arange(0, 60, 4.0):
            floor_patch(frame, view, -0.08, 0.08, z, z + 2, paint)
    elif style.place == 'park' and style.material == 'grass' and kind < 0.5:
        x, wide = rng.uniform(-4, 4), rng.uniform(1, 2.4)
        floor_patch(frame, view, x - wide, x + wide, 0.3, 200, (196, 178, 146))
    elif style.place == 'warehouse':
        for x in (-2.6, 2.6) if kind < 0.8 else ():
            floor_patch(frame, view, x - 0.06, x + 0.06, 0.5, style.wall_z, (226, 186, 60))
    elif style.place == 'room' and kind < 0.5:
        x, z = rng.uniform(-1.5, 1.5), rng.uniform(1.5, 3.5)
        paint = hsv(rng.random(), rng.uniform(0.1, 0.5), rng.uniform(0.4, 0.85))
        deep = min(z + rng.uniform(1.2, 2.2), style.wall_z - 0.2)
        floor_patch(frame, view, x - 1.3, x + 1.3, z, deep, paint)
        floor_patch(frame, view, x - 1.15, x + 1.15, z + 0.12, deep - 0.12, tone(paint, 1.2))
