# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Painters of the things a scene labels: ball, cone, crate, plant, sign (see also scene_actors).

A painter draws one object of height about 1 on a `Brush`. Its looks come from `rng`, which is
started from the object's own seed in every frame; what moves comes from `pose` (in turns).
"""

from functools import cache

import numpy as np

from anydepth_core.data.scene_brush import (
    Brush,
    Colour,
    Points,
    box,
    ellipse,
    hsv,
    limb,
    mix,
    ramp,
    tone,
)

Rng = np.random.Generator
Table = np.typing.NDArray[np.uint32]
WHITE: Colour = (244, 243, 238)
DARK: Colour = (38, 41, 48)


def vivid(rng: Rng) -> Colour:
    """A saturated colour of any hue."""
    return hsv(rng.random(), rng.uniform(0.55, 0.9), rng.uniform(0.65, 0.97))


def muted(rng: Rng) -> Colour:
    """A quiet colour, as of cloth or painted metal."""
    return hsv(rng.random(), rng.uniform(0.08, 0.5), rng.uniform(0.25, 0.9))


def round_table(brush: Brush, colour: Colour, contrast: float = 1.0) -> Table:
    """Gradient across a cylinder of `colour`, bright on the side of the light."""
    peak = 0.5 - 0.28 * abs(brush.light)
    shades = [tone(colour, 1 + gain * contrast) for gain in (-0.38, 0.06, 0.22, -0.05, -0.5)]
    table = ramp(shades, (0.0, peak * 0.6, peak, peak + (1 - peak) * 0.45, 1.0))
    return table if brush.light < 0 else table[::-1]


def side_table(brush: Brush, colour: Colour, contrast: float = 1.0) -> Table:
    """Gentle gradient over a flat face of `colour`, bright on the side of the light."""
    lit, dim = tone(colour, 1 + 0.16 * contrast), tone(colour, 1 - 0.26 * contrast)
    return ramp([lit, dim] if brush.light < 0 else [dim, lit])


@cache
def _sphere(side: int) -> Points:
    axis = ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(axis, -axis)
    z = np.sqrt(np.maximum(1 - x**2 - y**2, 0.0))
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)


def _turn(rng: Rng, pose: float) -> Points:
    """A rotation: a random attitude, then rolling by `pose` turns about the viewing axis."""
    basis, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    c, s = np.cos(2 * np.pi * pose), np.sin(2 * np.pi * pose)
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]]) @ basis


_GOLDEN = (1 + 5**0.5) / 2
_SPOTS = np.array(
    [[0, 1, _GOLDEN], [0, 1, -_GOLDEN], [1, _GOLDEN, 0], [1, -_GOLDEN, 0], [_GOLDEN, 0, 1],
     [-_GOLDEN, 0, 1]]
) / np.hypot(1, _GOLDEN)


def _ball_colours(rng: Rng, local: Points) -> Points:
    """RGB (N, 3) of the points (N, 3) of a unit sphere, in one of six patterns."""
    kind = rng.integers(6)
    base, other = vivid(rng), WHITE if rng.random() < 0.6 else vivid(rng)
    if kind == 0:  # football
        spots = np.abs(local @ _SPOTS.T).max(axis=1) > 0.925
        return np.where(spots[:, None], np.array(DARK), np.array(WHITE))
    if kind == 1:  # beach ball
        sector = np.floor(np.arctan2(local[:, 1], local[:, 0]) / (np.pi / 3)).astype(int) % 6
        third = vivid(rng)
        table = np.array([base, WHITE, other, WHITE, third, WHITE])[sector]
        return np.where(np.abs(local[:, 2:]) > 0.95, np.array(WHITE), table)
    if kind == 2:  # basketball
        skin = hsv(rng.uniform(0.04, 0.08), 0.8, rng.uniform(0.7, 0.92))
        seams = np.minimum(np.abs(local[:, :2]).min(axis=1), np.abs(np.abs(local[:, 2]) - 0.6))
        return np.where(seams[:, None] < 0.035, np.array(DARK), np.array(skin))
    if kind == 3:  # band
        return np.where(np.abs(local[:, 2:]) < 0.3, np.array(other), np.array(base))
    if kind == 4:  # tennis
        felt = hsv(rng.uniform(0.17, 0.22), 0.7, 0.92)
        azimuth = np.arctan2(local[:, 1], local[:, 0])
        seam = np.abs(local[:, 2] - 0.45 * np.sin(2 * azimuth)) < 0.07
        return np.where(seam[:, None], np.array(WHITE), np.array(felt))
    return np.repeat(np.array([base]), len(local), axis=0)


def paint_ball(brush: Brush, rng: Rng, pose: float) -> None:
    """A sphere with a pattern that really turns."""
    side = 64 if brush.pixel > 0.016 else 128 if brush.pixel > 0.006 else 256
    normals = _sphere(side)
    local = normals @ _turn(rng, pose).astype(np.float32)
    colours = _ball_colours(rng, local)
    towards = np.array([brush.light * 0.7, 0.62, 0.55])
    towards /= np.linalg.norm(towards)
    lambert = normals @ towards.astype(np.float32)
    rim = 1 - normals[:, 2]
    light = 0.42 + 0.66 * np.maximum(lambert, 0) + 0.08 * rim
    gloss = 120 * np.maximum(lambert, 0) ** 28 * rng.uniform(0.2, 1)
    bounce = 16 * np.maximum(-normals[:, 1], 0)
    lit = colours * light[:, None] + (gloss + bounce)[:, None]
    picture = np.full((side, side, 4), 255, np.uint8)
    picture[..., :3] = lit.clip(0, 255).reshape(side, side, 3)
    brush.stamp(picture, 0, 0.5, 0.5)


def _slice(low: float, high: float, width_low: float, width_high: float, sag: float) -> Points:
    """A ring of a cone between two heights, seen a little from above."""
    t = np.linspace(-1, 1, 9)
    dip = np.sqrt(1 - t**2)
    bottom = np.stack([t * width_low, low - dip * width_low * sag], axis=1)
    top = np.stack([t[::-1] * width_high, high - dip * width_high * sag], axis=1)
    return np.concatenate([bottom, top])


def paint_cone(brush: Brush, rng: Rng, pose: float) -> None:
    """A traffic cone with a base plate and, mostly, reflecting bands."""
    orange = rng.random() < 0.7
    colour = hsv(rng.uniform(0.01, 0.07), 0.88, 0.95) if orange else vivid(rng)
    foot, tip, base = rng.uniform(0.24, 0.3), rng.uniform(0.03, 0.06), rng.uniform(0.36, 0.44)
    sag = 0.22
    plate = DARK if rng.random() < 0.4 else tone(colour, 0.75)
    outline = np.array([[-base, 0.02], [base, 0.02], [base * 0.8, 0.14], [-base * 0.8, 0.14]])
    brush.fill(outline - (0, 0.02), tone(plate, 0.6))
    brush.shade(outline + (0, 0.03), side_table(brush, plate))
    table = round_table(brush, colour)
    brush.shade(_slice(0.1, 0.985, foot, tip, sag), table, (-foot, 0), (foot, 0))
    brush.fill(ellipse(0, 0.985, tip, tip * sag), tone(colour, 0.5))
    bands = [(), ((0.38, 0.62),), ((0.3, 0.48), (0.62, 0.78))][rng.choice(3, p=[0.15, 0.4, 0.45])]
    white = round_table(brush, WHITE, 0.8)
    for low, high in bands:
        w, top = (foot + (tip - foot) * (y - 0.1) / 0.9 for y in (low, high))
        brush.shade(_slice(low, high, w, top, sag), white, (-w, 0), (w, 0))


def _quad(corners: Points, u0: float, v0: float, u1: float, v1: float) -> Points:
    """The part [u0, u1] x [v0, v1] of a face with corners in order (0,0) (1,0) (1,1) (0,1)."""
    uv = np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]])
    u, v = uv[:, :1], uv[:, 1:]
    a, b, c, d = corners
    return (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * d + u * c)


def _wood_face(brush: Brush, rng: Rng, face: Points, colour: Colour, gain: float) -> None:
    brush.fill(face, tone(colour, 0.45 * gain))
    rows = int(rng.integers(3, 6))
    for row in range(rows):
        shade = tone(colour, gain * rng.uniform(0.86, 1.06))
        brush.fill(_quad(face, 0.02, (row + 0.06) / rows, 0.98, (row + 0.94) / rows), shade)
    frame, w = tone(colour, gain * 1.12), 0.13
    brace = np.stack([_quad(face, u, v, u, v)[0] for u, v in
                      ((0, w), (w, 0), (1, 1 - w), (1 - w, 1))])
    brush.fill(brace, tone(colour, gain * 0.97))
    for part in ((0, 0, w, 1), (1 - w, 0, 1, 1), (0, 0, 1, w), (0, 1 - w, 1, 1)):
        brush.fill(_quad(face, *part), frame)


def _card_face(brush: Brush, rng: Rng, face: Points, colour: Colour, gain: float) -> None:
    brush.shade(face, ramp([tone(colour, gain * 0.9), tone(colour, gain * 1.06)]),
                tuple(face[0]), tuple(face[3]))
    brush.fill(_quad(face, 0.42, 0.72, 0.58, 1), tone(mix(colour, WHITE, 0.35), gain))
    if rng.random() < 0.7:
        u = rng.uniform(0.08, 0.5)
        brush.fill(_quad(face, u, 0.14, u + 0.34, 0.4), tone(WHITE, gain))
        brush.fill(_quad(face, u + 0.05, 0.2, u + 0.25, 0.25), tone(DARK, 1.1))


def _tote_face(brush: Brush, rng: Rng, face: Points, colour: Colour, gain: float) -> None:
    brush.shade(face, ramp([tone(colour, gain * 0.82), tone(colour, gain * 1.05)]),
                tuple(face[0]), tuple(face[3]))
    for u in np.linspace(0.12, 0.78, int(rng.integers(3, 6))):
        brush.fill(_quad(face, u, 0.08, u + 0.06, 0.7), tone(colour, gain * 0.78))
    brush.fill(_quad(face, 0, 0.82, 1, 1), tone(colour, gain * 1.18))
    brush.fill(_quad(face, 0.38, 0.6, 0.62, 0.72), tone(colour, 0.3))


def paint_crate(brush: Brush, rng: Rng, pose: float) -> None:
    """A box of wood, cardboard or plastic, turned, seen a little from above."""
    kind = rng.integers(3)
    colour = (
        hsv(rng.uniform(0.07, 0.11), rng.uniform(0.35, 0.6), rng.uniform(0.6, 0.88)),
        hsv(rng.uniform(0.07, 0.1), rng.uniform(0.3, 0.5), rng.uniform(0.62, 0.85)),
        vivid(rng),
    )[kind]
    yaw, lift = rng.uniform(0.18, 0.82), rng.uniform(0.1, 0.22)
    span, deep = rng.uniform(0.85, 1.35), rng.uniform(0.8, 1.2)
    left, right = span * (1 - yaw), deep * yaw
    tall = 1 - lift
    near = np.array([(left - right) / 2, 0.0])
    west, east = near + (-left, lift * (1 - yaw)), near + (right, lift * yaw)
    far, up = west + east - near, np.array([0.0, tall])
    face = (_wood_face, _card_face, _tote_face)[kind]
    bright = 1.06 if brush.light < 0 else 0.72
    state = rng.bit_generator.state
    face(brush, rng, np.array([west, near, near + up, west + up]), colour, bright)
    rng.bit_generator.state = state
    face(brush, rng, np.array([near, east, east + up, near + up]), colour, 1.78 - bright)
    top = np.array([west, near, east, far]) + up
    brush.fill(top, tone(colour, 1.18))
    inner = top + (top.mean(axis=0) - top) * 0.16
    brush.fill(inner, tone(colour, (0.9, 1.1, 0.4)[kind]))
    if kind == 1:
        brush.fill(_quad(top, 0.42, 0, 0.58, 1), mix(colour, WHITE, 0.45))


def _leaf(x: float, y: float, angle: float, size: float, slim: float) -> tuple[Points, Points]:
    """The two halves of a pointed leaf that starts at (x, y)."""
    t = np.linspace(0, 1, 7)
    belly = np.sin(np.pi * t**0.8) * slim * size
    spine = np.stack([t * size, -0.16 * size * t**2], axis=1)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    upper, lower = spine + np.stack([0 * t, belly], 1), spine - np.stack([0 * t, belly], 1)
    halves = (np.concatenate([spine, h[::-1]]) @ turn + (x, y) for h in (upper, lower))
    first, second = halves
    return first, second


def _leaves(brush: Brush, rng: Rng, top: float, green: Colour) -> None:
    count, slim = int(rng.integers(9, 20)), rng.uniform(0.14, 0.3)
    long = rng.uniform(0.3, 0.46)
    angles = np.pi / 2 + np.linspace(-1, 1, count) * rng.uniform(1.1, 1.7)
    for angle in rng.permutation(angles):
        gain = rng.uniform(0.7, 1.1)
        reach = rng.uniform(0.05, 0.24)
        x, y = reach * np.cos(angle), top + 0.04 + reach * max(np.sin(angle), 0.1)
        first, second = _leaf(x, y, angle + rng.normal() * 0.15, long * rng.uniform(0.7, 1), slim)
        brush.fill(first, tone(green, gain))
        brush.fill(second, tone(green, gain * 0.78))


def _cactus(brush: Brush, rng: Rng, top: float, green: Colour) -> None:
    table = round_table(brush, green, 1.1)
    for side in (-1, 1):
        if rng.random() < 0.75:
            y, rise = rng.uniform(top + 0.12, top + 0.3), rng.uniform(0.1, 0.22)
            elbow = (side * 0.23, y)
            brush.shade(limb((0, y), elbow, 0.055, 0.055), table)
            brush.shade(limb(elbow, (side * 0.23, y + rise), 0.055, 0.05), table)
    brush.shade(limb((0, top - 0.05), (0, 0.88), 0.1, 0.1), table)
    for x in (-0.05, 0.0, 0.05):
        brush.fill(box(x - 0.006, top, x + 0.006, 0.92), tone(green, 0.62))
    if rng.random() < 0.5:
        brush.fill(ellipse(0, 0.965, 0.05, 0.035), hsv(rng.uniform(0.9, 1.0), 0.7, 0.95))


def _bushy(brush: Brush, rng: Rng, top: float, green: Colour) -> None:
    brush.fill(limb((0, top - 0.05), (0, 0.65), 0.03, 0.025), (96, 70, 48))
    petal = hsv(rng.choice([0.0, 0.13, 0.8, 0.93]), 0.65, 0.97) if rng.random() < 0.5 else None
    for index in range(16):
        angle, reach = rng.uniform(0, 2 * np.pi), 0.26 * rng.random() ** 0.5
        x, y = reach * np.cos(angle), 0.7 + reach * np.sin(angle) * 0.8
        r = rng.uniform(0.06, 0.1)
        lit = 0.85 + 0.8 * (y - 0.7) + brush.light * x * 0.8 - 0.02 * (16 - index)
        brush.fill(ellipse(x, y, r, r * 0.9), tone(green, lit))
        if petal and index % 2:
            brush.fill(ellipse(x, y + 0.01, 0.03, 0.03), petal)


def paint_plant(brush: Brush, rng: Rng, pose: float) -> None:
    """A plant in a pot: leaves, a cactus, or a small round tree."""
    clay = rng.random() < 0.5
    pot = hsv(rng.uniform(0.03, 0.06), 0.6, rng.uniform(0.6, 0.8)) if clay else muted(rng)
    green = hsv(rng.uniform(0.24, 0.42), rng.uniform(0.4, 0.75), rng.uniform(0.42, 0.75))
    top, rim, foot = rng.uniform(0.24, 0.36), rng.uniform(0.16, 0.24), rng.uniform(0.1, 0.17)
    table = round_table(brush, pot)
    brush.shade(_slice(0.02, top - 0.05, foot, rim, 0.14), table, (-rim, 0), (rim, 0))
    brush.shade(_slice(top - 0.07, top, rim * 1.1, rim * 1.1, 0.14), table)
    brush.fill(ellipse(0, top, rim * 1.1, rim * 0.16), tone(pot, 0.7))
    brush.fill(ellipse(0, top, rim * 0.95, rim * 0.12), (64, 47, 38))
    (_leaves, _cactus, _bushy, _leaves)[rng.integers(4)](brush, rng, top, green)


def _symbol(brush: Brush, kind: int, y: float, r: float, ink: Colour) -> None:
    if kind == 0:  # bar
        brush.fill(box(-r * 0.6, y - r * 0.16, r * 0.6, y + r * 0.16), ink)
    elif kind == 1:  # exclamation mark
        brush.fill([(-r * 0.09, y - r * 0.12), (r * 0.09, y - r * 0.12), (r * 0.14, y + r * 0.5),
                    (-r * 0.14, y + r * 0.5)], ink)
        brush.fill(ellipse(0, y - r * 0.33, r * 0.12, r * 0.12), ink)
    else:  # arrow
        brush.fill(box(-r * 0.12, y - r * 0.55, r * 0.12, y + r * 0.1), ink)
        brush.fill([(-r * 0.4, y + r * 0.05), (r * 0.4, y + r * 0.05), (0, y + r * 0.58)], ink)


def paint_sign(brush: Brush, rng: Rng, pose: float) -> None:
    """A traffic sign on a pole with a foot: octagon, triangle, disc or diamond."""
    r = rng.uniform(0.17, 0.24)
    y = 1 - r
    metal = hsv(0.6, 0.06, rng.uniform(0.45, 0.8))
    brush.shade(box(-0.018, 0.03, 0.018, y), round_table(brush, metal))
    brush.shade(ellipse(0, 0.025, 0.1, 0.024), side_table(brush, tone(metal, 0.6)))
    kind = int(rng.integers(5))
    red, blue, yellow = (198, 40, 44), (32, 92, 176), (244, 190, 44)
    rim, face, ink = ((WHITE, red, WHITE), (red, WHITE, DARK), (WHITE, blue, WHITE),
                      (DARK, yellow, DARK), (red, WHITE, DARK))[kind]
    sides, start = ((8, np.pi / 8), (3, np.pi / 2), (40, 0.0), (4, 0.0), (40, 0.0))[kind]
    turn = np.arange(sides) / sides * 2 * np.pi + start
    outline = np.stack([np.cos(turn), np.sin(turn)], axis=1) * r
    if kind == 1:
        outline = outline * (1.1, 1.15) - (0, 0.05)
    squeeze = rng.uniform(0.75, 1.0)  # seen a little from the side
    outline *= (squeeze, 1)
    brush.fill(outline + (0, y), tone(rim, 0.95))
    brush.shade(outline * (0.9 if kind in (0, 2, 3) else 0.78) + (0, y), side_table(brush, face))
    symbol = (0, 1, 2, int(rng.integers(1, 3)), 0)[kind]
    _symbol(brush, symbol, y - (0.03 if kind == 1 else 0), r * (0.8 if kind == 1 else 1), ink)


def tilt_of_cone(rng: Rng) -> float:
    """Rotation of a cone that may have been knocked over, in radians."""
    return float(rng.choice([-1, 1]) * 1.88) if rng.random() < 0.12 else 0.0

