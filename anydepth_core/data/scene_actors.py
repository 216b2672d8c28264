# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Painters of the things that move by themselves: person, robot, drone (see scene_objects)."""

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
    rounded,
    tone,
)
from anydepth_core.data.scene_objects import DARK, WHITE, Rng, muted, round_table, vivid

_SKIN: tuple[Colour, ...] = (
    (246, 206, 176), (232, 184, 148), (202, 148, 108), (156, 104, 72), (108, 70, 50)
)
_HAIR: tuple[Colour, ...] = (
    (42, 32, 30), (74, 50, 36), (128, 84, 48), (206, 164, 96), (150, 60, 36), (170, 168, 166)
)


def _leg(brush: Brush, hip: tuple[float, float], swing: float, cloth: Colour, shoe: Colour,
         width: float) -> None:
    """One leg from `hip` to the ground; `swing` -1 (back) to 1 (front)."""
    angle = swing * 0.42
    bend = max(-swing, 0.0) * 0.35
    knee = (hip[0] + np.sin(angle) * 0.24, hip[1] - np.cos(angle) * 0.24)
    shin = angle - bend
    ankle = (knee[0] + np.sin(shin) * 0.2, max(knee[1] - np.cos(shin) * 0.2, 0.035))
    table = round_table(brush, cloth, 0.7)
    brush.shade(limb(hip, knee, width, width * 0.8), table)
    brush.shade(limb(knee, ankle, width * 0.8, width * 0.62), table)
    brush.fill(limb((ankle[0] - 0.01, ankle[1] - 0.01), (ankle[0] + 0.06, ankle[1] - 0.014),
                    0.027, 0.02), shoe)


def _arm(brush: Brush, shoulder: tuple[float, float], swing: float, sleeve: Colour, skin: Colour,
         width: float) -> None:
    angle = swing * 0.5
    elbow = (shoulder[0] + np.sin(angle) * 0.15, shoulder[1] - np.cos(angle) * 0.15)
    lower = angle + 0.3 + 0.2 * max(swing, 0.0)
    hand = (elbow[0] + np.sin(lower) * 0.14, elbow[1] - np.cos(lower) * 0.14)
    brush.fill(limb(elbow, hand, width * 0.75, width * 0.6), skin)
    brush.shade(limb(shoulder, elbow, width, width * 0.8), round_table(brush, sleeve, 0.7))


def _head(brush: Brush, rng: Rng, skin: Colour, x: float) -> None:
    hair = _HAIR[rng.integers(len(_HAIR))]
    style = rng.integers(5)
    brush.fill(limb((x * 0.5, 0.8), (x, 0.87), 0.027, 0.027), tone(skin, 0.8))
    if style == 0:  # long hair
        brush.fill(rounded(x - 0.078, 0.8, x + 0.05, 0.99, 0.05), tone(hair, 0.85))
    brush.shade(ellipse(x, 0.915, 0.058, 0.073), round_table(brush, skin, 0.6))
    if style == 4:  # cap or helmet
        cap = vivid(rng)
        dome = ellipse(x, 0.935, 0.066, 0.065)
        brush.shade(dome[dome[:, 1] >= 0.934], round_table(brush, cap, 0.7))
        brush.fill(box(x, 0.93, x + 0.1, 0.945), tone(cap, 0.75))
    else:
        crown = ellipse(x - 0.012, 0.938, 0.064, 0.062)
        brush.fill(crown[(crown[:, 1] >= 0.945) | (crown[:, 0] < x - 0.04)], hair)


def paint_person(brush: Brush, rng: Rng, pose: float) -> None:
    """A walking or standing figure; `pose` is the phase of the stride."""
    skin = _SKIN[rng.integers(len(_SKIN))]
    shirt = vivid(rng) if rng.random() < 0.6 else muted(rng)
    trousers, shoe = muted(rng), tone(muted(rng), 0.6)
    pack, skirt, stout = rng.random() < 0.3, rng.random() < 0.22, rng.uniform(0.85, 1.3)
    stride = rng.uniform(0.35, 1.0) if rng.random() < 0.75 else 0.08
    sleeve = shirt if rng.random() < 0.6 else skin
    swing = float(np.sin(2 * np.pi * pose)) * stride
    lean, wide = 0.02 * stride, 0.1 * stout
    leg_width = 0.048 * (0.8 + 0.2 * stout)
    _arm(brush, (lean, 0.755), swing, tone(sleeve, 0.7), tone(skin, 0.7), 0.034)
    _leg(brush, (-0.01, 0.46), -swing, tone(trousers, 0.72), shoe, leg_width)
    if pack:
        colour = vivid(rng)
        brush.shade(rounded(-wide - 0.075, 0.52, 0.0, 0.77, 0.05), round_table(brush, colour))
    _leg(brush, (0.01, 0.46), swing, trousers, shoe, leg_width)
    torso = np.array([[-wide * 0.8, 0.45], [wide * 0.8, 0.45], [wide * 0.85, 0.56],
                      [lean + wide, 0.72], [lean + 0.05, 0.805], [lean - 0.05, 0.805],
                      [lean - wide, 0.74], [-wide * 0.9, 0.58]])
    if skirt:
        hem = 0.05 * swing
        brush.shade([(-wide * 0.8, 0.5), (wide * 0.8, 0.5), (wide * 1.45 + hem, 0.27),
                     (-wide * 1.45 + hem, 0.27)], round_table(brush, trousers, 0.7))
    brush.shade(torso, round_table(brush, shirt, 0.8))
    if rng.random() < 0.35:  # safety vest or stripe
        stripe = (238, 222, 60) if rng.random() < 0.5 else WHITE
        brush.fill(box(-wide * 0.88, 0.58, wide * 0.9, 0.63), tone(stripe, 0.95))
    _head(brush, rng, skin, lean * 2)
    _arm(brush, (lean * 0.5 - 0.01, 0.755), -swing, sleeve, skin, 0.036)


