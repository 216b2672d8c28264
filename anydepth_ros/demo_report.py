# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo leaves behind: one annotated picture per depth and a chart of the latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anydepth_core.detections import Detections
from anydepth_ros.demo_record import Phase, Summary

COLORS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9')


@dataclass(frozen=True)
class Snapshot:
    """One image and what was found in it, paired by their stamp."""

    image_rgb: NDArray[np.uint8]
    detections: Detections


def write_pictures(folder: Path, snapshots: Mapping[str, Snapshot],
                   class_names: Sequence[str]) -> list[Path]:
    """Draw and write the picture of each depth; return the paths.

    Raises:
        ImageError: the folder cannot be written to.
    """
    from anydepth_core.runtime.draw import draw_detections
    from anydepth_core.runtime.images import write_image
    paths = []
    for depth, snapshot in snapshots.items():
        found = snapshot.detections
        caption = f'depth {depth}  {found.timing.total_ms:.0f} ms'
        path = folder / f'{depth}.png'
        write_image(path, draw_detections(snapshot.image_rgb, found, class_names, caption=caption))
        paths.append(path)
    return paths


def write_chart(path: Path, phases: Sequence[Phase], summaries: Sequence[Summary],
                title: str) -> None:
    """Draw the latency of each frame over time, coloured by depth, beside its quantiles."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot as plt
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), width_ratios=(3, 1),
                                         layout='constrained')
    zero = min(frame.time_s for phase in phases for frame in phase.frames)
    for phase, color in zip(phases, COLORS):
        times = [frame.time_s - zero for frame in phase.frames]
        left.plot(times, [frame.total_ms for frame in phase.frames], '.', ms=5, color=color,
                  label=phase.depth)
        left.axvline(times[0] if times else 0, color=color, lw=1, ls='--', alpha=0.6)
    worst = max(summary.p95_ms for summary in summaries)
    left.set(xlabel='time [s]', ylabel='latency of one image [ms]', ylim=(0, 1.6 * worst),
             title=title)
    left.legend(title='depth', loc='upper right')
    left.grid(alpha=0.3)
    places = np.arange(len(phases))
    colors = COLORS[:len(phases)]
    for offset, name, values, alpha in (
            (-0.2, 'p50', [s.p50_ms for s in summaries], 1.0),
            (0.2, 'p95', [s.p95_ms for s in summaries], 0.45)):
        bars = right.bar(places + offset, values, 0.4, color=colors, alpha=alpha)
        right.bar_label(bars, [f'{name}\n{value:.1f}' for value in values], fontsize=8)
    right.set_xticks(places, [phase.depth for phase in phases])
    right.set(ylabel='latency [ms]', ylim=(0, 1.25 * worst))
    figure.savefig(path, dpi=110)
    plt.close(figure)
