# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth export`: make an ONNX file, of all depths or of one."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import Any

from anydepth_core.commands.arguments import size
from anydepth_core.errors import AnyDepthError, BackendError, WeightsError

EPILOG = """\
examples:
  anydepth export scenes scenes.onnx                     one file, every depth
  anydepth export mine.safetensors base.onnx --depth base    one depth alone
"""


def add_parser(subparsers: Any) -> None:
    """Add `export` to the command line."""
    parser = subparsers.add_parser(
        'export', help='make an ONNX file of all depths',
        description='Write weights as one ONNX file in which the depth is an input, check it '
                    'against PyTorch at several depths, and only then let it appear. What is in '
                    'the file: docs/export.md.',
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('weights', metavar='WEIGHTS', help='packaged name or weights file')
    parser.add_argument('target', type=Path, metavar='OUT.onnx', help='file to write')
    parser.add_argument('--depth', metavar='D',
                        help='only this depth, without choices, for runtimes that have no If')
    parser.add_argument('--input-size', type=size, metavar='WxH',
                        help='fixed size of the input (default: that of the weights)')
    parser.add_argument('--check-depths', nargs='+', metavar='D',
                        help='check at these depths (default: full, base and four mixtures)')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the request, export, compare, write."""
    _check_target(args.target)
    if args.depth and args.check_depths:
        raise AnyDepthError('--check-depths is for files of all depths; one of --depth is '
                            'checked at that depth')
    try:
        from anydepth_core.runtime.export import check, file, graph
    except ImportError as error:
        raise BackendError(f'exporting needs the package {error.name}; '
                           "pip install 'anydepth_ros[onnxruntime]'") from error
    from anydepth_core.models.weights import file_hash, load_weights, resolve_weights

    path = resolve_weights(args.weights)
    if path.suffix.lower() == file.SUFFIX:
        raise WeightsError(f'{path}: is an ONNX file already; name a weights file')
    model, info = load_weights(path)
    depth = model.depths.resolve(args.depth) if args.depth else None
    checked = ([depth] if depth else [model.depths.resolve(each) for each in args.check_depths]
               if args.check_depths else check.depths_to_check(model))
    said = file.describe(model, info, file_hash(path), input_size=args.input_size,
                         depth=str(depth) if depth else '')
    height, width = said.info.input_size
    made = (graph.static_graph(model, depth, (height, width), said.metadata()) if depth
            else graph.any_depth_graph(model, (height, width), said.metadata()))
    for each, difference in check.require_equal(model, made, checked).items():
        print(f'{each!s:24} differs from PyTorch by {difference.logits:.1e} in the logits, '
              f'{difference.boxes:.1e} in the boxes')
    file.write_onnx(args.target, made)
    what = f'depth {depth} alone' if depth else f'{len(model.depths)} depths'
    print(f'anydepth: wrote {args.target}: {info.model}, {what}, input {width}x{height}, '
          f'{args.target.stat().st_size / 1e6:.1f} MB', file=sys.stderr)
    return 0


def _check_target(target: Path) -> None:
    """Refuse a place that cannot be written before any work is done."""
    if target.suffix != '.onnx':
        raise AnyDepthError(f'{target}: name the file *.onnx')
    if target.is_dir():
        raise AnyDepthError(f'{target}: is a folder')
    if not target.parent.is_dir():
        raise AnyDepthError(f'{target.parent}: no such folder')
