# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Depth: which stages run their full path and how many decoder layers run. Pure Python.

The grammar (one everywhere: command line, parameters, file names, logs)::

    full                every stage full
    base                every stage essential (and the base number of decoder layers)
    full-p2-p3          full, but essential in P2 and P3
    base+neck           base, but full in the neck (groups: backbone neck fpn pan)
    base@4              four decoder layers
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
import itertools
import random
import re

from anydepth_core.errors import DepthError, nearest

STAGES = ('p2', 'p3', 'p4', 'p5', 'fpn4', 'fpn3', 'pan4', 'pan5')
GROUPS: Mapping[str, tuple[str, ...]] = {
    'backbone': STAGES[:4],
    'neck': STAGES[4:],
    'fpn': STAGES[4:6],
    'pan': STAGES[6:],
}


@dataclass(frozen=True)
class Depth:
    """One choice for the whole network; made by a `DepthSpace`, never changed.

    Attributes:
        space: the space it belongs to.
        full_stages: the stages that run their full path; all others run the essential path.
        decoder_layers: how many decoder layers run; None for a network without a decoder.
    """

    space: DepthSpace = field(repr=False)
    full_stages: frozenset[str]
    decoder_layers: int | None = None

    def __getitem__(self, stage: str) -> bool:
        """Return whether `stage` runs its full path; KeyError for an unknown stage."""
        if stage not in self.space.stages:
            raise KeyError(stage)
        return stage in self.full_stages

    def __le__(self, other: Depth) -> bool:
        """Return whether this depth runs nothing that `other` does not run (a partial order)."""
        return (self.space == other.space and self.full_stages <= other.full_stages
                and (self.decoder_layers or 0) <= (other.decoder_layers or 0))

    def __lt__(self, other: Depth) -> bool:
        return self != other and self <= other

    def __str__(self) -> str:
        return self.space.format(self)


