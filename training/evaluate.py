# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""COCO numbers of weights at any depths: `python training/evaluate.py WEIGHTS --data FILE.yaml`.

The table goes to stdout, messages to stderr. Detections are judged by pycocotools in pixels of the
original images: 300 are kept per image, of which COCO counts the 100 best of each class.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import sys

from anydepth_core.evaluate import command

SCHEMA_VERSION = 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument('weights', help='packaged name or file')
    made.add_argument('--depths', default='full,base', metavar='A,B',
                      help='depths, separated by commas (default: %(default)s)')
    command.add_arguments(made)
    made.add_argument('--json', action='store_true', help='print JSON instead of the tables')
    made.add_argument('--predictions', type=Path, metavar='DIR',
                      help="write each depth's detections here, in COCO's result format")
    made.add_argument('--pictures', type=Path, metavar='DIR',
                      help='draw here: precision over recall, classes, confusions, predictions')
    return made


def run(args: argparse.Namespace) -> None:
    """Evaluate, print, and write what was asked for."""
    from anydepth_core.evaluate.batches import evaluate_depths
    from anydepth_core.evaluate.evaluation_report import (
        class_table,
        draw_evaluations,
        evaluation_records,
        score_table,
        write_predictions,
    )

    subject = command.open_subject(args.weights, args)
    depths = [subject.model.depths.parse(text) for text in args.depths.split(',')]
    evaluations = evaluate_depths(subject.model, subject.batches(), depths, dtype=subject.dtype)
    names = subject.info.class_names
    if args.json:
        print(json.dumps({'schema_version': SCHEMA_VERSION, **command.describe(subject, args),
                          'class_names': names, 'depths': evaluation_records(evaluations, names)},
                         indent=2, ensure_ascii=False))
    else:
        print(f'{score_table(evaluations)}\n\n{class_table(evaluations, names)}')
    if args.predictions:
        for path in write_predictions(args.predictions, evaluations, names,
                                      command.annotation_file(args)):
            print(f'evaluate: wrote {path}', file=sys.stderr)
    if args.pictures:
        for path in draw_evaluations(args.pictures, evaluations, names):
            print(f'evaluate: wrote {path}', file=sys.stderr)


if __name__ == '__main__':
    sys.exit(command.main('evaluate', parser(), run))
