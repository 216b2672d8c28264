# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Image bytes of every common encoding to a colour array, without ROS and without cv_bridge.

Names are those of sensor_msgs/image_encodings.hpp. The 8-bit colour encodings become views of
the message's memory: nothing is copied. All others go through one OpenCV conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.errors import ImageError, nearest

Color = Literal['rgb', 'bgr']
Array = NDArray[Any]


@dataclass(frozen=True)
class Encoding:
    """How one encoding lies in memory and how it becomes three channels.

    Attributes:
        color: channel order of the result.
        convert: (rows, width, pixel) samples to (height, width, 3) uint8.
        pixel: samples for each pixel in a row.
        sample_bytes: 1 or 2.
        even: (height, width) must be even.
        chroma: colour rows follow the rows of the image, half as many (4:2:0).
    """

    color: Color
    convert: Callable[[Array], Array]
    pixel: int = 1
    sample_bytes: int = 1
    even: tuple[bool, bool] = (False, False)
    chroma: bool = False


def _first_three(rows: Array) -> Array:
    return rows[..., :3]


def _opencv(code: int) -> Callable[[Array], Array]:
    return lambda rows: cv2.cvtColor(np.ascontiguousarray(rows), code)


def _mono16(rows: Array) -> Array:
    return _opencv(cv2.COLOR_GRAY2BGR)((rows >> 8).astype(np.uint8))


def _bayer(code: int) -> Callable[[Array], Array]:
    def convert(rows: Array) -> Array:
        if min(rows.shape[:2]) < 4:
            raise ImageError(f'a Bayer image of {rows.shape[1]}x{rows.shape[0]} is too small')
        return _opencv(code)(rows)
    return convert


_TWO_ROWS = (True, True)
_PAIRS = (False, True)
# OpenCV names a Bayer pattern by its second row and column: its BG is everybody's RGGB.
ENCODINGS = {
    'rgb8': Encoding('rgb', _first_three, pixel=3),
    'bgr8': Encoding('bgr', _first_three, pixel=3),
    '8UC3': Encoding('bgr', _first_three, pixel=3),
    'rgba8': Encoding('rgb', _first_three, pixel=4),
    'bgra8': Encoding('bgr', _first_three, pixel=4),
    '8UC4': Encoding('bgr', _first_three, pixel=4),
    'mono8': Encoding('bgr', _opencv(cv2.COLOR_GRAY2BGR)),
    '8UC1': Encoding('bgr', _opencv(cv2.COLOR_GRAY2BGR)),
    'mono16': Encoding('bgr', _mono16, sample_bytes=2),
    'bayer_rggb8': Encoding('bgr', _bayer(cv2.COLOR_BayerBG2BGR)),
    'bayer_bggr8': Encoding('bgr', _bayer(cv2.COLOR_BayerRG2BGR)),
    'bayer_gbrg8': Encoding('bgr', _bayer(cv2.COLOR_BayerGR2BGR)),
    'bayer_grbg8': Encoding('bgr', _bayer(cv2.COLOR_BayerGB2BGR)),
    'yuv422': Encoding('bgr', _opencv(cv2.COLOR_YUV2BGR_UYVY), pixel=2, even=_PAIRS),
    'uyvy': Encoding('bgr', _opencv(cv2.COLOR_YUV2BGR_UYVY), pixel=2, even=_PAIRS),
    'yuv422_yuy2': Encoding('bgr', _opencv(cv2.COLOR_YUV2BGR_YUYV), pixel=2, even=_PAIRS),
    'yuyv': Encoding('bgr', _opencv(cv2.COLOR_YUV2BGR_YUYV), pixel=2, even=_PAIRS),
    'nv12': Encoding('bgr', _opencv(cv2.COLOR_YUV2BGR_NV12), even=_TWO_ROWS, chroma=True),
    'nv21': Encoding('bgr', _opencv(cv2.COLOR_YUV2BGR_NV21), even=_TWO_ROWS, chroma=True),
}


def decode(data: Any, *, height: int, width: int, step: int, encoding: str,
           big_endian: bool = False) -> tuple[Array, Color]:
    """Return the image as (height, width, 3) uint8 and its channel order.

    Args:
        data: an object with the buffer protocol: rows of `step` bytes.
        height: rows of the image.
        width: pixels in a row.
        step: bytes from one row to the next; padding is allowed.
        encoding: a key of `ENCODINGS`.
        big_endian: byte order of 16-bit samples.

    Returns:
        For 8-bit colour encodings a view of `data`, which must outlive it; otherwise a copy.

    Raises:
        ImageError: unknown encoding, no pixels, a step too small, or too few bytes.
    """
    kind = ENCODINGS.get(encoding)
    if kind is None:
        raise ImageError(f'unknown image encoding {encoding!r}{nearest(encoding, ENCODINGS)}; '
                         f'known: {" ".join(ENCODINGS)}')
    size = f'{width}x{height} {encoding}'
    if not height or not width:
        raise ImageError(f'empty image ({size})')
    for what, count, even in zip(('height', 'width'), (height, width), kind.even):
        if even and count % 2:
            raise ImageError(f'a {size} image cannot be: its {what} must be even')
    row_bytes = width * kind.pixel * kind.sample_bytes
    if step < row_bytes:
        raise ImageError(f'step {step} is less than the {row_bytes} bytes of a row ({size})')
    rows = height + height // 2 * kind.chroma
    memory = np.frombuffer(data, np.uint8)
    if len(memory) < rows * step:
        raise ImageError(f'truncated image: {len(memory)} bytes of {rows * step} '
                         f'({size}, step {step})')
    lines = memory[:rows * step].reshape(rows, step)[:, :row_bytes]
    if kind.sample_bytes == 2:
        lines = np.ascontiguousarray(lines).view('>u2' if big_endian else '<u2')
    shape = (rows, width, kind.pixel) if kind.pixel > 1 else (rows, width)
    return kind.convert(lines.reshape(shape)), kind.color
