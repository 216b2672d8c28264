# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Depths as text and as a partial order, over the whole of both families' spaces."""

from __future__ import annotations

import itertools
import json
import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
import yaml

from anydepth_core.depth import GROUPS, STAGES, Depth, DepthSpace
from anydepth_core.errors import DepthError

YOLO = DepthSpace()
DETR = DepthSpace(decoder_layers=6)
BACKBONE_ONLY = DepthSpace(('p2', 'p3', 'p4', 'p5'), 3)
SPACES = [YOLO, DETR, BACKBONE_ONLY]
spaces = st.sampled_from(SPACES)


@st.composite
def depths(draw: st.DrawFn, count: int = 1) -> tuple[DepthSpace, list[Depth]]:
    space = draw(spaces)
    source = random.Random(draw(st.integers(0, 1 << 30)))
    return space, [space.sample(source) for _ in range(count)]


@pytest.mark.parametrize('space', SPACES)
def test_text_and_back_over_the_whole_space(space: DepthSpace) -> None:
    everything = list(space)
    assert len(everything) == len(space) == len(set(everything))
    texts = [str(depth) for depth in everything]
    assert len(set(texts)) == len(texts)
    for depth, text in zip(everything, texts):
        assert space.parse(text) == space.resolve(text) == space.resolve(depth) == depth


@pytest.mark.parametrize('space', SPACES)
def test_no_text_is_anything_else_in_yaml_json_or_a_path(space: DepthSpace) -> None:
    for depth in space:
        text = str(depth)
        assert yaml.safe_load(text) == text
        assert yaml.safe_load(f'depth: {text}') == {'depth': text}
        assert yaml.safe_load(yaml.safe_dump([text])) == [text]
        assert json.loads(json.dumps(text)) == text
        assert re.fullmatch(r'[a-z][a-z0-9@+-]*', text)


def test_canonical_texts() -> None:
    for text in ('full', 'base', 'full-p2-p3', 'base+neck', 'full-neck', 'base+p4+pan', 'full@3'):
        assert str(DETR.parse(text)) == text
    assert str(DETR.parse('base@4')) == 'base'
    assert str(DETR.parse('full@6')) == 'full'
    assert str(YOLO.parse('full-p5-p4-p3-p2')) == 'full-backbone'
    assert str(YOLO.parse('base+p3+p2+p5+p4+fpn+pan')) == 'full'
    # Of two forms of as many words the one that starts from full.
    assert str(BACKBONE_ONLY.make((), 3)) == 'full-backbone'
    assert str(BACKBONE_ONLY.make((), 2)) == 'base'


@settings(deadline=None)
@given(depths(), st.randoms(use_true_random=False))
def test_words_may_stand_in_any_order_case_and_number(given_depth, shuffler) -> None:
    space, [depth] = given_depth
    members = [stage for stage in space.stages if not depth[stage]]
    words = [f'-{stage}' for stage in members + members[:2]]
    if depth.decoder_layers is not None:
        words.append(f'@{depth.decoder_layers}')
    shuffler.shuffle(words)
    text = 'full' + ''.join(words)
    assert space.parse(f'  {text.upper()} ') == depth
    present = [f'+{stage}' for stage in space.stages if depth[stage]]
    shuffler.shuffle(present)
    layers = '' if depth.decoder_layers is None else f'@{depth.decoder_layers}'
    assert space.parse(f'base{layers}' + ''.join(present)) == depth


@pytest.mark.parametrize(('group', 'members'), GROUPS.items())
def test_groups_are_their_members(group: str, members: tuple[str, ...]) -> None:
    assert YOLO.parse(f'full-{group}') == YOLO.parse('full-' + '-'.join(members))
    assert YOLO.parse(f'base+{group}').full_stages == set(members)


@given(depths(3))
def test_partial_order(given_depths) -> None:
    space, (a, b, c) = given_depths
    assert a <= a and not a < a
    assert space.make((), space.decoder_layers and 1) <= a <= space.full
    if a <= b and b <= a:
        assert a == b
    if a <= b <= c:
        assert a <= c
    assert (a < b) == (a <= b and a != b)
    both = space.make(a.full_stages | b.full_stages,
                      max(a.decoder_layers or 0, b.decoder_layers or 0) or None)
    assert a <= both and b <= both


def test_order_is_partial() -> None:
    p2, p3 = YOLO.parse('base+p2'), YOLO.parse('base+p3')
    assert not p2 <= p3 and not p3 <= p2
    assert YOLO.base < p2 < YOLO.full
    assert not YOLO.full <= DETR.full and not DETR.full <= YOLO.full
    assert not DETR.parse('full@3') <= DETR.base
    assert DETR.parse('base@3') < DETR.base < DETR.full


