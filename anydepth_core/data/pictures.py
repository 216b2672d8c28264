# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Reading the image files of a data set, which may be anything."""

from __future__ import annotations

from pathlib import Path
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anydepth_core.errors import ImageError
from anydepth_core.runtime.images import read_image

MAX_PIXELS = 1 << 26
# Those of SUFFIXES. OpenCV would read others too, whatever the name of the file.
FORMATS = ('BMP', 'JPEG', 'PNG', 'PPM', 'TIFF', 'WEBP')
warnings.filterwarnings('ignore', category=Image.DecompressionBombWarning)  # refused here


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return an image file as (H, W, 3) uint8 RGB, upright.

    Raises:
        ImageError: not readable, not an image of FORMATS, truncated, or of more than MAX_PIXELS
            pixels; that is found before any memory is taken for them.
    """
    if path.exists() and not path.is_file():  # to open a pipe would be to wait for ever
        raise ImageError(f'{path}: is not a file')
    width, height = _header_size(path)
    if width * height > MAX_PIXELS:
        raise ImageError(f'{path}: {width}x{height} are more than {MAX_PIXELS} pixels; '
                         'make it smaller')
    return read_image(path)


def _header_size(path: Path) -> tuple[int, int]:
    """Return (width, height) as the file's header has it."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size
    except Image.DecompressionBombError as error:
        raise ImageError(f'{path}: more than {MAX_PIXELS} pixels; make it smaller') from error
    except Exception as error:  # Pillow raises many kinds
        reason = (f'cannot be read ({error.strerror})'
                  if isinstance(error, OSError) and error.strerror else
                  f'truncated, damaged or no image of {" ".join(FORMATS)}')
        raise ImageError(f'{path}: {reason}') from error
