# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Profile: what each depth costs and achieves on one device. Pure Python, measures nothing itself.

`docs/profile.md` is the contract of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
import json
from pathlib import Path
import re
from typing import Any, TypeVar

from anydepth_core.depth import Depth, DepthSpace
from anydepth_core.errors import AnyDepthError, ProfileError
from anydepth_core.files import whole_file
from anydepth_core.runtime.budget import Resource

Item = TypeVar('Item')

FORMAT = 'anydepth-profile'
SCHEMA_VERSION = 1
MAX_BYTES = 16 * 2 ** 20
MEASURE = 'measure one on this device'
OPTIONAL_COSTS = ('energy_j', 'memory_mb')


@dataclass(frozen=True, kw_only=True)
class ProfileKey:
    """What a profile holds for, and for nothing else.

    Attributes:
        device: the hardware by name, such as 'NVIDIA H100 80GB HBM3' (not 'cuda:0').
        backend: 'torch', …
        precision: 'fp32', …
        input_size: (height, width) of the network input in pixels.
        weights_hash: SHA-256 of the weights file in hexadecimal.

    Raises:
        ProfileError: a field is of the wrong type or makes no sense.
    """

    device: str
    backend: str
    precision: str
    input_size: tuple[int, int]
    weights_hash: str

    def __post_init__(self) -> None:
        for name in ('device', 'backend', 'precision'):
            text = getattr(self, name)
            _require(isinstance(text, str) and 0 < len(text) <= 200 and text.isprintable(),
                     f'{name!r} is not printable text of 1 to 200 characters')
        size = self.input_size
        _require(isinstance(size, tuple) and len(size) == 2
                 and all(type(side) is int and side > 0 for side in size),
                 f"'input_size' {size!r} is not a height and a width in pixels")
        _require(isinstance(self.weights_hash, str)
                 and re.fullmatch('[0-9a-f]{64}', self.weights_hash) is not None,
                 "'weights_hash' is not a SHA-256 of 64 hexadecimal digits")

    @property
    def file_name(self) -> str:
        """Where a folder of profiles keeps the one of this key."""
        height, width = self.input_size
        words = (self.device, self.backend, self.precision, f'{height}x{width}',
                 self.weights_hash[:12])
        return '.'.join(re.sub('[^a-z0-9]+', '-', word.lower()).strip('-')
                        for word in words) + '.json'

    def differences(self, other: ProfileKey) -> list[str]:
        """Return one phrase for each field in which `other` is not this."""
        return [f'{each.name} is {getattr(self, each.name)!r}, not {getattr(other, each.name)!r}'
                for each in fields(self)
                if getattr(self, each.name) != getattr(other, each.name)]


