# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth scenes`: write drawn scenes with exact boxes as a COCO data set."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import Any

from anydepth_core.commands.arguments import size


def add_parser(subparsers: Any) -> None:
    """Add `scenes` to the command line."""
    parser = subparsers.add_parser(
        'scenes', help='write drawn scenes with exact boxes as a COCO data set',
        description='Draw scenes with exact boxes and write them to an empty folder as a COCO '
                    'data set: images/*.jpg and annotations.json. The same arguments always '
                    'give the same pictures; sets of different seeds share none.')
    parser.add_argument('folder', type=Path, help='new or empty folder')
    parser.add_argument('--count', type=int, default=100, help='number of scenes (%(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='which set of scenes (%(default)s)')
    parser.add_argument('--size', type=size, default=(480, 640), metavar='WxH',
                        help='width x height in pixels, 96 to 1280 each (640x480)')
    parser.add_argument('--quality', type=int, default=95, help='of the JPEGs (%(default)s)')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the set; progress goes to stderr when a person is watching."""
    from anydepth_core.data.scenes import write_coco

    watched = sys.stderr.isatty()

    def progress(done: int) -> None:
        if watched:
            end = '\n' if done == args.count else ''
            print(f'\r{done}/{args.count} scenes', end=end, file=sys.stderr, flush=True)

    path = write_coco(args.folder, args.count, seed=args.seed, size=args.size,
                      quality=args.quality, progress=progress)
    print(path)
    return 0
