# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare recipe switches: `python training/ablate.py training/ablations/table3_yolo.yaml OUT`.

Trains every row of the file with every seed and prints one table. Runs that are finished are not
repeated, a stopped one goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from anydepth_core.commands.arguments import guard_opencv
from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.cores import share_cores
from anydepth_core.train.memory import keep_freed_memory


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ablation', type=Path, help='YAML file, see training/ablations/')
    parser.add_argument('out', type=Path, help='folder of the runs and the table')
    args = parser.parse_args()
    share_cores()
    guard_opencv()
    keep_freed_memory()
    try:
        _ablate(args)
    except AnyDepthError as error:
        print(f'ablate: error: {error}', file=sys.stderr)
        return 2
    return 0


def _ablate(args: argparse.Namespace) -> None:
    from anydepth_core.train.ablation import load_ablation, planned_runs, run_ablation, table
    from anydepth_core.train.signals import stopped_by_signals

    runs = planned_runs(load_ablation(args.ablation), args.ablation.parent)
    print(table(run_ablation(runs, args.out, _report, stopped_by_signals)))


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == '__main__':
    sys.exit(main())
