# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The observer that draws a run: batches, predictions, curves, confusions, classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anydepth_core.evaluate.curves import plot_losses, plot_scores
from anydepth_core.evaluate.evaluation_report import draw_evaluations
from anydepth_core.evaluate.figures import save_figure
from anydepth_core.evaluate.pictures import batch_picture
from anydepth_core.runtime.images import write_image
from anydepth_core.train.events import BatchEvent, EvaluationEvent, Observer
from anydepth_core.train.loggers import LOSSES, SCORES, read_rows

FOLDER = 'pictures'
PICTURES = {  # shell patterns, and what the pictures show
    'predictions.jpg': 'What is there, and what is found at each depth, in validation images.',
    'losses.png': 'Every term of the loss.',
    'scores.png': 'Average precision over the iterations.',
    'precision_recall.png': 'Precision over recall at IoU 0.50.',
    'classes.png': 'Average precision of every class.',
    'confusion.png': 'What objects were taken for, at a score of 0.25 and an IoU of 0.50.',
    'batch_*.jpg': 'A training batch, as the network gets it.',
}


class PictureLog(Observer):
    """Pictures in `pictures/`, those of evaluations always of the latest.

    Args:
        folder: of the run; the curves are drawn from its CSV files, so CsvLog comes first.
        class_names: what a label means.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.folder, self.class_names = folder, tuple(class_names)

    def on_batch(self, event: BatchEvent) -> None:
        """Draw a training batch with its boxes."""
        self._target().mkdir(parents=True, exist_ok=True)
        write_image(self._target() / f'batch_{event.iteration}.jpg',
                    batch_picture(event.batch, self.class_names))

    def on_evaluation(self, event: EvaluationEvent) -> None:
        """Draw what was found, and the curves up to now."""
        if event.evaluations:
            draw_evaluations(self._target(), event.evaluations, event.class_names)
        self._curves()

    def on_end(self, iteration: int) -> None:
        """Draw the curves of the whole run."""
        self._curves()

    def _curves(self) -> None:
        for name, plot, source in (('losses.png', plot_losses, LOSSES),
                                   ('scores.png', plot_scores, SCORES)):
            rows = read_rows(self.folder / source)
            if rows:
                save_figure(plot(rows), self._target() / name)

    def _target(self) -> Path:
        return self.folder / FOLDER