@pytest.mark.parametrize('space', SPACES)
def test_covering_depths_run_both_paths_of_every_stage_beside_the_extremes(space):
    assert space.covering[:2] == (space.full, space.base)
    mixtures = space.covering[2:]
    assert not {space.full, space.base} & set(mixtures)
    for stage in space.stages:
        assert {depth[stage] for depth in mixtures} == {True, False}
    assert {depth.decoder_layers for depth in mixtures} == {space.decoder_layers}
    for one, other in itertools.pairwise(space.stages):
        assert {(depth[one], depth[other]) for depth in space.covering} == {
            *itertools.product((True, False), repeat=2)}


def test_extremes() -> None:
    for space in SPACES:
        assert all(space.full[stage] for stage in space.stages)
        assert not any(space.base[stage] for stage in space.stages)
    assert [DepthSpace(decoder_layers=n).base.decoder_layers for n in range(1, 7)] == [
        1, 2, 2, 3, 4, 4]
    assert YOLO.base.decoder_layers is None
    with pytest.raises(KeyError):
        YOLO.full['p6']
    with pytest.raises(KeyError):
        BACKBONE_ONLY.full['pan4']


@pytest.mark.parametrize(('text', 'words'), [
    ('fulll', "did you mean 'full'"),
    ('bass', "did you mean 'base'"),
    ('', 'unknown depth'),
    ('p2', "valid: 'full'"),
    ('full+p2', "after 'full' write -STAGE, not '+p2'"),
    ('base-p2', "after 'base' write +STAGE, not '-p2'"),
    ('full-p22', "did you mean 'p2'"),
    ('full-bakcbone', "did you mean 'backbone'"),
    ('full-', "unknown stage ''"),
    ('full-p2 -p3', "unknown stage 'p2 '"),
    ('full@4', 'no decoder layers to choose'),
    ('full@', 'write the decoder layers once'),
    ('full@x', 'write the decoder layers once'),
    ('full@1@2', 'write the decoder layers once'),
    ('full@1234', 'write the decoder layers once'),
    ('full@\u0663', 'write the decoder layers once')])
def test_errors_say_what_to_write(text: str, words: str) -> None:
    with pytest.raises(DepthError) as error:
        YOLO.parse(text)
    assert words in str(error.value) and '\n' not in str(error.value)


def test_errors_of_decoder_layers_and_spaces() -> None:
    for text in ('full@0', 'base@7', 'full@999'):
        with pytest.raises(DepthError, match='this model has 1 to 6 decoder layers'):
            DETR.parse(text)
    with pytest.raises(DepthError, match="unknown stage 'pan'"):
        BACKBONE_ONLY.parse('full-pan')
    with pytest.raises(DepthError, match='belongs to another kind of model'):
        YOLO.resolve(DETR.full)
    with pytest.raises(DepthError, match=r"unknown stage 'p6'.*did you mean"):
        YOLO.make(['p6'])
    with pytest.raises(DepthError, match='no decoder layers'):
        YOLO.make([], 3)


@given(spaces, st.text(max_size=30))
def test_any_text_parses_or_is_refused_in_one_line(space: DepthSpace, text: str) -> None:
    try:
        depth = space.parse(text)
    except DepthError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert space.parse(str(depth)) == depth


@given(st.lists(st.sampled_from(['full', 'base', '-', '+', '@', '@4', *STAGES, *GROUPS]),
                max_size=6).map(''.join))
def test_likely_text_parses_or_is_refused(text: str) -> None:
    try:
        depth = DETR.parse(text)
    except DepthError as error:
        assert "valid: 'full'" in str(error) or 'decoder layers' in str(error)
    else:
        assert text.startswith(('full', 'base')) and DETR.parse(str(depth)) == depth


def test_samples_reach_everything() -> None:
    source = random.Random(0)
    found = {BACKBONE_ONLY.sample(source) for _ in range(2000)}
    assert found == set(BACKBONE_ONLY)


def test_depths_are_values() -> None:
    assert {DETR.parse('base@4'), DETR.base} == {DETR.base}
    assert DepthSpace(decoder_layers=6).full == DETR.full
    with pytest.raises(AttributeError):
        DETR.full.decoder_layers = 3
    for a, b in itertools.combinations(BACKBONE_ONLY, 2):
        assert a != b