@dataclass(frozen=True, kw_only=True)
class ProfileEntry:
    """One depth: milliseconds from image to detections, and what else is known of it.

    Attributes:
        depth: which.
        gflops: 2 x multiply-adds of one frame.
        mean_ms, p50_ms, p95_ms, p99_ms: of the total time of a frame.
        ap: average precision in [0, 1]; None if not measured.
        energy_j: joules of one frame, measured as the budget will be; None if not measured.
        memory_mb: the most that the process took while frames of this depth ran, in megabytes of
            the machine's memory, or of the GPU's; None if nobody told.

    Raises:
        ProfileError: a number is not finite or not above 0, or the quantiles fall.
    """

    depth: Depth
    gflops: float
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    ap: float | None = None
    energy_j: float | None = None
    memory_mb: float | None = None

    def __post_init__(self) -> None:
        for name in ('gflops', 'mean_ms', 'p50_ms', 'p95_ms', 'p99_ms', *OPTIONAL_COSTS):
            value = getattr(self, name)
            _require((value is None and name in OPTIONAL_COSTS)
                     or (_is_number(value) and value > 0),
                     f'{self.depth}: {name!r} {value!r} is not a number above 0 and below 1e15')
        _require(self.p50_ms <= self.p95_ms <= self.p99_ms,
                 f"{self.depth}: 'p50_ms' <= 'p95_ms' <= 'p99_ms' does not hold")
        _require(self.ap is None or (_is_number(self.ap) and 0 <= self.ap <= 1),
                 f"{self.depth}: 'ap' {self.ap!r} is not between 0 and 1")

    @cached_property
    def name(self) -> str:
        """The depth as canonical text, made once: policies tell it with every frame."""
        return str(self.depth)

    def cost(self, resource: Resource) -> float:
        """Return the mean cost of a frame in ms, GFLOPs or joules."""
        return self._known(resource, self.mean_ms)

    def tail(self, resource: Resource) -> float:
        """Return the cost that 95 of 100 frames stay within (the mean, where no tail is known)."""
        return self._known(resource, self.p95_ms)

    def typical(self, resource: Resource) -> float:
        """Return the median cost of a frame (the mean, where no quantiles are known)."""
        return self._known(resource, self.p50_ms)

    def _known(self, resource: Resource, latency_ms: float) -> float:
        if resource == 'latency_ms':
            return latency_ms
        if resource == 'gflops':
            return self.gflops
        _require(self.energy_j is not None,
                 f'{self.depth}: no energy was measured, so no budget in joules or watts can be '
                 'kept; use ms, fps, gflops or gflops/s')
        assert self.energy_j is not None
        return self.energy_j


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A measured table of depths, and what it was measured on.

    Attributes:
        key: what it holds for.
        model: registered name of the model.
        entries: one per depth, at least one, all of one `DepthSpace`.
        frames: how many frames each depth was measured on.
        created_by: the command, versions and date, for people.

    Raises:
        ProfileError: it is empty, names a depth twice or mixes models.
    """

    key: ProfileKey
    model: str
    entries: tuple[ProfileEntry, ...]
    frames: int
    created_by: str = ''

    def __post_init__(self) -> None:
        _require(isinstance(self.key, ProfileKey), "'key' is not a ProfileKey")
        for name in ('model', 'created_by'):
            text = getattr(self, name)
            _require(isinstance(text, str) and len(text) <= 2000, f'{name!r} is not text')
        _require(type(self.frames) is int and self.frames > 0, "'frames' is not a number above 0")
        _require(len(self.entries) > 0, f'the profile is empty; {MEASURE}')
        _require(len({entry.depth for entry in self.entries}) == len(self.entries),
                 'the profile names a depth twice')
        _require(len({entry.depth.space for entry in self.entries}) == 1,
                 'the profile mixes depths of different models')

    @property
    def space(self) -> DepthSpace:
        """The depths of the model that was measured."""
        return self.entries[0].depth.space

    def quality(self, entry: ProfileEntry) -> float:
        """Return what makes one depth better than another: AP if all have it, else GFLOPs."""
        if all(each.ap is not None for each in self.entries):
            assert entry.ap is not None
            return entry.ap
        return entry.gflops

    def require(self, key: ProfileKey, space: DepthSpace) -> None:
        """Raise ProfileError, naming every difference, if this was not measured on `key`."""
        different = self.key.differences(key)
        if self.space != space:
            different.append('it is of a model with other depths')
        _require(not different, f'the profile is foreign: {"; ".join(different)}; {MEASURE}')

    def pareto(self, cost: Callable[[ProfileEntry], float],
               among: Iterable[ProfileEntry] | None = None) -> tuple[ProfileEntry, ...]:
        """Return the entries that nothing cheaper equals in quality, cheapest first.

        Args:
            cost: what to call cheap.
            among: the entries to choose from; all if None.
        """
        return tuple(pareto(self.entries if among is None else among, cost, self.quality))

    def hull(self, cost: Callable[[ProfileEntry], float],
             among: Iterable[ProfileEntry] | None = None) -> tuple[ProfileEntry, ...]:
        """Return the Pareto entries that no mixture of two others beats, cheapest first.

        Alternating between neighbours of this list gives the best mean quality that any
        alternation of the same mean cost can give.
        """
        kept: list[ProfileEntry] = []
        for entry in self.pareto(cost, among):
            while len(kept) > 1 and self._gain(cost, kept[-2], kept[-1]) <= self._gain(
                    cost, kept[-2], entry):
                kept.pop()
            kept.append(entry)
        return tuple(kept)

    def _gain(self, cost: Callable[[ProfileEntry], float], low: ProfileEntry,
              high: ProfileEntry) -> float:
        return (self.quality(high) - self.quality(low)) / (cost(high) - cost(low))

    def write(self, path: str | Path) -> None:
        """Write the profile as JSON, which appears whole or not at all.

        Raises:
            ProfileError: the file cannot be written.
        """
        text = json.dumps(_to_json(self), indent=2, ensure_ascii=False) + '\n'
        with whole_file(Path(path), ProfileError) as file:
            file.write(text.encode())


def pareto(items: Iterable[Item], cost: Callable[[Item], float],
           quality: Callable[[Item], float]) -> list[Item]:
    """Return the items that nothing as cheap equals in quality, cheapest first."""
    kept: list[Item] = []
    for item in sorted(items, key=lambda each: (cost(each), -quality(each))):
        if not kept or quality(item) > quality(kept[-1]):
            kept.append(item)
    return kept


def read_profile(path: str | Path) -> Profile:
    """Return the profile in a JSON file; every field is checked before it is used.

    Raises:
        ProfileError: the file is missing, damaged, of a newer schema, or makes no sense.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ProfileError(f'larger than {MAX_BYTES} bytes, so no profile')
        document = json.loads(path.read_bytes())
        return _from_json(document)
    except OSError as error:
        raise ProfileError(f'cannot read {path}: {error.strerror}; {MEASURE}') from error
    except AnyDepthError as error:
        raise ProfileError(f'{path}: {error}') from error
    except (ValueError, RecursionError) as error:
        raise ProfileError(f'{path}: not JSON; {MEASURE}') from error


