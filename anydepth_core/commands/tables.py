# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth tables`: sizes and costs in the paper's Tables 1, 2 and 9 beside our own counts.

Only the paper's numbers are written down here; ours are counted. GFLOPs are compared in the
paper's own conventions (see Operations) and also given in ours.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
import functools
import itertools
import json
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from anydepth_core.models.base import AnyDepthModel
    from anydepth_core.models.count import Operations

SCHEMA_VERSION = 1
SIZE = (640, 640)
HEADER = (f'{"setting":34}{"model":24}{"depth":16}{"GFLOPs: paper":>14}{"counted":>9}{"diff.":>8}'
          f'{"ours":>9}{"parameters: paper":>19}{"counted":>12}')


@dataclass(frozen=True)
class Row:
    """One row of a table of the paper.

    Attributes:
        table: its number.
        setting: what the paper calls the row.
        model, depth: what it is here.
        gflops: the paper's.
        millions: the paper's parameters, in millions; None where it gives none.
        plain: the single-depth network: only the parameters of the full paths count.
        convention: which property of Operations the paper's number is of.
        fused: the paper's number is of the network with norms and RepVGG branches fused.
        remark: what is peculiar about the row; every row off by more than 0.3 % has one.
    """

    table: int
    setting: str
    model: str
    depth: str
    gflops: float
    millions: float | None = None
    plain: bool = False
    convention: Literal['fvcore_gflops', 'gflops', 'paper_yolo_gflops'] = 'fvcore_gflops'
    fused: bool = False
    remark: str = ''


@dataclass(frozen=True)
class Count:
    """What we count for a row: GFLOPs in the paper's and in our convention, and parameters."""

    row: Row
    counted_gflops: float
    our_gflops: float
    parameters: int | None

    @property
    def difference(self) -> float:
        """How much more we count than the paper, as a fraction."""
        return self.counted_gflops / self.row.gflops - 1

    def __str__(self) -> str:
        row = self.row
        size = '' if row.millions is None else f'{row.millions:17.1f} M{self.parameters:12,}'
        return (f'{row.setting:34}{row.model.removeprefix("anydepth-"):24}{row.depth:16}'
                f'{row.gflops:14.1f}{self.counted_gflops:9.2f}{self.difference:+8.2%}'
                f'{self.our_gflops:9.2f}{size}')


YOLO = functools.partial(Row, convention='paper_yolo_gflops')
FUSED = functools.partial(
    Row, convention='gflops', fused=True, plain=True,
    remark='inferred: no source says how this was counted; convolutions and linear layers after '
           'fusing norms and RepVGG branches come nearest')
UNFUSED = functools.partial(
    Row, plain=True, remark='the same network counted like the other DETR rows: the paper did not')
