# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What detection costs at run time: `python benchmarks/runtime.py [MODEL …]`.

Everything is timed in turn in one run, so that ratios hold on a machine that is not quiet:

- every backend at full and at base, or at `--depths`, beside the static export of each;
- frames that switch between full and base, beside frames that do not;
- preprocessing and decoding, beside the network;
- the memory of one session of all depths, beside a static one, and its growth;
- the bytes of the file of all depths, beside the static one of full.

Prints ratios (medians over the rounds) and writes everything with `--json`. Weights are random.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import platform

from command import end

from anydepth_core.commands.arguments import at_least
from anydepth_core.runtime.cores import share_cores

MODELS = ('anydepth-yolo-n', 'anydepth-yolo-l', 'anydepth-detr-r18', 'anydepth-detr-r50')
PARTS = ('times', 'switching', 'phases', 'memory', 'file')


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='*', default=MODELS, metavar='MODEL')
    parser.add_argument('--size', type=int, nargs=2, default=(640, 640), metavar=('H', 'W'))
    parser.add_argument('--frames', type=at_least(1), default=30, help='of each kind')
    parser.add_argument('--memory-frames', type=at_least(1), default=200)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--backends', nargs='+', help='default: all that are installed')
    parser.add_argument('--parts', nargs='+', default=PARTS, choices=PARTS)
    parser.add_argument('--depths', nargs='+', default=('full', 'base'), metavar='DEPTH',
                        help='of the times (default: full base)')
    parser.add_argument('--json', type=Path, metavar='FILE')
    args = parser.parse_args()
    share_cores()
    os.environ['OMP_NUM_THREADS'] = str(args.threads)  # before any library reads it
    import runtime_cases as cases

    from anydepth_core.runtime.backends import installed
    from anydepth_core.runtime.measure import hardware_name

    backends = args.backends or installed()
    document = {'machine': hardware_name('cpu'), 'system': platform.platform(),
                'load': os.getloadavg(), 'versions': cases.versions(), 'size': list(args.size),
                'frames': args.frames, 'models': []}
    print(f'{document["machine"]}, load {os.getloadavg()[0]:.1f}, {document["versions"]}')
    size = tuple(args.size)
    for name in args.models:
        found = {'model': name}
        if 'times' in args.parts:
            found |= cases.times(name, size, backends, args.frames, args.depths)
        if 'file' in args.parts:
            found['file'] = cases.file_sizes(name, size)
        for backend in backends:
            if 'switching' in args.parts:
                found[f'switching {backend}'] = cases.switching(name, size, backend, args.frames)
            if 'phases' in args.parts:
                found[f'phases {backend}'] = cases.phases(name, size, backend, args.frames)
            if 'memory' in args.parts and backend != 'torch':
                found[f'memory {backend}'] = cases.memory(name, size, backend,
                                                          args.memory_frames)
        document['models'].append(found)
        show(found)
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + '\n', encoding='utf-8')
    return 0


def show(found: dict) -> None:
    """Print one model's findings."""
    print(f'\n{found["model"]}')
    for name, row in found.get('ms', {}).items():
        print(f'  {name:32}' + ''.join(f'{key} {value:8.1f}  ' for key, value in row.items()))
    if 'full' in found.get('gflops', {}):
        best = min((row['min'], name) for name, row in found['ms'].items()
                   if name.endswith(' full') and 'static' not in name)
        reached = found['gflops']['full'] / best[0] * 1e3
        print(f'  {best[1]} reaches {reached:.0f} GFLOP/s, a product of matrices '
              f'{found["product_gflops"]:.0f}')
    for name, ratio in found.get('ratios', {}).items():
        print(f'  {name:44}{ratio:.3f}')
    for name, row in found.items():
        if name.startswith(('switching', 'memory', 'phases', 'file')):
            print(f'  {name:24}' + ''.join(f'{key} {value:.3f}  ' for key, value in row.items()))


if __name__ == '__main__':
    end(main)
