# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Names of weights in other people's RT-DETR checkpoints, in terms of ours.

A key map takes a key of the source and returns our keys that get its tensor, or None for what is
no weight. A single-depth source fills both paths of a stage; the AnyDepth authors' checkpoints
have norms for each. The official names are the pivot: the other two are rewritten to them first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import re

import torch
from torch import Tensor, nn

KeyMap = Callable[[str], tuple[str, ...] | None]
Rules = tuple[tuple[str, str], ...]

PATHS = ('full', 'essential')
# Constants that a checkpoint may carry.
NOT_WEIGHTS = re.compile(r'(.*\.)?(anchors|valid_mask|pos_embed\d*|num_points_scale)')

# Official RT-DETR to ours; PATH stands for the path of a stage.
OFFICIAL: Rules = (
    (r'^backbone\.conv1\.conv1_1\.', 'backbone.stem.0.'),
    (r'^backbone\.conv1\.conv1_2\.', 'backbone.stem.1.'),
    (r'^backbone\.conv1\.conv1_3\.', 'backbone.stem.2.'),
    (r'^backbone\.res_layers\.0\.blocks\.', 'backbone.p2.PATH.'),
    (r'^backbone\.res_layers\.1\.blocks\.', 'backbone.p3.PATH.'),
    (r'^backbone\.res_layers\.2\.blocks\.', 'backbone.p4.PATH.'),
    (r'^backbone\.res_layers\.3\.blocks\.', 'backbone.p5.PATH.'),
    (r'\.branch2a\.', '.branch.0.'),
    (r'\.branch2b\.', '.branch.1.'),
    (r'\.branch2c\.', '.branch.2.'),
    (r'\.short\.conv\.(conv|norm)\.', r'.shortcut.1.\1.'),
    (r'\.short\.(conv|norm)\.', r'.shortcut.0.\1.'),
    (r'^encoder\.input_proj\.(\d)\.(0|conv)\.', r'neck.fpn4.PATH.projections.\1.conv.'),
    (r'^encoder\.input_proj\.(\d)\.(1|norm)\.', r'neck.fpn4.PATH.projections.\1.norm.'),
    (r'^encoder\.encoder\.0\.layers\.0\.', 'neck.fpn4.PATH.attention.'),
    (r'^encoder\.lateral_convs\.0\.', 'neck.fpn4.PATH.top_down.lateral.'),
    (r'^encoder\.lateral_convs\.1\.', 'neck.fpn3.PATH.lateral.'),
    (r'^encoder\.fpn_blocks\.0\.', 'neck.fpn4.PATH.top_down.join.'),
    (r'^encoder\.fpn_blocks\.1\.', 'neck.fpn3.PATH.join.'),
    (r'^encoder\.downsample_convs\.0\.', 'neck.pan4.PATH.down.'),
    (r'^encoder\.downsample_convs\.1\.', 'neck.pan5.PATH.down.'),
    (r'^encoder\.pan_blocks\.0\.', 'neck.pan4.PATH.join.'),
    (r'^encoder\.pan_blocks\.1\.', 'neck.pan5.PATH.join.'),
    (r'\.bottlenecks\.(\d)\.conv1\.', r'.blocks.\1.conv3.'),
    (r'\.bottlenecks\.(\d)\.conv2\.', r'.blocks.\1.conv1.'),
    (r'\.self_attn\.', '.self_attention.attention.'),
    (r'\.cross_attn\.sampling_offsets\.', '.cross_attention.offsets.'),
    (r'\.cross_attn\.attention_weights\.', '.cross_attention.weights.'),
    (r'\.cross_attn\.value_proj\.', '.cross_attention.values.'),
    (r'\.cross_attn\.output_proj\.', '.cross_attention.output.'),
    (r'\.linear1\.', '.feed_forward.0.'),
    (r'\.linear2\.', '.feed_forward.2.'),
    (r'^decoder\.input_proj\.(\d)\.', r'decoder.projections.\1.'),
    (r'^decoder\.decoder\.layers\.', 'decoder.layers.'),
    (r'^decoder\.denoising_class_embed\.', 'decoder.denoising_classes.'),
    (r'^decoder\.query_pos_head\.', 'decoder.position.'),
    (r'^decoder\.enc_output\.', 'decoder.selection.content.'),
    (r'^decoder\.enc_score_head\.', 'decoder.selection.class_head.'),
    (r'^decoder\.enc_bbox_head\.', 'decoder.selection.box_head.'),
    (r'^decoder\.dec_score_head\.', 'decoder.class_heads.'),
    (r'^decoder\.dec_bbox_head\.', 'decoder.box_heads.'),
    (r'(position|box_head|box_heads\.\d)\.layers\.0\.', r'\1.0.'),
    (r'(position|box_head|box_heads\.\d)\.layers\.1\.', r'\1.2.'),
    (r'(position|box_head|box_heads\.\d)\.layers\.2\.', r'\1.4.'),
)

