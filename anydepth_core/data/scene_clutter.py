# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Painters of things a scene shows but never labels; some share colours with the labelled ones."""

import numpy as np

from anydepth_core.data.scene_brush import Brush, box, ellipse, hsv, limb, ramp, rounded, tone
from anydepth_core.data.scene_objects import WHITE, Rng, muted, round_table, vivid


def paint_barrel(brush: Brush, rng: Rng, pose: float) -> None:
    """A drum with ribs."""
    colour = vivid(rng)
    w = rng.uniform(0.3, 0.36)
    table = round_table(brush, colour)
    brush.shade(box(-w, 0.04, w, 0.95), table)
    brush.shade(ellipse(0, 0.04, w, 0.04), table)
    for y in (0.3, 0.62):
        brush.shade(rounded(-w * 1.05, y, w * 1.05, y + 0.04, 0.02), table)
    brush.fill(ellipse(0, 0.95, w, 0.05), tone(colour, 1.15))
    brush.fill(ellipse(0, 0.95, w * 0.86, 0.038), tone(colour, 0.8))


def paint_bollard(brush: Brush, rng: Rng, pose: float) -> None:
    """A post, often in the colours of a traffic cone."""
    colour = hsv(rng.uniform(0.0, 0.08), 0.85, 0.92) if rng.random() < 0.5 else muted(rng)
    w = rng.uniform(0.07, 0.11)
    brush.shade(rounded(-w, 0, w, 1, w), round_table(brush, colour))
    if rng.random() < 0.7:
        brush.shade(box(-w, 0.68, w, 0.8), round_table(brush, WHITE))


def paint_rock(brush: Brush, rng: Rng, pose: float) -> None:
    """A low-poly boulder."""
    colour = hsv(rng.uniform(0.05, 0.65), 0.1, rng.uniform(0.35, 0.7))
    turn = np.linspace(0, np.pi, 7)
    reach = rng.uniform(0.75, 1.0, 7)
    outline = np.stack([np.cos(turn) * reach * 0.75, np.sin(turn) * reach * 0.95], axis=1)
    outline = np.concatenate([outline, [(-0.5, -0.03), (0.5, -0.03)]])
    brush.fill(outline, tone(colour, 0.8))
    peak = np.array([rng.uniform(-0.15, 0.15), 0.45])
    for index in range(6):
        facet = np.array([outline[index], outline[index + 1], peak])
        side = float(facet[:, 0].mean()) * brush.light
        brush.fill(facet, tone(colour, 0.92 + 0.5 * side + 0.25 * (facet[:, 1].mean() - 0.4)))


def paint_bush(brush: Brush, rng: Rng, pose: float) -> None:
    """A bush without a pot."""
    green = hsv(rng.uniform(0.2, 0.4), rng.uniform(0.4, 0.7), rng.uniform(0.35, 0.65))
    brush.fill(ellipse(0, 0.08, 0.62, 0.1), tone(green, 0.5))
    for _ in range(14):
        x, y = rng.uniform(-0.5, 0.5), rng.uniform(0.12, 0.75)
        r = rng.uniform(0.14, 0.24)
        y = min(y, 0.98 - r - abs(x) * 0.5)
        brush.fill(ellipse(x, y, r, r * 0.85), tone(green, 0.6 + 0.5 * y + brush.light * x * 0.4))


def paint_bin(brush: Brush, rng: Rng, pose: float) -> None:
    """A wheeled bin."""
    colour = hsv(rng.choice([0.33, 0.58, 0.12, 0.0]), 0.5, rng.uniform(0.3, 0.6))
    brush.shade([(-0.2, 0.03), (0.2, 0.03), (0.27, 0.86), (-0.27, 0.86)],
                round_table(brush, colour, 0.7))
    brush.fill(rounded(-0.3, 0.84, 0.3, 0.98, 0.06), tone(colour, 0.8))
    brush.fill(rounded(-0.12, 0.5, 0.12, 0.64, 0.03), tone(WHITE, 0.8))
    for x in (-0.18, 0.18):
        brush.fill(ellipse(x, 0.06, 0.07, 0.07), (28, 28, 32))


def paint_chair(brush: Brush, rng: Rng, pose: float) -> None:
    """A chair."""
    colour = muted(rng)
    for x, y in ((-0.2, 0.06), (0.24, 0.06), (-0.26, 0), (0.18, 0)):
        brush.fill(limb((x, y), (x * 0.95, 0.48), 0.02, 0.025), tone(colour, 0.55))
    brush.shade(rounded(-0.27, 0.5, -0.19, 1.0, 0.03), round_table(brush, colour))
    brush.fill([(-0.28, 0.5), (0.22, 0.5), (0.28, 0.56), (-0.2, 0.56)], tone(colour, 1.1))
    brush.fill(box(-0.28, 0.45, 0.22, 0.5), tone(colour, 0.75))


def paint_lamp(brush: Brush, rng: Rng, pose: float) -> None:
    """A lamp post with a round shade."""
    brush.shade(limb((0, 0), (0, 0.85), 0.022, 0.014), round_table(brush, (72, 76, 84)))
    brush.fill(ellipse(0, 0.01, 0.06, 0.015), (58, 60, 68))
    glow = hsv(0.12, rng.uniform(0.1, 0.4), 0.98)
    table = ramp([tone(glow, 1.1), tone(glow, 0.8)])
    if rng.random() < 0.5:
        brush.shade(ellipse(0, 0.92, 0.07, 0.07), table, (0, 1), (0, 0.85))
    else:
        brush.shade([(-0.1, 0.84), (0.1, 0.84), (0.05, 0.98), (-0.05, 0.98)], table)


def paint_suitcase(brush: Brush, rng: Rng, pose: float) -> None:
    """A suitcase on wheels."""
    colour = vivid(rng) if rng.random() < 0.5 else muted(rng)
    for x in (-0.1, 0.1):
        brush.fill(box(x - 0.012, 0.7, x + 0.012, 1.0), (120, 122, 130))
        brush.fill(ellipse(x * 1.7, 0.03, 0.035, 0.035), (30, 30, 34))
    brush.fill(box(-0.12, 0.97, 0.12, 1.0), (60, 62, 70))
    brush.shade(rounded(-0.24, 0.05, 0.24, 0.76, 0.07), round_table(brush, colour, 0.8))
    for x in (-0.12, 0.0, 0.12):
        brush.fill(box(x - 0.008, 0.1, x + 0.008, 0.71), tone(colour, 0.72))


def paint_bird(brush: Brush, rng: Rng, pose: float) -> None:
    """A bird on the wing."""
    colour = (52, 54, 64) if rng.random() < 0.6 else (228, 228, 232)
    flap = float(np.sin(2 * np.pi * pose * 2)) * 0.3
    for side in (-1, 1):
        brush.fill([(0, 0.55), (side * 0.5, 0.75 + flap * 0.6), (side * 1.0, 0.55 + flap),
                    (side * 0.45, 0.6 + flap * 0.5), (0, 0.42)], colour)
    brush.fill(ellipse(0, 0.48, 0.16, 0.1), tone(colour, 0.9))
