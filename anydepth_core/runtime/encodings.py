# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Image bytes of every common encoding to a colour array, without ROS and without cv_bridge.

Names are those of sensor_msgs/image_encodings.hpp. The colour encodings become views of the
message's memory: nothing is copied (of 16-bit samples the high byte is seen). All others go
through one OpenCV conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.errors import ImageError, nearest
from anydepth_core.runtime.preprocess import Color

Array = NDArray[Any]


@dataclass(frozen=True)
class Encoding:
    """How one encoding lies in memory and how it becomes three channels.

    Attributes:
        color: channel order of the result.
        convert: (rows, width, pixel) uint8 to (height, width, 3) uint8.
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


def _bayer(code: int) -> Callable[[Array], Array]:
    def convert(rows: Array) -> Array:
        if min(rows.shape[:2]) < 4:
            raise ImageError(f'a Bayer image of {rows.shape[1]}x{rows.shape[0]} is too small')
        return _opencv(code)(rows)
    return convert


def _family(bits: int) -> dict[str, Encoding]:
    """Return the encodings that exist with 8 and with 16 bits a sample."""
    wide = bits // 8
    grey = _opencv(cv2.COLOR_GRAY2BGR)
    # OpenCV names a Bayer pattern by its second row and column: its BG is everybody's RGGB.
    patterns = {'rggb': cv2.COLOR_BayerBG2BGR, 'bggr': cv2.COLOR_BayerRG2BGR,
                'gbrg': cv2.COLOR_BayerGR2BGR, 'grbg': cv2.COLOR_BayerGB2BGR}
    return {
        f'rgb{bits}': Encoding('rgb', _first_three, pixel=3, sample_bytes=wide),
        f'bgr{bits}': Encoding('bgr', _first_three, pixel=3, sample_bytes=wide),
        f'rgba{bits}': Encoding('rgb', _first_three, pixel=4, sample_bytes=wide),
        f'bgra{bits}': Encoding('bgr', _first_three, pixel=4, sample_bytes=wide),
        f'mono{bits}': Encoding('bgr', grey, sample_bytes=wide),
        **{f'bayer_{name}{bits}': Encoding('bgr', _bayer(code), sample_bytes=wide)
           for name, code in patterns.items()},
    }


_TWO_ROWS = (True, True)
_PAIRS = (False, True)
_UYVY = Encoding('bgr', _opencv(cv2.COLOR_YUV2BGR_UYVY), pixel=2, even=_PAIRS)
_YUYV = Encoding('bgr', _opencv(cv2.COLOR_YUV2BGR_YUYV), pixel=2, even=_PAIRS)
_EIGHT = _family(8)
ENCODINGS = {
    **_EIGHT,
    '8UC1': _EIGHT['mono8'],
    '8UC3': _EIGHT['bgr8'],
    '8UC4': _EIGHT['bgra8'],
    **_family(16),
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
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
        For colour encodings a view of `data`, which must outlive it; otherwise a copy.

    Raises:
        ImageError: unknown encoding, no pixels, a step too small, or too few bytes.
    """
    kind = ENCODINGS.get(encoding)
    if kind is None:
        shown = encoding[:40]  # may be of any length
        raise ImageError(f'unknown image encoding {shown!r}{nearest(shown, ENCODINGS)}; '
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
        lines = lines[:, int(not big_endian)::2]
    shape = (rows, width, kind.pixel) if kind.pixel > 1 else (rows, width)
    try:
        return kind.convert(lines.reshape(shape)), kind.color
    except cv2.error as error:
        raise ImageError(f'a {size} image cannot be converted ({error.err})') from error