def _to_json(profile: Profile) -> dict[str, Any]:
    space = profile.space
    return {
        'format': FORMAT, 'schema_version': SCHEMA_VERSION, 'model': profile.model,
        'created_by': profile.created_by, 'frames': profile.frames,
        'key': asdict(profile.key),
        'depths': {'stages': space.stages, 'decoder_layers': space.decoder_layers},
        'entries': [{each.name: str(entry.depth) if each.name == 'depth'
                     else getattr(entry, each.name) for each in fields(entry)}
                    for entry in profile.entries],
    }


def _from_json(document: object) -> Profile:
    table = _table(document, 'the file', ('format', 'schema_version', 'model', 'created_by',
                                          'frames', 'key', 'depths', 'entries'), ('created_by',))
    _require(table['format'] == FORMAT, f"'format' is not {FORMAT!r}; {MEASURE}")
    _require(table['schema_version'] == SCHEMA_VERSION,
             f"'schema_version' {table['schema_version']!r} is not {SCHEMA_VERSION}; {MEASURE}")
    key = _table(table['key'], "'key'", [each.name for each in fields(ProfileKey)])
    space = _table(table['depths'], "'depths'", ('stages', 'decoder_layers'))
    stages, layers = space['stages'], space['decoder_layers']
    _require(isinstance(stages, list) and len(stages) <= 64
             and all(isinstance(stage, str) for stage in stages),
             "'stages' is not a list of names")
    _require(layers is None or (type(layers) is int and 1 <= layers <= 100),
             "'decoder_layers' is not null or a number from 1 to 100")
    depths = DepthSpace(tuple(stages), layers)
    _require(isinstance(table['entries'], list), "'entries' is not a list")
    _require(isinstance(key['input_size'], list), "'input_size' is not a list")
    return Profile(
        key=ProfileKey(**{**key, 'input_size': tuple(key['input_size'])}), model=table['model'],
        entries=tuple(_entry(row, depths) for row in table['entries']), frames=table['frames'],
        created_by=table.get('created_by', ''))


def _entry(row: object, depths: DepthSpace) -> ProfileEntry:
    table = dict(_table(row, 'an entry', [each.name for each in fields(ProfileEntry)],
                        ('ap', *OPTIONAL_COSTS)))
    _require(isinstance(table['depth'], str), f"'depth' {table['depth']!r} is not text")
    return ProfileEntry(**{**table, 'depth': depths.parse(table['depth'])})


def _table(value: object, name: str, known: Iterable[str],
           optional: Iterable[str] = ()) -> Mapping[str, Any]:
    _require(isinstance(value, dict), f'{name} is not a JSON object')
    assert isinstance(value, dict)
    known = list(known)
    unknown = sorted(set(value) - set(known))
    _require(not unknown, f'{name} has unknown fields {unknown}; valid: {", ".join(known)}')
    missing = sorted(set(known) - set(optional) - set(value))
    _require(not missing, f'{name} lacks {missing}; {MEASURE}')
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and abs(value) < 1e15


def _require(condition: bool, complaint: str) -> None:
    if not condition:
        raise ProfileError(complaint)
