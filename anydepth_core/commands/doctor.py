# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth doctor`: what runs on this machine, or what is wrong with a data set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
import json
from pathlib import Path
import sys
from typing import TYPE_CHECKING, Any

from anydepth_core.commands.arguments import guard_opencv, size
from anydepth_core.errors import DataError
from anydepth_core.texts import printable

if TYPE_CHECKING:
    from anydepth_core.data.examine import Examination, NetworkInput, SplitSummary
    from anydepth_core.data.options import Reader
    from anydepth_core.runtime.preprocess import Resize

SCHEMA_VERSION = 1
ROLES = ('training', 'validation')
VERDICTS = {0: 'Nothing found.', 1: 'Training would run; see what it would do above.',
            2: 'Training would not run to its end.'}
DESCRIPTION = """\
Without arguments: run a small network on every backend and device, and say which are usable.
With a data set, examine it: every entry and every image file. For each thing found it says what
training would do: refuse to start, stop at it, leave it out, clip it, or nothing.

Exit status: 0 nothing found, 1 something found that training can live with, 2 training would not
run to its end, or there is no such data set.
"""
EXAMPLES = """\
examples:
  anydepth doctor
  anydepth doctor train.json val.json --images pictures
  anydepth doctor my_yolo_set/data.yaml
  anydepth doctor training/recipes/small_data.yaml data.path=my_yolo_set
"""


