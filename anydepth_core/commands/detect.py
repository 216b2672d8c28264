# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth detect`: find objects in image files."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
import json
from pathlib import Path
import sys
from typing import TYPE_CHECKING, Any

from anydepth_core.commands.arguments import add_detector_arguments, guard_opencv
from anydepth_core.errors import AnyDepthError, ImageError, nearest
from anydepth_core.files import whole_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anydepth_core.detections import Detections
    from anydepth_core.runtime.detector import Detector

SCHEMA_VERSION = 1


def add_parser(subparsers: Any) -> None:
    """Add `detect` to the command line."""
    parser = subparsers.add_parser(
        'detect', help='find objects in images',
        description='Find objects in images and print them. An image that cannot be read is '
                    'reported, the others are still done, and the exit status is 2.')
    parser.add_argument('images', nargs='+', metavar='IMAGE',
                        help='image file or folder of images')
    parser.add_argument('--depth', default='full',
                        help="such as 'full', 'base', 'full-p2', 'base+neck' (default: full)")
    parser.add_argument('--save', type=Path, metavar='DIR', help='write annotated images here')
    parser.add_argument('--json', nargs='?', const='-', metavar='FILE.json',
                        help='print JSON instead of a table, or write it to a file')
    add_detector_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Detect in every image; 2 if one of them could not be used, else 0."""
    guard_opencv()
    from anydepth_core.runtime.detector import Detector
    from anydepth_core.runtime.images import find_images, read_image

    _check_outputs(args)
    paths = find_images(args.images)
    detector = Detector.open(args.weights, backend=args.backend, device=args.device,
                             precision=args.precision)
    depth = detector.depths.parse(args.depth)
    classes = parse_classes(args.classes, detector.class_names)
    detector.warm_up([depth])
    print(f'anydepth: {detector.model_name} at depth {depth} on {detector.device} '
          f'({detector.backend}, {detector.precision})', file=sys.stderr)
    results, errors = [], []
    for path, target in zip(paths, _targets(args.save, paths)):
        try:
            image = read_image(path)
            found = detector.detect(image, depth=depth, score_threshold=args.score_threshold,
                                    nms_iou=args.nms_iou, classes=classes)
            if target:
                _save(target, image, found, detector)
        except ImageError as error:
            print(f'anydepth: error: {error}', file=sys.stderr)
            errors.append({'file': str(path), 'error': str(error)})
            continue
        if args.json:
            results.append(to_json(path, found, detector.class_names))
        else:
            print_table(path, found, detector.class_names)
    if args.json:
        _write_json(args.json, {'schema_version': SCHEMA_VERSION, **describe(detector),
                                'images': results, 'errors': errors})
    if errors:
        print(f'anydepth: {len(errors)} of {len(paths)} images failed', file=sys.stderr)
    return 2 if errors else 0


def parse_classes(text: str | None, class_names: Sequence[str]) -> list[int] | None:
    """Return the labels that a list of names or numbers means; None for no list.

    Raises:
        AnyDepthError: a word is neither; says the nearest name.
    """
    if text is None:
        return None
    labels = []
    for word in filter(None, (part.strip() for part in text.split(','))):
        if word in class_names:
            labels.append(class_names.index(word))
        elif word.isascii() and word.isdigit() and len(word) < 6 and int(word) < len(class_names):
            labels.append(int(word))
        else:
            raise AnyDepthError(f'unknown class {word!r}{nearest(word, class_names)}; this model '
                                f'finds {_shortened(class_names)}')
    if not labels:
        raise AnyDepthError('--classes names no class')
    return labels


def to_json(path: Path, found: Detections, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the result for one image: size and boxes in pixels, times in milliseconds."""
    timing = found.timing
    return {
        'file': str(path),
        'height': found.image_size[0],
        'width': found.image_size[1],
        'depth': found.depth,
        'timing_ms': {'preprocess': round(timing.preprocess_ms, 3),
                      'network': round(timing.network_ms, 3),
                      'decode': round(timing.decode_ms, 3),
                      'total': round(timing.total_ms, 3)},
        'detections': objects(found, class_names),
    }


def objects(found: Detections, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Return what was found in one image, best first: boxes x1 y1 x2 y2 in its pixels."""
    return [{'class': class_names[label], 'label': int(label), 'score': round(float(score), 4),
             'box': [round(float(side), 2) for side in box]}
            for box, score, label in zip(found.boxes, found.scores, found.labels)]


def print_table(path: Path, found: Detections, class_names: Sequence[str]) -> None:
    """Print the result for one image for people."""
    height, width = found.image_size
    print(f'{path}: {width}x{height}, {len(found)} found at depth {found.depth} in '
          f'{found.timing.total_ms:.1f} ms')
    for box, score, label in zip(found.boxes, found.scores, found.labels):
        x1, y1, x2, y2 = box
        print(f'  {class_names[label]:20} {score:6.1%}  '
              f'x {x1:7.1f} to {x2:7.1f}   y {y1:7.1f} to {y2:7.1f}')


def _check_outputs(args: argparse.Namespace) -> None:
    """Refuse places to write before any work is done."""
    if args.json not in (None, '-'):
        path = Path(args.json)
        if path.suffix.lower() != '.json':
            raise AnyDepthError(f'--json {path}: the file must end in .json (an image that '
                                'follows --json would be taken for it; put --json last)')
        if not path.parent.is_dir():
            raise AnyDepthError(f'--json {path}: there is no folder {path.parent}')
    if args.save:
        try:
            args.save.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AnyDepthError(f'--save {args.save}: {error.strerror}') from error


def _targets(folder: Path | None, sources: Sequence[Path]) -> list[Path | None]:
    """Return where each annotated image goes; sources of one name from two folders get numbers."""
    targets: list[Path | None] = []
    used: Counter[str] = Counter()
    for source in sources:
        suffix = '.jpg' if source.suffix.lower() in ('.jpg', '.jpeg') else '.png'
        used[source.stem + suffix] += 1
        count = used[source.stem + suffix]
        number = f'-{count}' if count > 1 else ''
        targets.append(folder and folder / f'{source.stem}.detections{number}{suffix}')
    return targets


def _save(target: Path, image: NDArray[np.uint8], found: Detections, detector: Detector) -> None:
    from anydepth_core.runtime.draw import draw_detections
    from anydepth_core.runtime.images import write_image

    caption = f'depth {found.depth}  {found.timing.total_ms:.1f} ms'
    write_image(target, draw_detections(image, found, detector.class_names, caption=caption))


def describe(detector: Detector) -> dict[str, Any]:
    """Return what detects: model, weights, device and how they run."""
    return {'model': detector.model_name, 'weights_sha256': detector.weights_hash,
            'device': detector.device, 'backend': detector.backend,
            'precision': detector.precision, 'input_size': list(detector.input_size)}


def _write_json(target: str, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=2)
    if target == '-':
        print(text)
        return
    with whole_file(Path(target), AnyDepthError) as file:
        file.write(f'{text}\n'.encode())


def _shortened(names: Sequence[str], most: int = 12) -> str:
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + more
