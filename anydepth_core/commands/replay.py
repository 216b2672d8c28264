# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth replay`: detect in every recorded image, in order, with the same result each time."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
import itertools
import json
from pathlib import Path
import sys
from typing import TYPE_CHECKING, Any

from anydepth_core.commands.arguments import add_detector_arguments, guard_opencv
from anydepth_core.commands.detect import describe, objects, parse_classes
from anydepth_core.errors import DataError, ImageError
from anydepth_core.files import whole_file

if TYPE_CHECKING:
    from anydepth_core.replay.bag_writer import BagWriter
    from anydepth_core.replay.frames import Frame
    from anydepth_core.runtime.detector import Detector

SCHEMA_VERSION = 1
EPILOG = """\
examples:
  anydepth replay pictures/ --out found.jsonl
  anydepth replay my_bag --topic /camera/image_raw --bag my_bag_found
  anydepth replay my_bag --depth full,base,base --out deep_every_third.jsonl
"""


def add_parser(subparsers: Any) -> None:
    """Add `replay` to the command line."""
    parser = subparsers.add_parser(
        'replay', help='detect in a bag, folder or video, every image, the same each time',
        description='Detect in every image of a recording, in order, none left out; ROS is not '
                    'needed. Writes JSON lines: the first says what ran, then one per image, '
                    'without times, so that two runs are equal byte for byte. An image that '
                    'cannot be used has its error there, the others are still done, and the exit '
                    'status is 2.',
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, metavar='SOURCE',
                        help='rosbag2 recording (MCAP or SQLite), folder of images, or video')
    parser.add_argument('--topic', help='of the images in a bag that has several')
    parser.add_argument('--depth', default='full', metavar='D[,D…]',
                        help='of the images; several take turns (default: %(default)s)')
    parser.add_argument('--out', type=Path, metavar='FILE.jsonl',
                        help='write the lines here (default: standard output)')
    parser.add_argument('--bag', type=Path, metavar='DIR',
                        help='also write a bag (MCAP) with /detector/detections under the headers '
                             'of the images, and /detector/label_info')
    add_detector_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Detect in all images; 2 if one of them could not be used, else 0."""
    guard_opencv()
    from anydepth_core.replay.frames import is_bag, open_frames
    from anydepth_core.runtime.detector import Detector

    if args.out is not None and args.out.suffix.lower() != '.jsonl':
        raise DataError(f'--out {args.out}: the file must end in .jsonl')
    frames = open_frames(args.source, args.topic)
    if args.bag is not None and not is_bag(args.source):
        raise DataError(f'--bag copies the headers of images; {args.source} is no bag, so its '
                        'images have none')
    detector = Detector.open(args.weights, backend=args.backend, device=args.device,
                             precision=args.precision)
    depths = [detector.depths.parse(text) for text in args.depth.split(',')]
    settings = {'score_threshold': args.score_threshold, 'nms_iou': args.nms_iou,
                'classes': parse_classes(args.classes, detector.class_names)}
    detector.warm_up(dict.fromkeys(depths))
    title = {'schema_version': SCHEMA_VERSION, **describe(detector), 'source': args.source.name,
             'topic': args.topic, 'depths': [str(depth) for depth in depths], **settings}
    count = errors = 0
    with ExitStack() as outputs:
        write = _line_writer(args.out, outputs)
        bag = _bag_writer(args, detector, outputs)
        write(title)
        for frame, depth in zip(frames, itertools.cycle(depths)):
            line = {'index': count, **_identity(frame)}
            count += 1
            try:
                pixels, color = frame.read()
                found = detector.detect(pixels, color=color, depth=depth, **settings)
            except ImageError as error:
                errors += 1
                print(f'anydepth: error: image {line["index"]}: {error}', file=sys.stderr)
                write({**line, 'error': str(error)})
                continue
            write({**line, 'height': found.image_size[0], 'width': found.image_size[1],
                   'depth': found.depth, 'detections': objects(found, detector.class_names)})
            if bag is not None and frame.header is not None:
                bag.write(found, frame.header)
    print(f'anydepth: {count} images with {detector.model_name} on {detector.device} '
          f'({detector.backend}, {detector.precision}); {errors} could not be used',
          file=sys.stderr)
    return 2 if errors else 0


def _line_writer(path: Path | None, outputs: ExitStack) -> Callable[[dict[str, Any]], object]:
    """Return what writes one line of JSON; a file appears once `outputs` has ended well."""
    if path is None:
        return lambda line: print(json.dumps(line))
    file = outputs.enter_context(whole_file(path, DataError))
    return lambda line: file.write(json.dumps(line).encode() + b'\n')


def _bag_writer(args: argparse.Namespace, detector: Detector, outputs: ExitStack,
                ) -> BagWriter | None:
    """Return what writes the bag that was asked for; it appears once `outputs` has ended well."""
    if args.bag is None:
        return None
    from anydepth_core.replay.bag_writer import new_bag

    return outputs.enter_context(new_bag(args.bag, detector.class_names, args.score_threshold))


def _identity(frame: Frame) -> dict[str, Any]:
    """Return what tells which image it is, besides its index."""
    if frame.header is None:
        return {} if frame.file is None else {'file': frame.file}
    return {'stamp': {'sec': frame.header.sec, 'nanosec': frame.header.nanosec},
            'frame_id': frame.header.frame_id}