def _wheel(brush: Brush, x: float, r: float, pose: float) -> None:
    brush.fill(ellipse(x, r, r, r), (30, 31, 36))
    brush.fill(ellipse(x, r, r * 0.6, r * 0.6), (150, 154, 162))
    turn = 2 * np.pi * pose
    for spoke in range(3):
        angle = turn + spoke * 2 * np.pi / 3
        end = (x + np.cos(angle) * r * 0.5, r + np.sin(angle) * r * 0.5)
        brush.fill(limb((x, r), end, r * 0.08, r * 0.08), (84, 88, 98))


def _eyes(brush: Brush, x0: float, y0: float, x1: float, y1: float, glow: Colour) -> None:
    brush.fill(rounded(x0, y0, x1, y1, 0.05), (20, 24, 34))
    w, y = x1 - x0, (y0 + y1) / 2
    for share in (0.3, 0.7):
        brush.fill(ellipse(x0 + w * share, y, w * 0.1, (y1 - y0) * 0.24), glow)


def _rover(brush: Brush, rng: Rng, pose: float, body: Colour, glow: Colour) -> None:
    """A six-wheeled delivery robot with a lid and a flag."""
    half, low, high = rng.uniform(0.46, 0.58), 0.2, rng.uniform(0.66, 0.74)
    mast = -half * 0.7
    brush.fill(box(mast - 0.008, high - 0.05, mast + 0.008, 1.0), (70, 72, 80))
    brush.fill([(mast, 0.99), (mast, 0.87), (mast - 0.14, 0.93)], vivid(rng))
    brush.shade(rounded(-half, low, half, high, 0.14),
                ramp([tone(body, 0.6), body, tone(body, 1.15)]), (0, low), (0, high))
    brush.fill(box(-half * 0.98, high - 0.17, half * 0.98, high - 0.14), tone(body, 0.55))
    brush.fill(rounded(-half * 0.98, low + 0.02, half * 0.98, low + 0.12, 0.05), tone(DARK, 1.1))
    _eyes(brush, half * 0.3, low + 0.16, half * 0.94, high - 0.2, glow)
    brush.fill(rounded(-half * 0.8, low + 0.2, -half * 0.2, low + 0.28, 0.03), vivid(rng))
    for x in (-half * 0.72, 0.0, half * 0.72):
        _wheel(brush, x, 0.15, -pose)


def _butler(brush: Brush, rng: Rng, pose: float, body: Colour, glow: Colour) -> None:
    """An upright service robot: skirt, column, arms, head with a visor."""
    table, joint = round_table(brush, body), round_table(brush, (92, 96, 106))
    sway = 0.02 * float(np.sin(2 * np.pi * pose))
    brush.shade(rounded(-0.2, 0, 0.2, 0.12, 0.05), joint)
    skirt = [(-0.19, 0.08), (0.19, 0.08), (0.12, 0.4), (-0.12, 0.4)]
    brush.shade(skirt, table)
    brush.shade(box(-0.05, 0.4, 0.05, 0.48), joint)
    for side in (-1, 1):
        lift = rng.uniform(-0.3, 0.6)
        elbow = (side * 0.24, 0.5 + 0.1 * lift + sway)
        brush.shade(limb((side * 0.17, 0.66), elbow, 0.035, 0.03), joint)
        brush.shade(limb(elbow, (side * 0.22, elbow[1] - 0.12 + 0.22 * lift), 0.035, 0.03), table)
    brush.shade(rounded(-0.17, 0.45, 0.17, 0.71, 0.08), table)
    brush.fill(ellipse(0, 0.6, 0.05, 0.05), tone(body, 0.5))
    brush.fill(ellipse(0, 0.6, 0.034, 0.034), glow)
    brush.shade(box(-0.03, 0.7, 0.03, 0.76), joint)
    brush.shade(rounded(-0.15, 0.75, 0.15, 0.97, 0.09), table)
    _eyes(brush, -0.12 + sway, 0.8, 0.12 + sway, 0.91, glow)
    brush.fill(limb((0.1, 0.95), (0.12, 0.99), 0.01, 0.008), (70, 72, 80))


