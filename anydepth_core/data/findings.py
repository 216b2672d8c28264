# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a data set, and what training does about it.

The readers report findings. Training lets `refuse` judge them, the doctor collects them: so what
the doctor says is what training does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import enum

from anydepth_core.errors import DataError


class Effect(str, enum.Enum):
    """What training does with something it finds."""

    REFUSED = 'refused'
    STOPS = 'stops'
    DROPPED = 'dropped'
    CLIPPED = 'clipped'
    NONE = 'none'


@dataclass(frozen=True)
class Kind:
    """A kind of finding: what training does, and both in words."""

    effect: Effect
    problem: str
    consequence: str


_START = 'training refuses to start'
_STOP = 'training stops when it comes to the image'
_LEFT = 'the object is left out'
KINDS: dict[str, Kind] = {
    'unusable-file': Kind(Effect.REFUSED, 'file that cannot be used', _START),
    'malformed-entry': Kind(Effect.REFUSED, 'entry that is not as the format wants it', _START),
    'unsafe-path': Kind(Effect.REFUSED, 'file name that leads out of the folder', _START),
    'missing-image': Kind(Effect.REFUSED, 'image file that is not there', _START),
    'duplicate-image-id': Kind(Effect.REFUSED, 'image id that is used twice', _START),
    'unknown-category': Kind(Effect.REFUSED, 'object of an unknown category', _START),
    'class-name': Kind(Effect.REFUSED, 'class name that weights cannot hold', _START),
    'class-lists-differ': Kind(Effect.REFUSED, 'splits with different classes', _START),
    'empty-split': Kind(Effect.REFUSED, 'split without an image', _START),
    'unreadable-image': Kind(Effect.STOPS, 'image that cannot be read', _STOP),
    'size-differs': Kind(Effect.STOPS, 'image of another size than recorded', _STOP),
    'unknown-image': Kind(Effect.DROPPED, 'object of an image that is not listed', _LEFT),
    'degenerate-box': Kind(Effect.DROPPED, 'box without width or height',
                           'the object is left out; pycocotools would count it as missed'),
    'box-outside': Kind(Effect.DROPPED, 'box with less than a tenth inside its image',
                        'training leaves the object out'),
    'tiny-box': Kind(Effect.DROPPED, 'box too small in the network input',
                     'training leaves the object out; evaluation counts it'),
    'box-reaches-out': Kind(Effect.CLIPPED, 'box that reaches beyond its image',
                            'training clips it; evaluation takes it as it is'),
    'duplicate-object': Kind(Effect.NONE, 'object that is recorded twice', 'both are kept'),
    'duplicate-object-id': Kind(Effect.NONE, 'object id that is used twice',
                                'it is not used; other tools may use it'),
    'no-label-file': Kind(Effect.NONE, 'image without a label file',
                          'it is taken as an image without objects'),
    'repeated-image': Kind(Effect.NONE, 'image that is in one split more than once',
                           'training sees it more often'),
    'empty-class': Kind(Effect.NONE, 'class without an object in a split',
                        'training cannot learn it, or evaluation not score it'),
    'leak': Kind(Effect.NONE, 'image that is in both splits',
                 'training goes on; the scores will be too good'),
    'near-leak': Kind(Effect.NONE, 'image that looks almost like one of the other split',
                      'training goes on; the scores may be too good'),
}


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        kind: a key of KINDS.
        where: the file, and what in it.
        detail: what exactly is wrong there; may be empty.
    """

    kind: str
    where: str
    detail: str = ''

    @property
    def effect(self) -> Effect:
        """What training does."""
        return KINDS[self.kind].effect

    def __str__(self) -> str:
        return f'{self.where}: {self.detail or KINDS[self.kind].problem}'


Report = Callable[[Finding], None]


def refuse(finding: Finding) -> None:
    """Raise DataError for what training refuses, and let everything else pass."""
    if finding.effect is Effect.REFUSED:
        raise DataError(f"{finding}; 'anydepth doctor' lists all that is wrong with a data set")
