# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a camera does to a scene: vignette, exposure, white balance, blur, noise, compression."""

from dataclasses import dataclass

import cv2
import numpy as np

from anydepth_core.data.scene_brush import Image
from anydepth_core.data.scene_textures import grain

Rng = np.random.Generator


@dataclass(frozen=True)
class Lens:
    """Settings of the imagined camera; blur lengths in pixels, noise in grey levels."""

    gamma: float
    gains: tuple[float, float, float]
    vignette: float
    defocus: float
    motion: float
    motion_angle: float
    noise: float
    quality: int | None

    @staticmethod
    def draw(rng: Rng) -> 'Lens':
        """A random camera: mostly good, at times blurred, noisy, dark or compressed."""
        warm, bright = rng.normal() * 0.05, float(np.exp(np.clip(rng.normal() * 0.12, -0.3, 0.14)))
        blurred = rng.random()
        return Lens(
            gamma=float(np.exp(rng.normal() * 0.16)),
            gains=(bright * (1 + warm), bright, bright * (1 - warm)),
            vignette=rng.uniform(0.0, 0.35),
            defocus=rng.uniform(0.5, 1.4) if blurred < 0.2 else 0.0,
            motion=rng.uniform(2, 7) if blurred > 0.88 else 0.0,
            motion_angle=rng.uniform(0, np.pi),
            noise=min(float(rng.exponential(3.0)), 12.0),
            quality=int(rng.integers(35, 85)) if rng.random() < 0.2 else None,
        )


def _motion_kernel(length: float, angle: float) -> np.ndarray:
    side = int(length) | 1
    kernel = np.zeros((side + 2, side + 2), np.float32)
    middle = (side + 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = np.rint((middle + np.stack([-reach, reach])) * 16).astype(int)
    image = np.zeros(kernel.shape, np.uint8)
    cv2.line(image, ends[0].tolist(), ends[1].tolist(), 255, 1, cv2.LINE_AA, 4)
    return image.astype(np.float32) / image.sum()


def apply_lens(frame: Image, lens: Lens, seed: int) -> Image:
    """Return what the camera delivers of `frame` (H, W, 3); `seed` places the noise."""
    height, width = frame.shape[:2]
    if lens.defocus:
        frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), lens.defocus), np.uint8)
    if lens.motion:
        kernel = _motion_kernel(lens.motion, lens.motion_angle)
        frame = np.asarray(cv2.filter2D(frame, -1, kernel), np.uint8)
    x, y = np.linspace(-1, 1, 16, dtype=np.float32), np.linspace(-1, 1, 16, dtype=np.float32)
    dim = 1 - lens.vignette * 0.5 * np.add.outer(y**2, x**2).clip(0, 2)
    mask = cv2.resize((dim * 255).astype(np.uint8), (width, height))
    frame = np.asarray(cv2.multiply(frame, cv2.merge([mask] * 3), scale=1 / 255), np.uint8)
    curve = (np.arange(256) / 255.0) ** lens.gamma * 255
    table = np.stack([(curve * gain).clip(0, 255) for gain in lens.gains], axis=1)
    frame = np.asarray(cv2.LUT(frame, table.astype(np.uint8)[None]), np.uint8)
    if lens.noise > 0.3:
        frame = _add_noise(frame, lens.noise, np.random.default_rng([seed, 77]))
    if lens.quality is not None:
        _, code = cv2.imencode('.jpg', frame, [cv2.IMWRITE_JPEG_QUALITY, lens.quality])
        frame = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return frame


def _add_noise(frame: Image, sigma: float, rng: Rng) -> Image:
    height, width = frame.shape[:2]
    tile = grain()
    y, x = rng.integers(1024, size=2)
    lines, columns = (y + np.arange(height)) % 1024, (x + np.arange(width)) % 1024
    if y + height <= 1024 and x + width <= 1024:
        noise = tile[y : y + height, x : x + width]
    else:
        noise = tile[lines[:, None], columns]
    weight = sigma / 32
    return np.asarray(cv2.addWeighted(frame, 1.0, noise, weight, -128 * weight), np.uint8)
