# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Key maps of other people's RT-DETR checkpoints; test/parity proves them on a real network."""

from __future__ import annotations

from collections.abc import Iterator
import itertools

import pytest
import torch
from torch import nn

from anydepth_core.models.registry import create_model
from anydepth_core.models.rtdetr.backbone import essential_count
from anydepth_core.models.rtdetr.importers import (
    authors_keys,
    hugging_face_keys,
    join_attention,
    official_keys,
)

STATISTICS = ('weight', 'bias', 'running_mean', 'running_var')
AFFINE = ('weight', 'bias')


def meta(name: str) -> nn.Module:
    with torch.device('meta'):
        return create_model(name)


def names(prefixes: Iterator[str] | list[str], ends: tuple[str, ...]) -> set[str]:
    return {f'{prefix}.{end}' for prefix, end in itertools.product(prefixes, ends)}


def decoder_keys(layers: int) -> set[str]:
    """Return the decoder's keys as both the official and the authors' checkpoints have them."""
    keys = names([f'decoder.input_proj.{i}.norm' for i in range(3)], STATISTICS)
    keys |= names([f'decoder.input_proj.{i}.conv' for i in range(3)], ('weight',))
    keys.add('decoder.denoising_class_embed.weight')
    linears = ['enc_output.0', 'enc_output.1', 'enc_score_head', 'query_pos_head.layers.0',
               'query_pos_head.layers.1', *(f'enc_bbox_head.layers.{i}' for i in range(3))]
    for i in range(layers):
        layer = f'decoder.layers.{i}'
        linears += [f'{layer}.{part}' for part in (
            'self_attn.out_proj', 'norm1', 'norm2', 'norm3', 'linear1', 'linear2',
            'cross_attn.sampling_offsets', 'cross_attn.attention_weights',
            'cross_attn.value_proj', 'cross_attn.output_proj')]
        linears += [f'dec_score_head.{i}', *(f'dec_bbox_head.{i}.layers.{j}' for j in range(3))]
        keys |= {f'decoder.{layer}.self_attn.in_proj_{end}' for end in AFFINE}
    return keys | names([f'decoder.{linear}' for linear in linears], AFFINE)


def neck_keys(norms: tuple[str, ...], layer_norms: tuple[str, ...], conv3: bool) -> set[str]:
    """Return the neck's keys, with a second norm where the authors' networks have one."""
    attention = 'encoder.encoder.0.layers.0'
    keys = names([f'{attention}.{part}' for part in (
        'self_attn.out_proj', 'linear1', 'linear2', *layer_norms)], AFFINE)
    keys |= {f'{attention}.self_attn.in_proj_{end}' for end in AFFINE}
    convs = [f'encoder.{kind}.{i}' for kind in ('lateral_convs', 'downsample_convs')
             for i in range(2)]
    blocks = [f'encoder.{kind}.{i}' for kind in ('fpn_blocks', 'pan_blocks') for i in range(2)]
    convs += [f'{block}.conv{i}' for block in blocks for i in range(1, 4 if conv3 else 3)]
    convs += [f'{block}.bottlenecks.0.conv{i}' for block in blocks for i in (1, 2)]
    refinement = [f'{block}.bottlenecks.{j}.conv{i}' for block in blocks for j in (1, 2)
                  for i in (1, 2)]
    keys |= names([f'{conv}.conv' for conv in convs + refinement], ('weight',))
    keys |= names([f'{conv}.{norm}' for conv in convs for norm in norms], STATISTICS)
    return keys | names([f'{conv}.norm' for conv in refinement], STATISTICS)


def official_r18() -> set[str]:
    keys = neck_keys(('norm',), ('norm1', 'norm2'), conv3=True) | decoder_keys(3)
    convs = [f'backbone.conv1.conv1_{i}' for i in (1, 2, 3)]
    for stage in range(4):
        blocks = f'backbone.res_layers.{stage}.blocks'
        convs += [f'{blocks}.{i}.branch2{letter}' for i in range(2) for letter in 'ab']
        convs.append(f'{blocks}.0.short' if stage == 0 else f'{blocks}.0.short.conv')
    keys |= names([f'encoder.input_proj.{i}.1' for i in range(3)], STATISTICS)
    keys |= names([f'encoder.input_proj.{i}.0' for i in range(3)], ('weight',))
    return keys | names([f'{conv}.norm' for conv in convs], STATISTICS) | names(
        [f'{conv}.conv' for conv in convs], ('weight',))


