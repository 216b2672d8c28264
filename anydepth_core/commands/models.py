# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth models`: every model there is, its size and what a frame costs at full and base."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
import json
from typing import Any

from anydepth_core.errors import AnyDepthError

SCHEMA_VERSION = 1
SIZE = 640
HEADER = f'{"model":32}{"family":8}{"parameters":>12}{"GFLOPs full":>13}{"base":>8}  stages'


@dataclass(frozen=True)
class ModelRow:
    """One model with 80 classes; GFLOPs at 640x640 are 2 x multiply-adds of its layers."""

    name: str
    family: str
    parameters: int
    gflops_full: float
    gflops_base: float
    stages: tuple[str, ...]
    decoder_layers: int | None

    def __str__(self) -> str:
        decoder = f' + {self.decoder_layers} decoder layers' if self.decoder_layers else ''
        return (f'{self.name:32}{self.family:8}{self.parameters:12,}{self.gflops_full:13.2f}'
                f'{self.gflops_base:8.2f}  {" ".join(self.stages)}{decoder}')


def add_parser(subparsers: Any) -> None:
    """Add `models` to the command line."""
    parser = subparsers.add_parser(
        'models', help='list the models, their sizes and costs',
        description='List the models with 80 classes: parameters, and GFLOPs of one '
                    f'{SIZE}x{SIZE} image at full and at base depth (2 x multiply-adds of '
                    'convolutions and linear layers).')
    parser.add_argument('pattern', nargs='?', default='*',
                        help="only names that match, such as '*-yolo-?'")
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table row by row, or one JSON document."""
    from anydepth_core.models.registry import list_models

    names = list_models(args.pattern)
    if not names:
        raise AnyDepthError(f"no model matches {args.pattern!r}; 'anydepth models' lists them all")
    if args.json:
        rows = [asdict(measure(name)) for name in names]
        print(json.dumps({'schema_version': SCHEMA_VERSION, 'input_size': [SIZE, SIZE],
                          'models': rows}, indent=2))
        return 0
    print(HEADER)
    for name in names:
        print(measure(name), flush=True)
    return 0


def measure(name: str) -> ModelRow:
    """Build one model without memory for its weights, and count."""
    import torch

    from anydepth_core.models.count import count_gflops, count_parameters
    from anydepth_core.models.registry import create_model

    with torch.device('meta'):
        model = create_model(name)
    return ModelRow(
        name=name, family=model.family, parameters=count_parameters(model),
        gflops_full=round(count_gflops(model, model.depths.full, (SIZE, SIZE)), 3),
        gflops_base=round(count_gflops(model, model.depths.base, (SIZE, SIZE)), 3),
        stages=model.depths.stages, decoder_layers=model.depths.decoder_layers)
