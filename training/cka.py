# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How alike the two paths of each stage are: `python training/cka.py WEIGHTS… --data FILE.yaml`.

Linear CKA of essential and full path at every stage boundary (the paper's Table 7), for several
weights side by side. Prints a Markdown table; --out writes `cka.json`, `cka.png` and `cka.svg`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from anydepth_core.evaluate import command

FORMAT = 'anydepth-cka'
SCHEMA_VERSION = 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument('weights', nargs='+', metavar='[NAME=]WEIGHTS',
                      help='packaged name or file, and what to call it')
    made.add_argument('--post-hoc', action='append', default=[], metavar='[NAME=]WEIGHTS',
                      help='weights of which the full path alone was trained: its norms are '
                           'copied into the essential path first; may be repeated')
    made.add_argument('--out', type=Path, metavar='DIR', help='folder of the results')
    command.add_arguments(made)
    return made


def run(args: argparse.Namespace) -> None:
    """Measure every weights file, print the table and write the files."""
    from anydepth_core.evaluate.cka import split_post_hoc, stage_similarity
    from anydepth_core.evaluate.cka_report import plot_similarity, similarity_table
    from anydepth_core.evaluate.figures import save_figure
    from anydepth_core.evaluate.files import write_json

    similarities, subjects = {}, {}
    chosen = [(*command.named(text, usual_name), post_hoc)
              for texts, post_hoc in ((args.weights, False), (args.post_hoc, True))
              for text in texts]
    command.require_distinct(name for name, _, _ in chosen)
    for name, weights, post_hoc in chosen:
        subject = command.open_subject(weights, args)
        if post_hoc:
            split_post_hoc(subject.model)
        print(f'cka: {name}', file=sys.stderr)
        similarities[name] = stage_similarity(subject.model, subject.batches())
        subjects[name] = command.describe(subject, args) | {'post_hoc': post_hoc}
    print(similarity_table(similarities))
    if args.out:
        write_json(args.out / 'cka.json', {
            'format': FORMAT, 'schema_version': SCHEMA_VERSION,
            'weights': {name: subjects[name] | {'cka': each}
                        for name, each in similarities.items()}})
        figure = plot_similarity(similarities)
        for suffix in ('png', 'svg'):
            save_figure(figure, args.out / f'cka.{suffix}')
        print(f'cka: wrote {args.out}/cka.json, .png, .svg', file=sys.stderr)


def usual_name(path: Path) -> str:
    """Return the name of the run's folder, or of the file."""
    return path.parent.name if path.stem == 'weights' and path.parent.name else path.stem


if __name__ == '__main__':
    sys.exit(command.main('cka', parser(), run))