def _hound(brush: Brush, rng: Rng, pose: float, body: Colour, glow: Colour) -> None:
    """A four-legged robot at a trot."""
    joint = round_table(brush, (66, 70, 80))
    half = rng.uniform(0.5, 0.62)
    for far in (True, False):
        for place, offset in ((-0.8, 0.0), (0.78, 0.5)):
            swing = float(np.sin(2 * np.pi * (pose + offset + (0.5 if far else 0)))) * 0.16
            hip = (half * place + (0.06 if far else 0), 0.62)
            knee = (hip[0] - 0.16 + swing * 0.4, 0.33)
            foot = (hip[0] + swing, 0.04 + max(swing, 0.0) * 0.3)
            shell = round_table(brush, tone(body, 0.55 if far else 0.95))
            brush.shade(limb(knee, foot, 0.05, 0.035), joint)
            brush.shade(limb(hip, knee, 0.085, 0.06), shell)
    table = ramp([tone(body, 0.55), body, tone(body, 1.2)])
    brush.shade(rounded(-half, 0.52, half, 0.8, 0.1), table, (0, 0.52), (0, 0.8))
    brush.fill(rounded(-half * 0.6, 0.6, half * 0.3, 0.68, 0.03), tone(body, 0.5))
    brush.shade(rounded(half * 0.7, 0.6, half * 1.3, 0.9, 0.09), table, (0, 0.6), (0, 0.9))
    _eyes(brush, half * 0.92, 0.68, half * 1.26, 0.82, glow)
    brush.shade(rounded(-half * 0.3, 0.78, half * 0.1, 0.99, 0.05), joint)


def paint_robot(brush: Brush, rng: Rng, pose: float) -> None:
    """A delivery rover, a service robot or a robot dog."""
    body = mix(WHITE, vivid(rng), rng.choice([0.05, 0.15, 0.75, 0.95]))
    glow = hsv(rng.choice([0.33, 0.48, 0.55, 0.1]), 0.6, 1.0)
    (_rover, _butler, _hound)[rng.integers(3)](brush, rng, pose, body, glow)


def _rotor(brush: Brush, x: float, y: float, r: float, pose: float) -> None:
    brush.fill(ellipse(x, y, r, r * 0.17), (126, 132, 142), 0.6)
    angle = np.cos(2 * np.pi * pose * 7)
    blade: Points = ellipse(x, y, r * (0.4 + 0.5 * abs(angle)), r * 0.06)
    brush.fill(blade, (52, 55, 62))
    brush.fill(box(x - 0.03, y - 0.09, x + 0.03, y), (60, 63, 70))


def paint_drone(brush: Brush, rng: Rng, pose: float) -> None:
    """A multicopter with turning rotors, legs and a camera."""
    body = mix(WHITE, vivid(rng), rng.choice([0.0, 0.1, 0.9])) if rng.random() < 0.7 else DARK
    span, r = rng.uniform(0.95, 1.25), rng.uniform(0.36, 0.46)
    arm = tone(body, 0.62)
    for x in (-span * 0.62, span * 0.62):  # the far pair
        brush.fill(limb((0, 0.55), (x, 0.68), 0.05, 0.03), tone(arm, 0.8))
        _rotor(brush, x, 0.82, r * 0.8, pose + 0.2)
    for side in (-1, 1):
        brush.fill(limb((side * 0.22, 0.45), (side * 0.42, 0.06), 0.03, 0.025), arm)
        brush.fill(limb((side * 0.3, 0.05), (side * 0.54, 0.05), 0.03, 0.03), arm)
        brush.shade(limb((0, 0.5), (side * span, 0.6), 0.075, 0.045), round_table(brush, body))
    shell = ramp([tone(body, 0.5), body, tone(body, 1.2)])
    brush.shade(rounded(-0.36, 0.34, 0.36, 0.72, 0.17), shell, (0, 0.34), (0, 0.72))
    brush.fill(ellipse(0, 0.3, 0.12, 0.12), (40, 43, 50))
    brush.fill(ellipse(0.02, 0.29, 0.06, 0.06), (96, 150, 190))
    lamp = hsv(rng.choice([0.0, 0.33]), 0.8, 1.0)
    for side in (-1, 1):
        brush.fill(ellipse(side * span, 0.52, 0.04, 0.04), lamp)
        _rotor(brush, side * span, 0.75, r, pose)
