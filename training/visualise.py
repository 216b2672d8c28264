# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of both extremes at work: `python training/visualise.py WEIGHTS OUT --data FILE.yaml`.

Writes to OUT `boxes.png`, full's boxes (blue) over base's (orange) on hard pictures, after the
paper's Figure 4, and `heatmaps.png`, the activations of both passes at P4 and P5, after Figure 6.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from anydepth_core.commands.arguments import at_least
from anydepth_core.evaluate import command


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument('weights', help='packaged name or file')
    made.add_argument('out', type=Path, help='folder of the pictures')
    made.add_argument('--pick', default='crowded', metavar='crowded|spread|N,N',
                      help='pictures with the most objects, evenly spread ones, or these numbers '
                           '(default: %(default)s)')
    made.add_argument('--count', type=at_least(1), default=8, metavar='N',
                      help='how many pictures (default: %(default)s)')
    made.add_argument('--stages', default='p4,p5', help='of the heat maps (default: %(default)s)')
    made.add_argument('--score-threshold', type=float, default=0.3, metavar='S',
                      help='boxes that score less are left out (default: %(default)s)')
    made.add_argument('--cell', type=at_least(32), default=480, metavar='PIXELS',
                      help='size of one picture in the sheet (default: %(default)s)')
    command.add_arguments(made)
    return made


def run(args: argparse.Namespace) -> None:
    """Choose the pictures and draw both sheets."""
    from anydepth_core.errors import DataError
    from anydepth_core.evaluate.both_extremes import box_sheet, choose, heat_sheet
    from anydepth_core.runtime.images import write_image

    subject = command.open_subject(args.weights, args)
    chosen = choose(subject.dataset, args.pick, args.count)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f'cannot make {args.out}: {error.strerror}') from error
    write_image(args.out / 'boxes.png', box_sheet(
        subject.model, subject.info, subject.dataset, chosen,
        score_threshold=args.score_threshold, cell=args.cell))
    write_image(args.out / 'heatmaps.png', heat_sheet(
        subject.model, subject.info, subject.dataset, chosen, args.stages.split(','),
        cell=args.cell * 2 // 3))
    print(f'visualise: wrote {args.out}/boxes.png and heatmaps.png, pictures '
          f'{",".join(map(str, chosen))}', file=sys.stderr)


if __name__ == '__main__':
    sys.exit(command.main('visualise', parser(), run))