@dataclass(frozen=True)
class DepthSpace:
    """Every depth one network can run at.

    Attributes:
        stages: names of the stages whose depth can change, in the order they run.
        decoder_layers: how many decoder layers the network has; None if it has no decoder.
    """

    stages: tuple[str, ...] = STAGES
    decoder_layers: int | None = None

    @property
    def full(self) -> Depth:
        """The deepest: every stage full, every decoder layer."""
        return self.make(self.stages)

    @property
    def base(self) -> Depth:
        """The shallow extreme: every stage essential, two thirds of the decoder layers."""
        return self.make((), self.base_decoder_layers)

    @property
    def covering(self) -> tuple[Depth, ...]:
        """Full, base, and two mixtures, to run all that a backend may have.

        Between them every two neighbouring stages run in all four combinations, so where two are
        one choice all ways of that have run.
        """
        return (self.full, self.base, self.make(self.stages[::2]), self.make(self.stages[1::2]))

    @property
    def base_decoder_layers(self) -> int | None:
        """Two thirds of the decoder layers, rounded up: 4 of 6 (paper Table 2, last row)."""
        return None if self.decoder_layers is None else -(-2 * self.decoder_layers // 3)

    def make(self, full_stages: Iterable[str], decoder_layers: int | None = None) -> Depth:
        """Return the depth with exactly these stages full (all decoder layers if none is given).

        Raises:
            DepthError: an unknown stage, or a number of decoder layers the network lacks.
        """
        chosen = frozenset(full_stages)
        for name in sorted(chosen - set(self.stages)):
            raise DepthError(f'unknown stage {name!r}{nearest(name, self.stages)}; '
                             f'stages are {" ".join(self.stages)}')
        if self.decoder_layers is None:
            if decoder_layers is not None:
                raise DepthError(f'@{decoder_layers}: this model has no decoder layers to choose')
        else:
            decoder_layers = self.decoder_layers if decoder_layers is None else decoder_layers
            if not 1 <= decoder_layers <= self.decoder_layers:
                raise DepthError(f'@{decoder_layers}: this model has 1 to {self.decoder_layers} '
                                 'decoder layers')
        return Depth(self, chosen, decoder_layers)

    def resolve(self, depth: Depth | str) -> Depth:
        """Return `depth` as a Depth of this space, parsing it if it is text.

        Raises:
            DepthError: the text is not a depth, or the depth belongs to another space.
        """
        if isinstance(depth, str):
            return self.parse(depth)
        if depth.space != self:
            raise DepthError(f'depth {depth} belongs to another kind of model')
        return depth

    def parse(self, text: str) -> Depth:
        """Return the depth that `text` names; its words may stand in any order.

        Raises:
            DepthError: saying what is wrong, with the nearest valid word.
        """
        first, *rest = re.split(r'(?=[-+@])', text.strip().lower())
        if first not in ('full', 'base'):
            raise DepthError(f'unknown depth {text!r}{nearest(first, ("full", "base"))}; '
                             f'{self.grammar()}')
        sign = '-' if first == 'full' else '+'
        changed: set[str] = set()
        layers: list[str] = []
        for token in rest:
            mark, word = token[0], token[1:]
            if mark == '@':
                layers.append(word)
            elif mark != sign:
                raise DepthError(f'{text!r}: after {first!r} write {sign}STAGE, not {token!r}; '
                                 f'{self.grammar()}')
            else:
                changed |= self._members(word, text)
        count = self._layer_count(layers, text)
        if first == 'full':
            return self.make(set(self.stages) - changed, count)
        return self.make(changed, self.base_decoder_layers if count is None else count)

    def grammar(self) -> str:
        """Return one line that tells a user the valid forms."""
        decoder = '' if self.decoder_layers is None else f', @1..@{self.decoder_layers} at the end'
        words = ' '.join(itertools.chain(self.stages, self._groups()))
        return f"valid: 'full', 'base', 'full-STAGE…', 'base+STAGE…' with {words}{decoder}"

    def format(self, depth: Depth) -> str:
        """Return the canonical text: the fewest words, `full-…` before `base+…` when equal."""
        missing = [s for s in self.stages if s not in depth.full_stages]
        present = [s for s in self.stages if s in depth.full_stages]
        forms = (('full', '-', missing, self.decoder_layers),
                 ('base', '+', present, self.base_decoder_layers))
        candidates: list[list[str]] = []
        for head, sign, stages, layers in forms:
            words = [head, *(sign + word for word in self._shorten(stages))]
            if depth.decoder_layers != layers:
                words.append(f'@{depth.decoder_layers}')
            candidates.append(words)
        shortest = min(candidates, key=len)
        return ''.join(shortest)

    def __iter__(self) -> Iterator[Depth]:
        """Yield every depth, from the shallowest combination to full."""
        layers = (None,) if self.decoder_layers is None else range(1, self.decoder_layers + 1)
        for count in layers:
            for flags in itertools.product((False, True), repeat=len(self.stages)):
                yield Depth(self, frozenset(itertools.compress(self.stages, flags)), count)

    def __len__(self) -> int:
        return int(2 ** len(self.stages) * (self.decoder_layers or 1))

    def sample(self, rng: random.Random) -> Depth:
        """Return a uniformly random depth."""
        layers = None if self.decoder_layers is None else rng.randint(1, self.decoder_layers)
        return Depth(self, frozenset(s for s in self.stages if rng.random() < 0.5), layers)

    def _groups(self) -> dict[str, tuple[str, ...]]:
        return {name: members for name, members in GROUPS.items()
                if set(members) <= set(self.stages)}

    def _members(self, word: str, text: str) -> set[str]:
        if word in self.stages:
            return {word}
        groups = self._groups()
        if word not in groups:
            hint = nearest(word, [*self.stages, *groups])
            raise DepthError(f'{text!r}: unknown stage {word!r}{hint}; {self.grammar()}')
        return set(groups[word])

    def _layer_count(self, layers: list[str], text: str) -> int | None:
        if not layers:
            return None
        if len(layers) > 1 or not re.fullmatch(r'[0-9]{1,3}', layers[0]):
            raise DepthError(f'{text!r}: write the decoder layers once, as @N; {self.grammar()}')
        return int(layers[0])

    def _shorten(self, stages: list[str]) -> list[str]:
        """Replace complete groups by their names, largest first; keep the order of the network."""
        words = list(stages)
        for name, members in self._groups().items():
            if set(members) <= set(words):
                words[words.index(members[0])] = name
                words = [w for w in words if w not in members]
        return words
