# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth profile`: measure what each depth costs on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import TYPE_CHECKING, Any

from anydepth_core.commands.arguments import guard_opencv, size
from anydepth_core.errors import AnyDepthError

if TYPE_CHECKING:
    from anydepth_core.runtime.profile import Profile, ProfileEntry


def add_parser(subparsers: Any) -> None:
    """Add `profile` to the command line."""
    parser = subparsers.add_parser(
        'profile', help='measure what each depth costs on this machine',
        description='Run depths in turn on this machine and write the profile that policies '
                    'choose from: the depths that nothing cheaper equals. Let nothing else run '
                    'meanwhile. What is in the file: docs/profile.md.')
    parser.add_argument('weights', metavar='WEIGHTS', help='packaged name, weights or ONNX file')
    parser.add_argument('target', type=Path, metavar='OUT.json|FOLDER',
                        help='file to write, or a folder, where it is named by its key')
    parser.add_argument('--depths', nargs='+', metavar='D',
                        help="'all' or some (default: full, base, and each stage, backbone and "
                             'neck changed alone)')
    parser.add_argument('--frames', type=int, default=50, metavar='N',
                        help='of each depth (default: %(default)s)')
    parser.add_argument('--image', type=Path, metavar='FILE',
                        help='image such as the robot sees (default: a rendered scene)')
    parser.add_argument('--backend', default='auto',
                        help="'auto', 'torch', 'onnxruntime' or 'openvino'")
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda', 'cuda:N', …")
    parser.add_argument('--precision', default='fp32', help="'fp32', 'fp16' or 'bf16'")
    parser.add_argument('--input-size', type=size, metavar='WxH',
                        help='other than that of the weights')
    parser.add_argument('--keep-all', action='store_true',
                        help='keep depths that are not worth choosing too')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print, prune, write."""
    folder = args.target.is_dir()
    if not folder and args.target.suffix != '.json':
        raise AnyDepthError(f'{args.target}: name the file *.json, or a folder that exists')
    if not args.target.parent.is_dir():
        raise AnyDepthError(f'{args.target.parent}: no such folder')
    guard_opencv()
    from anydepth_core.data.scenes import render_scene
    from anydepth_core.runtime.detector import Detector
    from anydepth_core.runtime.energy import open_sensors
    from anydepth_core.runtime.images import read_image
    from anydepth_core.runtime.measure import (
        measure,
        resident_bytes,
        usual_depths,
        worth_choosing,
    )
    from anydepth_core.runtime.measure_energy import measure_energy

    image = render_scene(0).image if args.image is None else read_image(args.image)
    before = resident_bytes()
    detector = Detector.open(args.weights, backend=args.backend, device=args.device,
                             precision=args.precision, input_size=args.input_size)
    space = detector.depths
    depths = (usual_depths(space) if args.depths is None else list(space)
              if args.depths == ['all'] else
              list(dict.fromkeys(space.parse(each) for each in args.depths)))
    _say(f'{detector.model_name} on {detector.backend} {detector.device} {detector.precision}, '
         f'{len(depths)} depths, {args.frames} frames each')
    watched = sys.stderr.isatty()

    def progress(done: int, count: int) -> None:
        if watched:
            print(f'\r{done}/{count}', end='\n' if done == count else '', file=sys.stderr,
                  flush=True)

    measured = measure(detector, depths, image, frames=args.frames, progress=progress,
                       created_by=f'anydepth profile, {_versions()}')
    kept = measured if args.keep_all else worth_choosing(measured)
    kept, energy = measure_energy(detector, kept, image, open_sensors())
    target = args.target / measured.key.file_name if folder else args.target
    kept.write(target)
    _print(measured, kept)
    _say(energy)
    _say(f'wrote {target}: {len(kept.entries)} of {len(depths)} depths; the detector takes '
         f'{(resident_bytes() - before) / 2 ** 20:.0f} MiB of memory')
    return 0


def _print(measured: Profile, kept: Profile) -> None:
    found = {entry.name: entry for entry in kept.entries}
    print(f'{"depth":30}{"GFLOPs":>9}{"mean ms":>9}{"p50":>8}{"p95":>8}{"p99":>8}{"MB":>7}'
          f'{"joules":>8}  kept')
    for entry in sorted(measured.entries, key=lambda each: each.mean_ms):
        print(f'{entry.name:30}{entry.gflops:9.2f}{entry.mean_ms:9.1f}{entry.p50_ms:8.1f}'
              f'{entry.p95_ms:8.1f}{entry.p99_ms:8.1f}{_megabytes(entry):>7}'
              f'{_joules(found.get(entry.name)):>8}  '
              f'{"yes" if entry.name in found else ""}')


def _megabytes(entry: ProfileEntry) -> str:
    return f'{entry.memory_mb:.0f}' if entry.memory_mb is not None else ''


def _joules(entry: ProfileEntry | None) -> str:
    return f'{entry.energy_j:.3f}' if entry and entry.energy_j is not None else ''


def _versions() -> str:
    from anydepth_core.runtime.doctor import package_version

    names = ('anydepth_ros', 'torch', 'onnxruntime', 'openvino')
    return ', '.join(f'{name} {package_version(name)}' for name in names if package_version(name))


def _say(text: str) -> None:
    print(f'anydepth: {text}', file=sys.stderr)
