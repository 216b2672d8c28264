# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands read alike."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import os
import re

MAX_PIXELS = 1 << 27


def size(text: str) -> tuple[int, int]:
    """Return (height, width) of a text such as 640x480, width first as everywhere in the field."""
    match = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', text)
    if match is None:
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 640x480')
    return int(match[2]), int(match[1])


def at_least(least: int) -> Callable[[str], int]:
    """Return what reads a whole number from `least` on."""
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from {least} on')
        return int(text)
    return read


def add_detector_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which detector runs, where, and which objects it reports."""
    parser.add_argument('--weights', default='scenes', metavar='NAME|FILE',
                        help='packaged name or file (default: %(default)s)')
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda' or 'cuda:N'")
    parser.add_argument('--backend', default='auto',
                        help="'auto', 'torch', 'onnxruntime' or 'openvino'")
    parser.add_argument('--precision', default='fp32', help="'fp32', 'fp16' (GPU) or 'bf16'")
    parser.add_argument('--score-threshold', type=float, default=0.3, metavar='S',
                        help='leave out what scores less (default: %(default)s)')
    parser.add_argument('--nms-iou', type=float, default=0.7, metavar='IOU',
                        help='overlap at which the worse box goes (default: %(default)s)')
    parser.add_argument('--classes', metavar='A,B',
                        help='only these classes: names or numbers, separated by commas')


def guard_opencv() -> None:
    """Refuse images of absurd size; OpenCV reads its limit once, when it is loaded."""
    os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(MAX_PIXELS))
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'OFF')
