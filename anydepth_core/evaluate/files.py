# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Results as files: tables as Markdown, CSV and JSON, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import csv
import io
import json
from pathlib import Path
from typing import Any

from anydepth_core.errors import DataError
from anydepth_core.files import whole_file


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, and its folder if missing; until it is complete the old one stays.

    Raises:
        DataError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f'cannot write {path}: {error.strerror}') from error
    with whole_file(path, DataError) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, document: Any) -> None:
    """Write a document as indented JSON; see `write_bytes`."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + '\n')


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV; the columns are those of all rows, in order of appearance."""
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO(newline='')
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table that is also aligned as plain text; numbers stand to the right."""
    body = [list(row) for row in rows]
    columns = list(zip(*([list(header)] + body)))
    widths = [max(3, *map(len, column)) for column in columns]
    right = [all(_is_number(cell) for cell in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.rjust(width) if is_right else cell.ljust(width)
                  for cell, width, is_right in zip(cells, widths, right))
        return f'| {" | ".join(padded)} |'

    rule = [f'{"-" * (width - 1)}:' if is_right else '-' * width
            for width, is_right in zip(widths, right)]
    return '\n'.join([line(header), line(rule), *map(line, body)])


def score(value: float) -> str:
    """Return a score of [0, 1] as points of 100; '-' for -1, nothing to find."""
    return '-' if value < 0 else f'{100 * value:.1f}'


def _is_number(cell: str) -> bool:
    try:
        float(cell.rstrip('%') or 'nan')
    except ValueError:
        return cell in ('-', '')
    return True