def add_parser(subparsers: Any) -> None:
    """Add `doctor` to the command line."""
    parser = subparsers.add_parser(
        'doctor', description=DESCRIPTION,
        help='see which backends run here, or what is wrong with a data set',
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'dataset', nargs='*', metavar='DATASET',
        help='one or two COCO JSON files (training, validation); the YAML file or folder of a '
             'YOLO-txt set; or a training recipe, perhaps with key=value')
    parser.add_argument(
        '--images', action='append', type=Path, default=[], metavar='FOLDER',
        help='where the images of the JSON files are; once for all, or once for each')
    parser.add_argument('--input-size', type=size, metavar='WxH',
                        help="network input: decides what is too small (the recipe's, or 640x640)")
    parser.add_argument('--resize', choices=('letterbox', 'stretch'),
                        help="how an image becomes that size (the recipe's, or letterbox)")
    parser.add_argument('--examples', type=int, default=5, metavar='N',
                        help='how many of each kind to show (%(default)s)')
    parser.add_argument('--json', action='store_true', help='print JSON instead of text')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine and print; return the exit status."""
    return _run_on_data(args) if args.dataset else _run_on_machine(args)


def _run_on_machine(args: argparse.Namespace) -> int:
    from anydepth_core.runtime.doctor import describe, examine_environment

    found = examine_environment()
    print(json.dumps({'schema_version': SCHEMA_VERSION, **asdict(found)}, indent=2) if args.json
          else describe(found))
    return 0 if any(not each.problem for each in found.backends) else 2


def _run_on_data(args: argparse.Namespace) -> int:
    guard_opencv()
    try:
        import cv2

        from anydepth_core.data.examine import examine
    except ImportError as error:
        raise DataError(f'examining data needs the package {error.name}; '
                        "pip install 'anydepth_ros[train]'") from error

    cv2.setNumThreads(1)
    # OpenCV would write of damaged images without saying which.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    watched = sys.stderr.isatty()

    def progress(done: int, count: int) -> None:
        if watched and (done % 50 == 0 or done == count):
            end = '\n' if done == count else ''
            print(f'\r{done}/{count} images', end=end, file=sys.stderr, flush=True)

    result = examine(*_subject(args), keep=max(0, args.examples), progress=progress)
    status = 0 if not result.counts else 1 if result.trainable else 2
    if args.json:
        print(json.dumps(_document(result, status), indent=2))
    else:
        _print(result, status)
    return status


def _subject(args: argparse.Namespace) -> tuple[list[tuple[str, Reader]], NetworkInput]:
    """Return the role and the reader of each split that is named, and what images go into."""
    from anydepth_core.data.options import YoloTxtData, readers
    from anydepth_core.data.yolo_txt import describes_set

    paths = [Path(text) for text in args.dataset]
    if len(paths) > 1 and all('=' in text for text in args.dataset[1:]):
        return _recipe(args, paths[0], args.dataset[1:])
    for path in paths:
        if not path.exists():
            raise DataError(f'{path}: no such file or folder')
    if all(path.suffix.lower() == '.json' for path in paths):
        return _coco_readers(paths, args.images), _network(args)
    if len(paths) > 1 or args.images:
        raise DataError('give one or two JSON files with --images, or one YAML file or folder '
                        'alone')
    if describes_set(paths[0]):
        options = YoloTxtData(format='yolo', path=str(paths[0]))
        return list(zip(ROLES, readers(options))), _network(args)
    return _recipe(args, paths[0], ())


def _coco_readers(paths: Sequence[Path], images: Sequence[Path]) -> list[tuple[str, Reader]]:
    from anydepth_core.data.coco import read_coco

    if len(paths) > len(ROLES) or len(images) not in (0, 1, len(paths)):
        raise DataError('give one or two JSON files (training, validation), and --images once for '
                        'all or once for each')
    folders: list[Path | None] = [*images] if len(images) == len(paths) else [
        images[0] if images else None] * len(paths)
    return [(role, partial(read_coco, path, folder))
            for role, path, folder in zip(ROLES, paths, folders)]


def _recipe(args: argparse.Namespace, path: Path, overrides: Sequence[str],
            ) -> tuple[list[tuple[str, Reader]], NetworkInput]:
    from anydepth_core.data.options import SceneData, readers
    from anydepth_core.train.recipe_file import load_recipe

    recipe = load_recipe(path, overrides)
    if isinstance(recipe.data, SceneData):
        raise DataError(f'{path}: its data are generated scenes, which have no files')
    return (list(zip(ROLES, readers(recipe.data))),
            _network(args, recipe.input_size, recipe.resize))


def _network(args: argparse.Namespace, size: tuple[int, int] = (640, 640),
             resize: Resize = 'letterbox') -> NetworkInput:
    from anydepth_core.data.examine import NetworkInput

    return NetworkInput(args.input_size or size, args.resize or resize)


def _document(result: Examination, status: int) -> dict[str, Any]:
    """Return the examination as JSON values."""
    from anydepth_core.data.findings import KINDS

    return {'schema_version': SCHEMA_VERSION, 'status': status,
            'splits': [asdict(split) for split in result.splits],
            'findings': [{
                'kind': kind, 'effect': KINDS[kind].effect.value, 'problem': KINDS[kind].problem,
                'consequence': KINDS[kind].consequence, 'count': result.counts[kind],
                'examples': [{'where': each.where, 'detail': each.detail}
                             for each in result.examples[kind]]}
                for kind in KINDS if kind in result.counts]}


def _print(result: Examination, status: int) -> None:
    from anydepth_core.data.findings import KINDS

    for split in result.splits:
        _say(_summary(split))
    for kind in KINDS:
        if kind not in result.counts:
            continue
        count, examples = result.counts[kind], result.examples[kind]
        _say(f'\n{KINDS[kind].effect.value.upper()}: {count} x {KINDS[kind].problem}; '
             f'{KINDS[kind].consequence}')
        for finding in examples:
            _say(f'  {finding.where}' + (f': {finding.detail}' if finding.detail else ''))
        if len(examples) < count:
            _say(f'  and {count - len(examples)} more (--examples {count})')
    _say(f'\n{VERDICTS[status]}')


def _summary(split: SplitSummary) -> str:
    """Return what a split holds, in two lines."""
    classes = ', '.join(f'{name} {count:,}' for name, count in split.objects.items())
    return (f'{split.role}: {split.source}: {split.images:,} images ({split.empty_images:,} '
            f'without objects), {sum(split.objects.values()):,} objects, {split.crowds:,} crowds\n'
            f'  {classes}')


def _say(text: str) -> None:
    print(printable(text))