# Hugging Face transformers (files and, since version 5, other names in memory) to official.
HUGGING_FACE: Rules = (
    (r'^model\.backbone\.model\.embedder\.embedder\.0\.', 'backbone.conv1.conv1_1.'),
    (r'^model\.backbone\.model\.embedder\.embedder\.1\.', 'backbone.conv1.conv1_2.'),
    (r'^model\.backbone\.model\.embedder\.embedder\.2\.', 'backbone.conv1.conv1_3.'),
    (r'^model\.backbone\.model\.encoder\.stages\.(\d)\.layers\.',
     r'backbone.res_layers.\1.blocks.'),
    (r'\.layer\.0\.', '.branch2a.'),
    (r'\.layer\.1\.', '.branch2b.'),
    (r'\.layer\.2\.', '.branch2c.'),
    (r'\.convolution\.', '.conv.'),
    (r'\.normalization\.', '.norm.'),
    (r'\.shortcut\.1\.', '.short.conv.'),
    (r'\.shortcut\.', '.short.'),
    (r'^model\.encoder_input_proj\.', 'encoder.input_proj.'),
    (r'^model\.decoder_input_proj\.(\d)\.0\.', r'decoder.input_proj.\1.conv.'),
    (r'^model\.decoder_input_proj\.(\d)\.1\.', r'decoder.input_proj.\1.norm.'),
    (r'^model\.encoder\.(encoder|aifi)\.', 'encoder.encoder.'),
    (r'^model\.encoder\.', 'encoder.'),
    (r'\.self_attn\.o_proj\.', '.self_attn.out_proj.'),
    (r'\.self_attn_layer_norm\.', '.norm1.'),
    (r'\.encoder_attn_layer_norm\.', '.norm2.'),
    (r'^(encoder\..*)\.final_layer_norm\.', r'\1.norm2.'),
    (r'\.final_layer_norm\.', '.norm3.'),
    (r'\.encoder_attn\.', '.cross_attn.'),
    (r'\.(mlp\.)?fc(1|2)\.', r'.linear\2.'),
    (r'^model\.decoder\.layers\.', 'decoder.decoder.layers.'),
    # The heads have two names, of which a file may hold either or both.
    (r'^(model\.decoder\.)?class_embed\.', 'decoder.dec_score_head.'),
    (r'^(model\.decoder\.)?bbox_embed\.', 'decoder.dec_bbox_head.'),
    (r'^model\.decoder\.query_pos_head\.', 'decoder.query_pos_head.'),
    (r'^model\.(enc_output|enc_score_head|enc_bbox_head|denoising_class_embed)\.', r'decoder.\1.'),
)

