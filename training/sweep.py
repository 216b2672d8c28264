# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What each depth costs and achieves: `python training/sweep.py WEIGHTS OUT --data FILE.yaml`.

Prints a Markdown table (the paper's Tables 2 and 9 are the default rows) and writes `sweep.json`,
`sweep.csv`, `sweep.png` and `sweep.svg` to OUT. GFLOPs are 2 x multiply-adds of convolutions and
linear layers. Latency is from image to detections at batch size one; the depths take turns.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from anydepth_core.evaluate import command

LATENCY_IMAGES = 16


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument('weights', help='packaged name or file')
    made.add_argument('out', type=Path, help='folder of the results')
    made.add_argument('--rows', choices=('paper', 'single', 'all'), default='paper',
                      help="which depths: the paper's tables, one stage at a time, or every depth")
    made.add_argument('--depths', metavar='A,B', help='these depths instead')
    made.add_argument('--rounds', type=int, default=30, metavar='N',
                      help='frames timed at each depth; 0 for none (default: %(default)s)')
    made.add_argument('--beside', action='append', default=[], metavar='[NAME=]SWEEP.json',
                      help='draw the front of another sweep too; may be repeated')
    made.add_argument('--title', default='', help='name of these weights in the plot')
    command.add_arguments(made)
    return made


def run(args: argparse.Namespace) -> None:
    """Sweep, print the table and write the files."""
    from anydepth_core.evaluate.figures import save_figure
    from anydepth_core.evaluate.files import write_csv, write_json
    from anydepth_core.evaluate.sweep import DEPTHS, measure_latencies, sweep
    from anydepth_core.evaluate.sweep_report import (
        FORMAT,
        SCHEMA_VERSION,
        plot_pareto,
        read_sweep,
        sweep_records,
        sweep_table,
    )
    from anydepth_core.runtime.detector import Detector

    beside = [command.named(text, lambda path: path.parent.name or str(path))
              for text in args.beside]
    subject = command.open_subject(args.weights, args)
    title = args.title or subject.info.model
    command.require_distinct([title, *(name for name, _ in beside)])
    others = {name: read_sweep(Path(path))['rows'] for name, path in beside}
    space = subject.model.depths
    depths = DEPTHS[args.rows](space)
    if args.depths:
        depths = {text: text for text in map(str, map(space.parse, args.depths.split(',')))}
    latencies = None
    if args.rounds > 0:
        detector = Detector.open(args.weights, device=args.device, precision=args.precision,
                                 input_size=subject.info.input_size)
        images = [subject.dataset.load(index).image
                  for index in range(min(LATENCY_IMAGES, len(subject.dataset)))]
        latencies = measure_latencies(detector, depths.values(), images, args.rounds)
    records = sweep_records(sweep(subject.model, depths, subject.batches, subject.info.input_size,
                                  latencies, dtype=subject.dtype))
    print(sweep_table(records))
    write_json(args.out / 'sweep.json', {
        'format': FORMAT, 'schema_version': SCHEMA_VERSION, **command.describe(subject, args),
        'frames': args.rounds, 'rows': records})
    write_csv(args.out / 'sweep.csv', records)
    figure = plot_pareto({title: records, **others})
    for suffix in ('png', 'svg'):
        save_figure(figure, args.out / f'sweep.{suffix}')
    print(f'sweep: wrote {args.out}/sweep.json, .csv, .png, .svg', file=sys.stderr)


if __name__ == '__main__':
    sys.exit(command.main('sweep', parser(), run))
