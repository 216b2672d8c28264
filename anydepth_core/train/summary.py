# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The observer that writes `summary.md`: a run on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from anydepth_core.evaluate.files import markdown_table, score, write_text
from anydepth_core.train.events import PHASES, EvaluationEvent, Observer, StepEvent
from anydepth_core.train.loggers import LOSSES, SCORES, duration, read_rows
from anydepth_core.train.pictures import FOLDER, PICTURES

COLUMNS = {'ap': 'AP', 'ap50': 'AP50', 'ap75': 'AP75', 'small': 'small', 'medium': 'medium',
           'large': 'large', 'ar100': 'AR'}


class SummaryLog(Observer):
    """`summary.md`, written anew after every evaluation and at the end.

    Args:
        folder: of the run; numbers are read from its CSV files and pictures are linked, so
            CsvLog and PictureLog come first.
        title: of the page, such as the model's name.
        facts: lines of the table at the top, such as ``{'parameters': '2.1 M'}``.
        recipe: plain values of the recipe, shown in full at the end.
    """

    def __init__(self, folder: Path, title: str, facts: Mapping[str, str],
                 recipe: Mapping[str, Any]) -> None:
        self.folder, self.title = folder, title
        self.facts, self.recipe = dict(facts), dict(recipe)
        self._classes = ''
        self._iterations = 0

    def on_step(self, event: StepEvent) -> None:
        """Note how long the run is."""
        self._iterations = event.iterations

    def on_evaluation(self, event: EvaluationEvent) -> None:
        """Write the page with the scores of the classes."""
        depths = list(event.evaluations)
        per_class = [each.scores.per_class for each in event.evaluations.values()]
        self._classes = markdown_table(['class', *depths], [
            [name, *(score(values[label]) for values in per_class)]
            for label, name in enumerate(event.class_names)])
        self._write(event.iteration)

    def on_end(self, iteration: int) -> None:
        """Write the page a last time."""
        self._write(iteration)

    def _write(self, iteration: int) -> None:
        parts = [f'# {self.title}', self._state(iteration), _scores(self.folder)]
        if self._classes:
            parts += ['## Classes', 'Average precision of each class.', self._classes]
        pictures = [f'{text}\n\n![{text}]({FOLDER}/{path.name})'
                    for pattern, text in PICTURES.items()
                    for path in sorted((self.folder / FOLDER).glob(pattern))]
        parts += ['## Pictures', *pictures] if pictures else []
        recipe = yaml.safe_dump(self.recipe, sort_keys=False, allow_unicode=True)
        parts += ['## Recipe', f'```yaml\n{recipe}```']
        write_text(self.folder / 'summary.md', '\n\n'.join(part for part in parts if part) + '\n')

    def _state(self, iteration: int) -> str:
        facts = dict(self.facts)
        total = f' of {self._iterations}' if self._iterations else ''
        facts['iteration'] = f'{iteration}{total}'
        facts.update(_speed(read_rows(self.folder / LOSSES)))
        return markdown_table(['', ''], [[name, text] for name, text in facts.items()])


def _scores(folder: Path) -> str:
    """Return a table of the newest scores, and of the best AP of each depth."""
    rows = read_rows(folder / SCORES)
    depths = [name.partition('/')[0] for name in (rows[-1] if rows else ())
              if name.endswith('/ap')]
    if not depths:
        return ''
    best = {depth: max(rows, key=lambda row: row.get(f'{depth}/ap', -1)) for depth in depths}
    table = markdown_table(['depth', *COLUMNS.values(), 'best AP', 'at iteration'], [
        [depth, *(score(rows[-1].get(f'{depth}/{name}', -1)) for name in COLUMNS),
         score(best[depth][f'{depth}/ap']), f'{best[depth]["iteration"]:.0f}']
        for depth in depths])
    return f'## Scores at iteration {rows[-1]["iteration"]:.0f}\n\n{table}'


def _speed(rows: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Return what the logged steps tell of the time: speed, and the shares of the phases."""
    if not rows:
        return {}
    known = {phase: sum(row.get(f'seconds/{phase}', 0.0) for row in rows) for phase in PHASES}
    total = sum(known.values())
    rates = [row['images_per_second'] for row in rows if 'images_per_second' in row]
    told = {}
    if rates:
        told['speed'] = f'{sorted(rates)[len(rates) // 2]:.1f} images/s (median)'
    if total > 0:
        told['time in steps'] = duration(total) + ': ' + ', '.join(
            f'{phase} {seconds / total:.0%}' for phase, seconds in known.items())
    return told
