# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the scripts that judge weights have in common: their arguments, data, and errors.

Importing this module imports no PyTorch, so `--help` is quick.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
import datetime
import os
from pathlib import Path
import platform
import sys
from typing import TYPE_CHECKING, Any

from anydepth_core.commands.arguments import at_least, guard_opencv, size
from anydepth_core.errors import AnyDepthError, DataError
from anydepth_core.runtime.cores import share_cores

if TYPE_CHECKING:
    import torch

    from anydepth_core.data.batches import Batch
    from anydepth_core.data.dataset import DetectionDataset, Sample
    from anydepth_core.models.base import AnyDepthModel
    from anydepth_core.models.weights import ModelInfo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say what to judge on and how."""
    parser.add_argument('--data', type=Path, required=True, metavar='FILE.yaml',
                        help='a recipe, or the `data:` part of one')
    parser.add_argument('--set', action='append', default=[], metavar='KEY=VALUE', dest='changes',
                        help='replaces a value of the data part, such as '
                             'validation_count=64; may be repeated')
    parser.add_argument('--split', choices=('validation', 'train'), default='validation')
    parser.add_argument('--limit', type=at_least(1), metavar='N', help='only the first N images')
    parser.add_argument('--batch', type=at_least(1), default=16, metavar='N',
                        help='images at once (default: %(default)s)')
    parser.add_argument('--workers', type=at_least(0), default=1, metavar='N',
                        help='processes that read images (default: %(default)s)')
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda' or 'cuda:N'")
    parser.add_argument('--precision', default='fp32', help="'fp32', 'fp16' (GPU) or 'bf16'")
    parser.add_argument('--input-size', type=size, metavar='WxH',
                        help='instead of the size that the weights were trained for')


def main(name: str, parser: argparse.ArgumentParser,
         run: Callable[[argparse.Namespace], None]) -> int:
    """Parse the arguments, run, and return the exit status: 2 after an error told in one line."""
    args = parser.parse_args()
    share_cores()
    guard_opencv()
    try:
        run(args)
        sys.stdout.flush()
        return 0
    except AnyDepthError as error:
        print(f'{name}: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'{name}: interrupted', file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python flushes stdout once more at exit, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


@dataclass(frozen=True)
class Subject:
    """Weights ready to be judged on a data set.

    Attributes:
        weights: the name or path given.
        model: on its device.
        info: what the file says about itself, with the input size that is used.
        dataset: the images.
        dtype: to compute in.
        batch, workers: as given.
    """

    weights: str
    model: AnyDepthModel
    info: ModelInfo
    dataset: DetectionDataset
    dtype: torch.dtype
    batch: int
    workers: int

    def batches(self) -> Iterator[Batch]:
        """Return the images in order, with a bar on a terminal."""
        from tqdm import tqdm

        from anydepth_core.data.batches import validation_batches

        source = validation_batches(self.dataset, input_size=self.info.input_size,
                                    resize=self.info.resize, batch=self.batch,
                                    workers=self.workers)
        total = -(-len(self.dataset) // self.batch)
        bar: Iterable[Batch] = tqdm(source, total=total, unit='batch', disable=None, leave=False)
        return iter(bar)


def open_subject(weights: str, args: argparse.Namespace) -> Subject:
    """Return the weights and the data set that the arguments name.

    Raises:
        AnyDepthError: one of them cannot be used, or their classes differ.
    """
    from anydepth_core.models.weights import load_weights
    from anydepth_core.runtime.devices import resolve_device, resolve_precision

    model, info = load_weights(weights)
    if args.input_size:
        info = replace(info, input_size=args.input_size)
        info.require_stride(Path(weights), model.stride)
    dataset = open_dataset(args)
    require_classes(weights, info.class_names, dataset.class_names)
    device = resolve_device(args.device)
    return Subject(weights, model.to(device), info, dataset,
                   resolve_precision(args.precision, device), args.batch, args.workers)


def open_dataset(args: argparse.Namespace) -> DetectionDataset:
    """Return the data set that the arguments name; DataError if it is empty."""
    from anydepth_core.data.options import open_data

    train, validation = open_data(_data_options(args))
    dataset = train if args.split == 'train' else validation
    if dataset.endless and not args.limit:
        raise DataError(f'--data {args.data}: the {args.split} images have no end; give --limit')
    if args.limit:
        dataset = FirstImages(dataset, args.limit)
    if not len(dataset):
        raise DataError(f'--data {args.data}: the {args.split} split has no images')
    return dataset


def annotation_file(args: argparse.Namespace) -> Path | None:
    """Return the COCO JSON of the images that the arguments name; None if they have none."""
    name = getattr(_data_options(args), f'{args.split}_annotations', None)
    return None if name is None else Path(name)


def _data_options(args: argparse.Namespace) -> Any:
    from anydepth_core.train.recipe_file import load_data_options

    return load_data_options(args.data, [f'data.{change}' for change in args.changes])


class FirstImages:
    """The first images of a data set."""

    endless = False

    def __init__(self, dataset: DetectionDataset, count: int) -> None:
        self._dataset, self._count = dataset, count
        self.class_names = dataset.class_names

    def __len__(self) -> int:
        return min(self._count, len(self._dataset))

    def load(self, index: int) -> Sample:
        """Return image number `index` and its objects."""
        return self._dataset.load(index)


def require_classes(weights: str, known: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise DataError unless weights and data have the same classes in the same order."""
    if tuple(known) == tuple(wanted):
        return
    if len(known) != len(wanted):
        raise DataError(f'{weights} finds {len(known)} classes, the data set has {len(wanted)}; '
                        'choose weights and data that fit each other')
    label = next(index for index, pair in enumerate(zip(known, wanted)) if pair[0] != pair[1])
    raise DataError(f'{weights}: class {label} is {known[label]!r}, in the data set it is '
                    f'{wanted[label]!r}; choose weights and data that fit each other')


def describe(subject: Subject, args: argparse.Namespace) -> dict[str, Any]:
    """Return what a result was measured on, for its JSON."""
    import torch

    from anydepth_core.models.weights import file_hash, resolve_weights
    from anydepth_core.runtime.measure import hardware_name

    device = next(subject.model.parameters()).device
    return {
        'model': subject.info.model, 'weights': str(subject.weights),
        'weights_sha256': file_hash(resolve_weights(subject.weights)),
        'input_size': list(subject.info.input_size), 'data': str(args.data), 'split': args.split,
        'images': len(subject.dataset), 'precision': args.precision,
        'device': hardware_name(str(device)), 'python': platform.python_version(),
        'torch': torch.__version__,
        'date': datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def named(text: str, usual: Callable[[Path], str]) -> tuple[str, str]:
    """Split 'NAME=PATH'; without a name it is what `usual` calls the path.

    What stands before a sign after a slash is part of a path: 'runs/lr=0.1/x'.
    """
    name, equals, path = text.partition('=')
    return (name, path) if equals and name and '/' not in name else (usual(Path(text)), text)


def require_distinct(names: Iterable[str]) -> None:
    """Raise AnyDepthError if two results have one name, as one of them would be lost."""
    for name, count in Counter(names).items():
        if count > 1:
            raise AnyDepthError(f'{count} results are called {name!r}; give NAME=PATH')