LAYOUT = "the paper's parameters are those of the Ultralytics layout"
STEM = 'counted with the 7x7 stem, as the paper did'
WHOLE = 'the paper gives whole GFLOPs; ours, rounded, is the same'
SLICED = 'without the sliced convolutions, which the paper did not see; "ours" has them'
LABELLED = "as labelled; the paper's backbone rows are in the order P5, P4, P3, P2"
ROWS = (
    Row(1, 'RT-DETR R-101', 'anydepth-detr-r101', 'full', 257, 76, True, remark=STEM),
    Row(1, 'RT-DETR R-50', 'anydepth-detr-r50', 'full', 134, 42, True, remark=STEM),
    FUSED(1, 'RT-DETR R-34', 'anydepth-detr-r34', 'full', 92, 31),
    UNFUSED(1, 'RT-DETR R-34', 'anydepth-detr-r34', 'full', 92, 31),
    FUSED(1, 'RT-DETR R-18', 'anydepth-detr-r18', 'full', 60, 20),
    UNFUSED(1, 'RT-DETR R-18', 'anydepth-detr-r18', 'full', 60, 20),
    Row(1, 'AnyDepth-DETR (R-101) full', 'anydepth-detr-r101', 'full', 257, 76),
    Row(1, 'AnyDepth-DETR (R-101) base', 'anydepth-detr-r101', 'base@4', 141, remark=WHOLE),
    Row(1, 'AnyDepth-DETR (R-50) full', 'anydepth-detr-r50', 'full', 134, 42),
    Row(1, 'AnyDepth-DETR (R-50) base', 'anydepth-detr-r50', 'base@4', 79),
    YOLO(1, 'YOLOv12 X', 'anydepth-yolo-x-turbo', 'full', 185.9, 59.4, True),
    YOLO(1, 'YOLOv12 L', 'anydepth-yolo-l-turbo', 'full', 83.3, 26.4, True, remark=LAYOUT),
    YOLO(1, 'YOLOv12 M', 'anydepth-yolo-m-turbo', 'full', 60.4, 20.2, True, remark=LAYOUT),
    YOLO(1, 'AnyDepth-YOLO (X) full', 'anydepth-yolo-x', 'full', 185.9, 61.3),
    YOLO(1, 'AnyDepth-YOLO (X) base', 'anydepth-yolo-x', 'base', 132.9, remark=SLICED),
    YOLO(1, 'AnyDepth-YOLO (L) full', 'anydepth-yolo-l', 'full', 83.3, 27.3),
    YOLO(1, 'AnyDepth-YOLO (L) base', 'anydepth-yolo-l', 'base', 59.6, remark=SLICED),
    *(Row(2, setting, 'anydepth-detr-r50', depth, gflops) for setting, depth, gflops in (
        ('all full, 6 decoder layers', 'full', 134.2),
        ('essential in P2', 'full-p2', 130.6),
        ('essential in P2, P3', 'full-p2-p3', 123.4),
        ('essential in P2, P3, P4', 'full-p2-p3-p4', 112.8),
        ('essential in P2, P3, P4, P5', 'full-backbone', 109.2),
        ('essential in PAN', 'full-pan', 128.9),
        ('essential in FPN + PAN', 'full-neck', 107.8),
        ('5 decoder layers', 'full@5', 132.2),
        ('4 decoder layers', 'full@4', 130.4),
        ('3 decoder layers', 'full@3', 128.4),
        ('2 decoder layers', 'full@2', 126.4),
        ('1 decoder layer', 'full@1', 124.6),
        ('all essential, 4 decoder layers', 'base@4', 79.0))),
    # The numbers of the backbone rows are those of P5 first, not of P2 first as the labels say.
    *(YOLO(9, setting, 'anydepth-yolo-l', depth, gflops, remark=remark)
      for setting, depth, gflops, remark in (
          ('all full', 'full', 83.3, ''),
          ('essential in P2', 'full-p5', 81.6, 'the number is that of P5'),
          ('essential in P2', 'full-p2', 81.6, LABELLED),
          ('essential in P2, P3', 'full-p4-p5', 74.7, 'the number is that of P5, P4'),
          ('essential in P2, P3', 'full-p2-p3', 74.7, LABELLED),
          ('essential in P2, P3, P4', 'full-p3-p4-p5', 72.8, 'the number is that of P5, P4, P3'),
          ('essential in P2, P3, P4', 'full-p2-p3-p4', 72.8, LABELLED),
          ('essential in P2, P3, P4, P5', 'full-backbone', 70.8, ''),
          ('essential in PAN', 'full-pan', 79.2, SLICED),
          ('essential in FPN + PAN', 'full-neck', 72.1, SLICED))),
)


def add_parser(subparsers: Any) -> None:
    """Add `tables` to the command line."""
    parser = subparsers.add_parser(
        'tables', help="the paper's tables of sizes and costs, beside our counts",
        description="Print GFLOPs at 640x640 and parameters of the paper's Tables 1, 2 and 9, "
                    'what we count in the same convention, the difference, and GFLOPs in ours (2 '
                    'x multiply-adds of convolutions and linear layers).')
    parser.add_argument('--json', action='store_true', help='print JSON instead of tables')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the tables, or one JSON document."""
    if args.json:
        rows = [asdict(count) | {'difference': count.difference} for count in count_rows()]
        print(json.dumps({'schema_version': SCHEMA_VERSION, 'input_size': SIZE, 'rows': rows},
                         indent=2))
        return 0
    for table, counts in itertools.groupby(count_rows(), lambda count: count.row.table):
        print(f'\nTable {table}\n{HEADER}')
        notes: list[str] = []
        for count in counts:
            remark = count.row.remark
            if remark and remark not in notes:
                notes.append(remark)
            print(f'{count}  [{notes.index(remark) + 1}]' if remark else count, flush=True)
        for number, note in enumerate(notes, 1):
            print(f'  [{number}] {note}')
    return 0


def count_rows() -> Iterator[Count]:
    """Count every row; on shapes alone, without memory for weights."""
    from anydepth_core.models.count import count_full_path_parameters, count_parameters

    for row in ROWS:
        count = count_full_path_parameters if row.plain else count_parameters
        counted = _operations(row.model, row.depth, row.fused)
        yield Count(row, getattr(counted, row.convention),
                    _operations(row.model, row.depth, False).gflops,
                    None if row.millions is None else count(_model(row.model)))


@functools.lru_cache
def _operations(name: str, depth: str, fused: bool) -> Operations:
    from anydepth_core.models.count import count_operations

    model = _model(name)
    return count_operations(model.fused() if fused else model, depth, SIZE)


@functools.lru_cache
def _model(name: str) -> AnyDepthModel:
    import torch

    from anydepth_core.models.registry import create_model

    with torch.device('meta'):
        return create_model(name)