def authors_r50() -> set[str]:
    keys = neck_keys(('norm', 'norm_skippable'), (
        'norm1', 'norm2', 'norm1_skippable', 'norm2_skippable'), conv3=False) | decoder_keys(6)
    keys |= names([f'encoder.input_proj.{i}.{norm}' for i in range(3)
                   for norm in ('norm', 'norm_skippable')], STATISTICS)
    keys |= names([f'encoder.input_proj.{i}.conv' for i in range(3)], ('weight',))
    convs, norms = ['backbone.conv1'], ['backbone.bn1']
    for stage, count in enumerate((3, 4, 6, 3), 1):
        layer = f'backbone.layer{stage}'
        pooled = int(stage > 1)
        convs.append(f'{layer}.0.downsample.{pooled}')
        norms.append(f'{layer}.0.downsample.{pooled + 1}')
        convs += [f'{layer}.{i}.conv{j}' for i in range(count) for j in (1, 2, 3)]
        norms += [f'{layer}.{i}.bn{j}' for i in range(count) for j in (1, 2, 3)]
        norms += [f'{layer}.{i}.bn{j}_skip' for i in range(essential_count(count))
                  for j in (1, 2, 3)]
    return keys | names(convs, ('weight',)) | names(norms, STATISTICS)


@pytest.mark.parametrize(('model', 'keys', 'key_map'), [
    ('anydepth-detr-r18', official_r18(), official_keys),
    ('anydepth-detr-r50', authors_r50(), authors_keys)])
def test_every_key_has_a_place_and_every_place_a_key(model: str, keys: set[str], key_map) -> None:
    network = meta(model)
    mapping = key_map(network)
    targets = [target for key in keys for target in mapping(key)]
    ours = {key for key in network.state_dict() if not key.endswith('num_batches_tracked')}
    assert set(targets) == ours
    assert len(targets) == len(set(targets))


@pytest.mark.parametrize(('key', 'targets'), [
    ('backbone.layer1.0.bn2.weight', ('p2.full.0.branch.1.norm.weight',)),
    ('backbone.layer1.0.bn2_skip.weight', ('p2.essential.0.branch.1.norm.weight',)),
    ('backbone.layer1.0.conv2.weight', ('p2.full.0.branch.1.conv.weight',
                                        'p2.essential.0.branch.1.conv.weight')),
    ('backbone.layer3.5.bn1.bias', ('p4.full.5.branch.0.norm.bias',)),
    ('backbone.layer2.0.downsample.2.running_var', ('p3.full.0.shortcut.1.norm.running_var',
                                                    'p3.essential.0.shortcut.1.norm.running_var')),
    ('encoder.fpn_blocks.1.bottlenecks.0.conv1.norm_skippable.bias',
     ('fpn3.essential.join.blocks.0.conv3.norm.bias',)),
    ('encoder.lateral_convs.0.norm.weight', ('fpn4.full.top_down.lateral.norm.weight',)),
    ('encoder.encoder.0.layers.0.norm1_skippable.weight',
     ('fpn4.essential.attention.norm1.weight',)),
    ('decoder.decoder.layers.5.norm3.weight', ('layers.5.norm3.weight',))])
def test_where_the_authors_keys_go(key: str, targets: tuple[str, ...]) -> None:
    mapped = authors_keys(meta('anydepth-detr-r50'))(key)
    assert tuple(name.split('.', 1)[1] for name in mapped) == targets


@pytest.mark.parametrize(('old', 'new'), [
    ('model.encoder.encoder.0.layers.0.fc1.weight',
     'model.encoder.aifi.0.layers.0.mlp.fc1.weight'),
    ('model.encoder.encoder.0.layers.0.self_attn.out_proj.bias',
     'model.encoder.aifi.0.layers.0.self_attn.o_proj.bias'),
    ('model.decoder.layers.2.fc2.bias', 'model.decoder.layers.2.mlp.fc2.bias'),
    ('class_embed.1.weight', 'model.decoder.class_embed.1.weight'),
    ('bbox_embed.1.layers.2.bias', 'model.decoder.bbox_embed.1.layers.2.bias')])
def test_old_and_new_names_of_hugging_face(old: str, new: str) -> None:
    network = meta('anydepth-detr-r18')
    mapping = hugging_face_keys(network)
    assert mapping(old) == mapping(new)
    assert set(mapping(old)) <= set(network.state_dict())


def test_what_is_no_weight_and_what_is_unknown() -> None:
    mapping = official_keys(meta('anydepth-detr-r50-vd'))
    for key in ('decoder.anchors', 'decoder.valid_mask', 'encoder.pos_embed2',
                'backbone.conv1.conv1_1.norm.num_batches_tracked'):
        assert mapping(key) is None
    # A name that the network lacks is left over, which the importer reports.
    known = set(meta('anydepth-detr-r50-vd').state_dict())
    for key in ('decoder.dec_score_head.6.weight', 'encoder.surprise.weight'):
        assert mapping(key)
        assert not set(mapping(key)) & known


def test_join_attention() -> None:
    parts = {f'a.self_attn.{x}_proj.weight': torch.full((2, 2), i) for i, x in enumerate('qkv')}
    joined = join_attention({**parts, 'b.k_proj.bias': torch.ones(1)})
    assert set(joined) == {'a.self_attn.in_proj_weight', 'b.k_proj.bias'}
    assert joined['a.self_attn.in_proj_weight'][:, 0].tolist() == [0, 0, 1, 1, 2, 2]
