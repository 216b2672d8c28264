# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth convert`: make a weights file from somebody else's checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import Any

from anydepth_core.errors import WeightsError
from anydepth_core.texts import printable


def add_parser(subparsers: Any) -> None:
    """Add `convert` to the command line."""
    parser = subparsers.add_parser(
        'convert', help="import somebody else's checkpoint",
        description='Make a weights file from a checkpoint of RT-DETR (official or Hugging Face), '
                    "YOLOv12 (turbo or Ultralytics layout) or the AnyDepth authors'. Nothing in "
                    'the checkpoint is executed. What it is, is recognised from its tensors; '
                    'prints where every tensor went, and refuses a checkpoint that does not fit. '
                    'A single-depth checkpoint is as accurate as it was at full depth; its '
                    'shallower depths need training.')
    parser.add_argument('source', type=Path, help='.pt, .pth, .bin or .safetensors')
    parser.add_argument('target', type=Path, help='weights file to write (.safetensors)')
    parser.add_argument('--model', metavar='NAME',
                        help='import as this model (default: recognise it)')
    parser.add_argument('--classes', type=Path, metavar='FILE.txt',
                        help="class names, one a line (default: the checkpoint's, or COCO's 80)")
    parser.add_argument('--license', metavar='TEXT',
                        help='licence of the weights (default: what the checkpoint says)')
    parser.add_argument('--allow-left-over', action='store_true',
                        help='accept tensors that the model has no place for')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, compare, print the report, and write the weights if all fits."""
    from anydepth_core.models.importers import import_weights, plan_import, read_checkpoint
    from anydepth_core.models.weights import save_weights

    if args.target.suffix != '.safetensors':
        raise WeightsError(f'{args.target}: name the weights file *.safetensors')
    names = None if args.classes is None else read_class_names(args.classes)
    checkpoint = read_checkpoint(args.source)
    report = plan_import(checkpoint, args.model)
    print(printable(str(report)))
    model, info = import_weights(checkpoint, report, class_names=names, licence=args.license,
                                 allow_left_over=args.allow_left_over)
    save_weights(args.target, model, info)
    print(f'anydepth: wrote {args.target}: {info.model}, {len(info.class_names)} classes, '
          f'licence {info.licence or "not stated"}', file=sys.stderr)
    if names is None and checkpoint.class_names is None:
        print("anydepth: the checkpoint does not name its classes; took COCO's 80",
              file=sys.stderr)
    return 0


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return the lines of a text file that are not empty.

    Raises:
        WeightsError: not a readable text file, or an empty one.
    """
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f'--classes {path}: not a readable text file') from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise WeightsError(f'--classes {path}: names no class')
    return names