# The AnyDepth authors' backbone, torchvision's with an average-pooled shortcut, to official; their
# neck and decoder are official.
AUTHORS: Rules = (
    (r'^backbone\.conv1\.', 'backbone.conv1.conv1_1.conv.'),
    (r'^backbone\.bn1\.', 'backbone.conv1.conv1_1.norm.'),
    (r'^backbone\.layer1\.0\.downsample\.0\.', 'backbone.res_layers.0.blocks.0.short.conv.'),
    (r'^backbone\.layer1\.0\.downsample\.1\.', 'backbone.res_layers.0.blocks.0.short.norm.'),
    (r'\.downsample\.1\.', '.short.conv.conv.'),
    (r'\.downsample\.2\.', '.short.conv.norm.'),
    (r'^backbone\.layer1\.', 'backbone.res_layers.0.blocks.'),
    (r'^backbone\.layer2\.', 'backbone.res_layers.1.blocks.'),
    (r'^backbone\.layer3\.', 'backbone.res_layers.2.blocks.'),
    (r'^backbone\.layer4\.', 'backbone.res_layers.3.blocks.'),
    (r'^(backbone\.res.*)\.conv1\.', r'\1.branch2a.conv.'),
    (r'^(backbone\.res.*)\.conv2\.', r'\1.branch2b.conv.'),
    (r'^(backbone\.res.*)\.conv3\.', r'\1.branch2c.conv.'),
    (r'^(backbone\.res.*)\.bn1\.', r'\1.branch2a.norm.'),
    (r'^(backbone\.res.*)\.bn2\.', r'\1.branch2b.norm.'),
    (r'^(backbone\.res.*)\.bn3\.', r'\1.branch2c.norm.'),
)
AUTHORS_SECOND = re.compile(r'\.(bn\d|norm\d?)_skip(pable)?\.')
AUTHORS_FIRST = re.compile(r'\.(bn|norm)\d?\.')


def official_keys(model: nn.Module) -> KeyMap:
    """Return the key map of official RT-DETR checkpoints (lyuwenyu/RT-DETR, rtdetr_pytorch)."""
    return _key_map(model, lambda key: (key, PATHS))


def hugging_face_keys(model: nn.Module) -> KeyMap:
    """Return the key map of transformers' RTDetrForObjectDetection, after `join_attention`."""
    return _key_map(model, lambda key: (_rewrite(key, HUGGING_FACE), PATHS))


def authors_keys(model: nn.Module) -> KeyMap:
    """Return the key map of the AnyDepth authors' checkpoints.

    Their first norms are the full path's, the second ones the essential path's; what has one norm
    or none is shared.
    """
    def pivot(key: str) -> tuple[str, tuple[str, ...]]:
        paths: tuple[str, ...] = PATHS
        if AUTHORS_SECOND.search(key):
            key, paths = AUTHORS_SECOND.sub(r'.\1.', key), ('essential',)
        elif AUTHORS_FIRST.search(key):
            paths = ('full',)
        return _rewrite(key, AUTHORS), paths

    return _key_map(model, pivot)


def join_attention(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return Hugging Face's weights with each attention's q_proj, k_proj and v_proj joined."""
    joined = {}
    for key, tensor in state.items():
        match = re.fullmatch(r'(.*)\.([qkv])_proj\.(weight|bias)', key)
        names = [f'{match[1]}.{part}_proj.{match[3]}' for part in 'qkv'] if match else []
        if match is None or not all(name in state for name in names):
            joined[key] = tensor
        elif match[2] == 'q':
            joined[f'{match[1]}.in_proj_{match[3]}'] = torch.cat([state[x] for x in names])
    return joined


def _key_map(model: nn.Module, pivot: Callable[[str], tuple[str, tuple[str, ...]]]) -> KeyMap:
    """Return the key map that follows `pivot`, which names the official key and the paths."""
    known = set(model.state_dict())

    def key_map(key: str) -> tuple[str, ...] | None:
        if NOT_WEIGHTS.fullmatch(key):
            return None
        official, paths = pivot(key)
        target = _rewrite(official, OFFICIAL)
        targets = tuple(dict.fromkeys(target.replace('PATH', path) for path in paths))
        present = tuple(name for name in targets if name in known)
        # Frozen norms count no batches.
        if not present and key.endswith('.num_batches_tracked'):
            return None
        return present or targets

    return key_map


def _rewrite(key: str, rules: Rules) -> str:
    """Apply every rule to the key, in order."""
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key
