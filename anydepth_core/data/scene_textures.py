# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Grey textures for floors, clouds and sensor noise: made once from fixed seeds, then reused."""

from functools import cache

import cv2
import numpy as np

from anydepth_core.data.scene_brush import Image

SIDE = 256  # pixels of a floor tile; a tile repeats seamlessly


@cache
def clouds() -> Image:
    """Smooth fractal noise (512, 512) uint8 over the whole range, seamless."""
    rng = np.random.default_rng(11)
    total = np.zeros((512, 512), np.float32)
    for octave in range(2, 8):
        cells = 1 << octave
        seed = rng.standard_normal((cells, cells)).astype(np.float32)
        wrapped = cv2.copyMakeBorder(seed, 2, 2, 2, 2, cv2.BORDER_WRAP)
        step = 512 // cells
        grown = cv2.resize(wrapped, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += grown[2 * step : -2 * step, 2 * step : -2 * step] / cells**0.8
    low, high = np.percentile(total, (0.5, 99.5))
    return ((total - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)


@cache
def grain() -> Image:
    """Sensor noise (1024, 1024, 3) uint8: normal, mean 128, standard deviation 32."""
    rng = np.random.default_rng(12)
    noise = rng.standard_normal((1024, 1024, 3), np.float32)
    return (noise * 32 + 128).clip(0, 255).astype(np.uint8)


def _speckle(seed: int, blur: float, contrast: float) -> Image:
    noise = np.random.default_rng(seed).standard_normal((SIDE, SIDE)).astype(np.float32)
    padded = cv2.copyMakeBorder(noise, 16, 16, 16, 16, cv2.BORDER_WRAP)
    if blur:
        padded = cv2.GaussianBlur(padded, (0, 0), blur)
    core = padded[16:-16, 16:-16]
    return (128 + core / core.std() * contrast).clip(0, 255).astype(np.uint8)


def _cells(rows: int, columns: int, seed: int, joint: int, offset: bool, spread: float) -> Image:
    """Tiles or planks: `rows` x `columns` cells of slightly different grey with dark joints."""
    rng = np.random.default_rng(seed)
    tile = np.zeros((SIDE, SIDE), np.float32)
    high, wide = SIDE // rows, SIDE // columns
    for row in range(rows):
        line = np.zeros((high, SIDE), np.float32)
        for column in range(columns):
            x = column * wide
            line[joint:, x + joint : x + wide] = 165 + rng.normal() * spread
        tile[row * high : (row + 1) * high] = np.roll(line, int(offset) * row * wide * 3 // 7, 1)
    return tile.clip(0, 255).astype(np.uint8)


def _blend(first: Image, second: Image, weight: float) -> Image:
    return np.asarray(cv2.addWeighted(first, 1.0, second, weight, -128 * weight), np.uint8)


@cache
def floor(material: str) -> Image:
    """A seamless grey floor tile (SIDE, SIDE) uint8 of a material."""
    mottle = np.asarray(cv2.resize(clouds(), (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    if material == 'grass':
        return _blend(_speckle(1, 1.2, 26), mottle, 0.5)
    if material == 'asphalt':
        return _blend(_speckle(2, 0.6, 20), mottle, 0.25)
    if material == 'sand':
        waves = 128 + 22 * np.sin(np.arange(SIDE) / SIDE * 2 * np.pi * 8)[:, None]
        return _blend(np.repeat(waves, SIDE, 1).astype(np.uint8), mottle, 0.45)
    if material == 'concrete':
        return _blend(_cells(2, 2, 3, 1, False, 5), mottle, 0.35)
    if material == 'tiles':
        return _blend(_cells(4, 4, 4, 2, False, 14), _speckle(5, 3, 16), 0.3)
    if material == 'checker':
        dark = (np.indices((4, 4)).sum(0) % 2).astype(np.uint8) * 130 + 60
        return np.kron(dark, np.ones((SIDE // 4, SIDE // 4), np.uint8))
    if material == 'wood':
        wide = np.tile(_speckle(6, 2, 30), (1, 3))
        fibre = np.asarray(cv2.blur(wide, (41, 1)), np.uint8)[:, SIDE : 2 * SIDE]
        return _blend(_cells(8, 2, 7, 1, True, 22), fibre, 0.8)
    if material == 'paving':
        return _blend(_cells(8, 4, 8, 3, True, 16), _speckle(9, 1, 20), 0.35)
    return _blend(_speckle(10, 0.8, 14), mottle, 0.15)  # carpet, snow
