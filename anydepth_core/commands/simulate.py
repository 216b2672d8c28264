# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth simulate`: how well policies keep budgets, in a simulated world with a fake clock."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
import importlib.util
import json
import math
from pathlib import Path
from typing import Any

from anydepth_core.errors import AnyDepthError
from anydepth_core.files import whole_file
from anydepth_core.runtime.profile import Profile, read_profile
from anydepth_core.runtime.scenarios import DISTURBANCES, SCENARIOS, TRACES, published_profiles
from anydepth_core.runtime.simulate import (
    ALL_LEVELS,
    PUBLISHED,
    VIDEO_CORRELATION,
    WINDOW,
    Comparison,
    Outcome,
    bars,
    compare,
    moving_average,
)

SCHEMA_VERSION = 1
HEADER = (f'{"scenario":19}{"policy":14}{"error %":>9}{"over avg %":>12}{"over frame %":>14}'
          f'{"switches/min":>14}{"quality":>9}{"settle":>8}')
DRAWN = ('none', 'throttle')
DRAWINGS = ('.png', '.svg', '.pdf')


def add_parser(subparsers: Any) -> None:
    """Add `simulate` to the command line."""
    parser = subparsers.add_parser(
        'simulate', help='see how well policies keep budgets, without a device',
        description='Run policies through every budget trace with every disturbance: '
                    f'{", ".join(TRACES)} by {", ".join(DISTURBANCES)}. Beside ours runs the '
                    "controller that AnyDepth's authors published. docs/policy.md explains the "
                    'columns.')
    parser.add_argument('--profile', type=Path, metavar='FILE.json',
                        help='a measured profile (default: the latencies the authors published)')
    parser.add_argument('--seed', type=int, default=0,
                        help='of budgets, noise and the predicted advantages (%(default)s)')
    parser.add_argument('--correlation', type=_share, default=VIDEO_CORRELATION, metavar='0..1',
                        help='of the advantages that the published controller gets, from frame '
                             'to frame: 0 is white noise (%(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE.json', help='write the numbers')
    parser.add_argument('--plot', type=Path, metavar='FILE.png',
                        help='draw budgets and what was spent, for the first profile')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one line per scenario and policy, then in how many scenarios each claim holds."""
    _check_outputs(args.json, args.plot)
    profiles = published_profiles() if args.profile is None else {
        args.profile.name: read_profile(args.profile)}
    results: dict[str, list[Comparison]] = {}
    for name, profile in profiles.items():
        print(f'{name}: {len(profile.entries)} depths\n{HEADER}')
        results[name] = []
        for scenario in SCENARIOS:
            comparison = compare(profile, scenario, args.seed, args.correlation)
            results[name].append(comparison)
            for policy, outcome in comparison.outcomes.items():
                print(_line(scenario.name, policy, outcome, profile), flush=True)
        for claim, (held, count) in bars(results[name]).items():
            print(f'{claim}: {held} of {count}')
        print()
    if args.json is not None:
        document = {
            'schema_version': SCHEMA_VERSION, 'seed': args.seed, 'correlation': args.correlation,
            'profiles': [_to_json(name, found) for name, found in results.items()]}
        with whole_file(args.json, AnyDepthError) as file:
            file.write(f'{json.dumps(document, indent=2)}\n'.encode())
    if args.plot is not None:
        plot(args.plot, *next(iter(results.items())))
    return 0


def plot(path: Path, name: str, comparisons: Sequence[Comparison]) -> None:
    """Draw moving averages of budget and cost: a row per trace, a column per disturbance.

    Raises:
        AnyDepthError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 10), layout='constrained')
    axes = figure.subplots(len(TRACES), len(DRAWN), sharex=True, sharey=True, squeeze=False)
    for row, trace in enumerate(TRACES):
        for column, disturbance in enumerate(DRAWN):
            ax = axes[row][column]
            comparison = next(each for each in comparisons if
                              each.scenario.name == f'{trace}/{disturbance}')
            allowed = [frame.attainable for frame in comparison.frames[PUBLISHED]]
            ax.plot(moving_average(allowed), 'k--', label='attainable budget')
            for policy in (PUBLISHED, ALL_LEVELS):
                costs = [frame.cost for frame in comparison.frames[policy]]
                ax.plot(moving_average(costs), label=policy)
            ax.set_title(comparison.scenario.name)
            ax.grid(alpha=0.3)
    axes[0][0].legend()
    figure.suptitle(f'{name}: mean of {WINDOW} frames')
    figure.supxlabel('frame')
    figure.supylabel('ms')
    try:
        figure.savefig(path)
    except OSError as error:
        raise AnyDepthError(f'--plot {path}: {error.strerror}') from error


def _check_outputs(*paths: Path | None) -> None:
    """Complain before the work, not after it, of files that could not be written."""
    for option, path, endings in zip(('--json', '--plot'), paths, (('.json',), DRAWINGS)):
        if path is None:
            continue
        if path.suffix.lower() not in endings:
            raise AnyDepthError(f'{option} {path}: the file must end in {" or ".join(endings)}')
        if not path.parent.is_dir():
            raise AnyDepthError(f'{option} {path}: there is no folder {path.parent}')
        if option == '--plot' and importlib.util.find_spec('matplotlib') is None:
            raise AnyDepthError("--plot needs matplotlib: 'pip install matplotlib'")


def _line(scenario: str, policy: str, outcome: Outcome, profile: Profile) -> str:
    settle = '' if outcome.settle_frames is None else (
        'never' if math.isinf(outcome.settle_frames) else f'{outcome.settle_frames:.0f}')
    in_ap = all(entry.ap is not None for entry in profile.entries)
    quality = f'{outcome.quality * 100:.2f}' if in_ap else f'{outcome.quality:.2f}'
    return (f'{scenario:19}{policy:14}{outcome.error * 100:9.2f}{outcome.over_average * 100:12.1f}'
            f'{outcome.over_frame * 100:14.1f}{outcome.switches_per_minute:14.0f}{quality:>9}'
            f'{settle:>8}')


def _to_json(name: str, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    return {'profile': name, 'bars': bars(comparisons), 'scenarios': [
        {'scenario': each.scenario.name, 'unit': each.scenario.unit, 'policies': {
            policy: _finite(asdict(outcome)) for policy, outcome in each.outcomes.items()}}
        for each in comparisons]}


def _finite(outcome: dict[str, float | None]) -> dict[str, Any]:
    """Write never settling as text, as JSON has no infinity."""
    return {name: 'never' if value == math.inf else value for name, value in outcome.items()}


def _share(text: str) -> float:
    """Return a number from 0 to below 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 0 to below 1')
    return value
