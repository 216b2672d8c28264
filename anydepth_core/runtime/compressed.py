# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures compressed as JPEG or PNG, from senders that are not trusted, to a colour array.

Only these two formats reach a decoder, and only after the size that the picture claims was read
and found possible: a message of a hundred bytes must not make the node allocate gigabytes.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anydepth_core.errors import ImageError
from anydepth_core.runtime.encodings import decode
from anydepth_core.runtime.images import MAX_JPEG_SCANS, has_many_scans, is_cut_jpeg
from anydepth_core.runtime.preprocess import Color

MAX_PIXELS = 1 << 26
JPEG, PNG = b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'
# A JPEG spends a bit or more on each block of 8x8; deflate makes at most 1032 bytes of one.
JPEG_PIXELS_OF_A_BYTE = 8 * 64
DEFLATE_BYTES_OF_A_BYTE = 1032
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Markers that start a frame: 0xC0 to 0xCF without the tables DHT, JPG and DAC.
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
BARE_MARKERS = frozenset(range(0xD0, 0xDA)) | {0x01}


def decode_compressed(data: Any, picture_format: str) -> tuple[NDArray[np.uint8], Color]:
    """Return the picture as (height, width, 3) uint8 and its channel order.

    Args:
        data: the bytes of a JPEG or PNG file. It is not turned as EXIF may say, so that boxes are
            in the pixels that the camera sent.
        picture_format: `format` of sensor_msgs/CompressedImage: 'jpeg', 'png', or as
            image_transport writes it: 'ENCODING; jpeg compressed bgr8', where the last word tells
            the order of the colours inside and is missing for grey and Bayer pictures.

    Raises:
        ImageError: another format, a size that cannot be, truncated or damaged data.
    """
    file = bytes(data)
    if 'compressedDepth' in picture_format:
        raise ImageError('a compressedDepth message holds distances, not a picture; subscribe to '
                         'the compressed topic of a colour camera')
    height, width = _checked_size(file, picture_format)
    if has_many_scans(file):
        raise ImageError(f'compressed image has more than {MAX_JPEG_SCANS} scans: malicious')
    encoding, _, inside = (part.strip() for part in picture_format.partition(';'))
    mosaic = encoding.startswith('bayer_') and 'compressed bgr' not in inside
    flags = cv2.IMREAD_GRAYSCALE if mosaic else cv2.IMREAD_COLOR
    try:
        pixels = cv2.imdecode(np.frombuffer(file, np.uint8),
                              flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError(f'compressed image of {width}x{height} cannot be decoded '
                         f'({error.err})') from error
    if pixels is None or is_cut_jpeg(file):
        raise ImageError(f'compressed image of {width}x{height} is truncated or damaged')
    if mosaic:  # its samples have 8 bits now, whatever they had
        rows, columns = pixels.shape
        return decode(pixels, height=rows, width=columns, step=columns,
                      encoding=encoding.replace('16', '8'))
    swapped = 'compressed' in inside and 'compressed bgr' not in inside
    return np.asarray(pixels, np.uint8), 'rgb' if swapped else 'bgr'


def _checked_size(file: bytes, picture_format: str) -> tuple[int, int]:
    """Return (height, width) that the file claims, if so many pixels can be in it.

    Raises:
        ImageError: neither JPEG nor PNG, no size in it, or one that cannot be.
    """
    try:
        if file.startswith(PNG):
            name, width, height, bits, kind = struct.unpack_from('>4sIIBB', file, 12)
            if name != b'IHDR':
                raise ImageError('compressed image is a damaged PNG')
            row = (width * bits * PNG_CHANNELS.get(kind, 4) + 7) // 8
            possible = row * height <= DEFLATE_BYTES_OF_A_BYTE * len(file)
        elif file.startswith(JPEG):
            height, width = _jpeg_size(file)
            possible = height * width <= JPEG_PIXELS_OF_A_BYTE * len(file)
        else:
            raise ImageError(f'compressed image is neither JPEG nor PNG (format '
                             f'{picture_format[:60]!r}, {len(file)} bytes); let the camera send '
                             'one of these')
    except struct.error as error:
        raise ImageError('compressed image ends before it says its size') from error
    if not height or not width:
        raise ImageError(f'empty compressed image ({width}x{height})')
    if height * width > MAX_PIXELS:
        raise ImageError(f'compressed image claims {width}x{height}, more than {MAX_PIXELS} '
                         'pixels')
    if not possible:
        raise ImageError(f'compressed image claims {width}x{height}, more than its {len(file)} '
                         'bytes can hold: truncated or malicious')
    return height, width


def _jpeg_size(file: bytes) -> tuple[int, int]:
    """Return (height, width) from the frame header, to which the segments before it lead.

    Raises:
        struct.error: the file ends before.
    """
    place = 2
    while True:
        fill, marker = struct.unpack_from('>BB', file, place)
        if marker == 0xFF:
            place += 1
            continue
        if fill != 0xFF:
            raise ImageError('compressed image is a damaged JPEG')
        if marker in BARE_MARKERS:
            place += 2
            continue
        if marker in FRAME_MARKERS:
            height, width = struct.unpack_from('>HH', file, place + 5)
            return height, width
        place += 2 + max(2, *struct.unpack_from('>H', file, place + 2))
