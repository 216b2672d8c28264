# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Names of weights in other people's YOLOv12 checkpoints, in terms of ours.

A key map takes a key of the source and returns our keys that get its tensor, or None for what is
no weight. Both published layouts (see AreaAttention) and the AnyDepth authors' checkpoints use
one numbering of layers; a single-depth source fills both paths of a stage.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
import re

from torch import nn

KeyMap = Callable[[str], tuple[str, ...] | None]

PATHS = ('full', 'essential')
KEY = re.compile(r'(?:model\.)*(\d+)\.(.+)')
# The authors' second norm and second aggregator, which the essential path uses.
SECOND = re.compile(r'\b(bn|conv)_skip\b')

# Layers by their number; PATH stands for the path of a stage.
LAYERS = {
    0: 'backbone.stem.0',
    1: 'backbone.stem.1',
    2: 'backbone.p2.PATH',
    3: 'backbone.p3.PATH.down',
    4: 'backbone.p3.PATH.block',
    5: 'backbone.p4.PATH.down',
    6: 'backbone.p4.PATH.block',
    7: 'backbone.p5.PATH.down',
    8: 'backbone.p5.PATH.block',
    11: 'neck.fpn4.PATH.block',
    14: 'neck.fpn3.PATH.block',
    15: 'neck.pan4.PATH.down',
    17: 'neck.pan4.PATH.block',
    18: 'neck.pan5.PATH.down',
    20: 'neck.pan5.PATH.block',
}
HEAD_LAYER = 21
BLOCK_RULES = (
    (r'^cv1\.', 'enter.'),
    (r'^cv2\.', 'aggregate.'),
    (r'\bcv3\.', 'aggregate.'),
    (r'\bcv([12])\.', r'conv\1.'),
    (r'\bm\.', 'blocks.'),
    (r'\battn\.qkv\.', 'attention.query_key_value.'),
    (r'\battn\.qk\.', 'attention.query_key.'),
    (r'\battn\.v\.', 'attention.value.'),
    (r'\battn\.pe\.', 'attention.position.'),
    (r'\battn\.proj\.', 'attention.project.'),
    (r'\bbn\.', 'norm.'),
)
HEAD_RULES = (
    (r'^dfl\.conv\.weight$', 'distances'),
    (r'^cv2\.', 'box.'),
    (r'^cv3\.(\d)\.0\.0\.', r'score.\1.0.'),
    (r'^cv3\.(\d)\.0\.1\.', r'score.\1.1.'),
    (r'^cv3\.(\d)\.1\.0\.', r'score.\1.2.'),
    (r'^cv3\.(\d)\.1\.1\.', r'score.\1.3.'),
    (r'^cv3\.(\d)\.2\.', r'score.\1.4.'),
    (r'\bbn\.', 'norm.'),
)


def single_depth_keys(model: nn.Module) -> KeyMap:
    """Return the key map of YOLOv12 checkpoints: every norm serves both paths."""
    return _key_map(model, any_depth=False)


def authors_keys(model: nn.Module) -> KeyMap:
    """Return the key map of the AnyDepth authors' checkpoints, which have norms for each path."""
    return _key_map(model, any_depth=True)


def _key_map(model: nn.Module, *, any_depth: bool) -> KeyMap:
    known = model.state_dict().keys()

    def key_map(key: str) -> tuple[str, ...] | None:
        plain, second = SECOND.subn(r'\1', key)
        target = _target(plain)
        paths: tuple[str, ...] = PATHS
        if any_depth and second:
            paths = ('essential',)
        elif second:
            return (key,)
        elif any_depth and '.norm.' in target:
            paths = ('full',)
        targets = tuple(dict.fromkeys(target.replace('PATH', path) for path in paths))
        return tuple(name for name in targets if name in known) or targets

    return key_map


@functools.lru_cache(maxsize=4096)
def _target(key: str) -> str:
    """Return our name of a weight, with PATH for a path; the key itself where there is none."""
    match = KEY.fullmatch(key)
    if match is None:
        return key
    layer, name = int(match[1]), match[2]
    if layer == HEAD_LAYER:
        return f'head.{_rewrite(name, HEAD_RULES)}'
    return f'{LAYERS[layer]}.{_rewrite(name, BLOCK_RULES)}' if layer in LAYERS else key


def _rewrite(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    """Apply every rule to the name, in order."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
