# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Drawn football pitches as a soccer robot sees them, with dark robots and a ball."""

from __future__ import annotations

import cv2
import numpy as np

from anydepth_core.data.dataset import Objects, Sample
from anydepth_core.data.geometry import Pixels

HEIGHT, WIDTH = 512, 389
HORIZON = 200
BALL_WIDTH, ROBOT_WIDTH, ROBOT_HEIGHT, CAMERA_HEIGHT = 0.22, 0.52, 0.8, 0.65  # metres
FOCAL = 230  # pixels


class DrawnPitches:
    """Picture number i depends on (first_seed, i) alone; 2 to 4 robots and a ball are in it.

    Args:
        first_seed: of picture 0.
        count: how many pictures.
        class_names: must hold 'obstacle' and 'ball'.
    """

    endless = False

    def __init__(self, first_seed: int, count: int, class_names: tuple[str, ...]) -> None:
        self.first_seed, self.count, self.class_names = first_seed, count, class_names

    def __len__(self) -> int:
        return self.count

    def load(self, index: int) -> Sample:
        """Draw one picture, the farthest thing first."""
        rng = np.random.default_rng(self.first_seed + index)
        image = pitch(rng)
        things = [('ball', rng.uniform(-0.5, 0.5), rng.uniform(1.2, 3.5))]
        things += [('obstacle', rng.uniform(-0.8, 0.8), distance)
                   for distance in rng.uniform(1.5, 7, rng.integers(2, 5))]
        things.sort(key=lambda thing: -thing[2])
        boxes = []
        for name, side, distance in things:
            scale = FOCAL / distance
            foot = WIDTH / 2 * (1 + side), HORIZON + CAMERA_HEIGHT * scale
            boxes.append(DRAW[name](image, foot, scale, rng))
        labels = [self.class_names.index(name) for name, *_ in things]
        corners = np.clip(np.array(boxes, np.float32), 0, (WIDTH, HEIGHT, WIDTH, HEIGHT))
        sides = corners[:, 2:] - corners[:, :2]
        noisy = image + rng.normal(0, 3, image.shape)
        image = cv2.GaussianBlur(np.clip(noisy, 0, 255).astype(np.uint8), (3, 3), 0)
        return Sample(image, Objects(corners, np.array(labels), np.zeros(len(labels), np.bool_),
                                     sides[:, 0] * sides[:, 1]), f'pitch {index}')


def pitch(rng: np.random.Generator) -> Pixels:
    """Return a dark hall with lamps over a green floor with white lines, (H, W, 3) RGB."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:HORIZON] = rng.integers(25, 60)
    image[HORIZON:] = np.array([30, 115, 60]) * rng.uniform(0.8, 1.2)
    for x, y in rng.integers((0, 0), (WIDTH, HORIZON - 60), (25, 2)).tolist():
        cv2.circle(image, (x, y), 3, (235, 235, 245), -1)
    cv2.rectangle(image, (0, HORIZON - 25), (WIDTH, HORIZON), (150, 150, 150), -1)
    for y, thickness in ((HORIZON + 22, 2), (HORIZON + 90, 5)):
        cv2.line(image, (0, y + int(rng.integers(-8, 8))), (WIDTH, y), (225, 235, 225), thickness)
    return image


def draw_robot(image: Pixels, foot: tuple[float, float], scale: float,
               rng: np.random.Generator) -> tuple[float, ...]:
    """Draw a dark body that narrows upwards, with a coloured shirt; return its corners."""
    x, y = foot
    half, height = ROBOT_WIDTH / 2 * scale, ROBOT_HEIGHT * scale
    shirt = [(60, 120, 200), (190, 60, 120), (60, 60, 60)][rng.integers(3)]
    for low, high, wide, narrow, colour in (
            (0.0, 0.35, 1.0, 0.85, (25, 25, 28)), (0.35, 0.8, 0.7, 0.45, shirt),
            (0.8, 1.0, 0.3, 0.25, (20, 20, 22))):
        corners = [(x - wide * half, y - low * height), (x + wide * half, y - low * height),
                   (x + narrow * half, y - high * height), (x - narrow * half, y - high * height)]
        cv2.fillPoly(image, [np.round(corners).astype(np.int32)], colour, cv2.LINE_AA)
    return x - half, y - height, x + half, y


def draw_ball(image: Pixels, foot: tuple[float, float], scale: float,
              _rng: np.random.Generator) -> tuple[float, ...]:
    """Draw a yellow ball, darker below; return its corners."""
    x, y = foot
    radius = BALL_WIDTH / 2 * scale
    centre = (round(x), round(y - radius))
    cv2.circle(image, centre, round(radius), (165, 140, 60), -1, cv2.LINE_AA)
    cv2.circle(image, (centre[0], round(y - 1.2 * radius)), round(0.8 * radius), (235, 210, 110),
               -1, cv2.LINE_AA)
    return x - radius, y - 2 * radius, x + radius, y


DRAW = {'obstacle': draw_robot, 'ball': draw_ball}
