# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare AnyDepth-DETR at base and at mixtures with RT-DETRs cut out of Hugging Face's.

    python test/parity/rtdetr_any_depth.py [r18 r34 r50 r101]

What a depth means is taken from the paper, not from our code. A second RT-DETR is cut down to the
essential paths: half of the residual blocks of each backbone stage rounded up, but not all (paper
section 3.2), one of three RepVGG blocks in each stage of the neck (appendix A.1). It has the
convolutions of the first, and norms of its own everywhere but in the stem, the shortcuts and the
decoder. The reference at a depth is the first RT-DETR with the second's modules in the stages that
run their essential path, and with as many decoder layers. Input projections and self-attention of
the neck belong to FPN4.

Like rtdetr_hf.py, whose networks and environment it takes: random weights, nothing downloaded, the
full path through a file and the importer. Exits with 1 if a difference is too large.
"""

from __future__ import annotations

import copy
import random
import sys

from networks import measure, random_images, through_a_file
from rtdetr_hf import NETWORKS, align, reference
import torch
from torch import Tensor, nn

from anydepth_core.depth import Depth
from anydepth_core.models.rtdetr.importers import hugging_face_keys, join_attention
from anydepth_core.models.rtdetr.model import AnyDepthDetr, decoder_maps

TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-9}
# Both compute positions and anchors in PyTorch's default type and remember them for each size, so
# a size is used in one type only.
SIZES = {torch.float32: ((320, 320), (256, 352)), torch.float64: ((288, 288), (256, 320))}
DEPTHS = ('full', 'base', 'base+backbone', 'full-backbone', 'full-pan', 'base+fpn4', 'full@1')
# Where the reference keeps what a stage consists of.
PARTS = {
    'p2': ['model.backbone.model.encoder.stages.0'],
    'p3': ['model.backbone.model.encoder.stages.1'],
    'p4': ['model.backbone.model.encoder.stages.2'],
    'p5': ['model.backbone.model.encoder.stages.3'],
    'fpn4': ['model.encoder_input_proj', 'model.encoder.aifi', 'model.encoder.lateral_convs.0',
             'model.encoder.fpn_blocks.0'],
    'fpn3': ['model.encoder.lateral_convs.1', 'model.encoder.fpn_blocks.1'],
    'pan4': ['model.encoder.downsample_convs.0', 'model.encoder.pan_blocks.0'],
    'pan5': ['model.encoder.downsample_convs.1', 'model.encoder.pan_blocks.1'],
}


@torch.no_grad()
def essential(full: nn.Module) -> nn.Module:
    """Return the RT-DETR of the essential paths, with the full one's convolutions."""
    model = copy.deepcopy(full)
    for stage in model.model.backbone.model.encoder.stages:
        count = len(stage.layers)
        stage.layers = stage.layers[:min((count + 1) // 2, count - 1)]
    for block in (*model.model.encoder.fpn_blocks, *model.model.encoder.pan_blocks):
        block.bottlenecks = block.bottlenecks[:1]
    for name, norm in own_norms(model).items():
        assert 'shortcut' not in name
        norm.weight.uniform_(0.7, 1.4)
        norm.bias.normal_(0, 0.2)
        if hasattr(norm, 'running_var'):
            norm.register_forward_pre_hook(measure)
    model(pixel_values=random_images(2, 320, 320))
    for norm in own_norms(model).values():
        norm._forward_pre_hooks.clear()
    return model


def own_norms(model: nn.Module) -> dict[str, nn.Module]:
    """Return the norms that an essential path has for itself, by name."""
    return {name: module for name, module in model.named_modules()
            if (hasattr(module, 'running_var') or isinstance(module, nn.LayerNorm))
            and any(name.startswith(f'{part}.') for parts in PARTS.values() for part in parts)
            and '.shortcut' not in name}


def at_depth(full: nn.Module, base: nn.Module, depth: Depth, layers: int) -> nn.Module:
    """Return the reference at one depth."""
    model = copy.deepcopy(full)
    for stage, parts in PARTS.items():
        for part in parts:
            model.set_submodule(part, (full if depth[stage] else base).get_submodule(part))
    model.model.decoder.layers = model.model.decoder.layers[:layers]
    return model


def with_essential_norms(ours: AnyDepthDetr, base: nn.Module) -> AnyDepthDetr:
    """Give the essential paths of our network, in place, the norms of the reference's."""
    keys, state = hugging_face_keys(ours), ours.state_dict()
    norms = {f'{name}.{key}': tensor for name, norm in own_norms(base).items()
             for key, tensor in norm.state_dict().items()}
    filled = set()
    for name, tensor in join_attention(norms).items():
        for target in keys(name) or ():
            if '.essential.' in target:
                state[target].copy_(tensor)
                filled.add(target)
    wanted = {name for name in state if '.essential.' in name and 'norm' in name
              and 'shortcut' not in name and not name.endswith('num_batches_tracked')}
    assert filled - {x for x in filled if x.endswith('num_batches_tracked')} == wanted
    return ours


@torch.no_grad()
def compare(name: str) -> bool:
    """Print the differences at every depth; return whether all are within the tolerance."""
    full = reference(*NETWORKS[name][1:])
    base = essential(full)
    print(f'transformers RTDetrForObjectDetection, {name}, whole and cut')
    ours = through_a_file(full.state_dict())
    assert isinstance(ours, AnyDepthDetr)
    with_essential_norms(ours, base)
    source = random.Random(0)
    depths = [ours.depths.parse(text) for text in DEPTHS]
    depths += [ours.depths.sample(source) for _ in range(3)]
    same = True
    for dtype, tolerance in TOLERANCES.items():
        torch.set_default_dtype(dtype)
        for network in (full, base, ours):
            network.to(dtype)
        for depth in depths:
            layers = depth.decoder_layers or ours.config.decoder_layers
            theirs = at_depth(full, base, depth, layers)
            worst = max(difference(ours, theirs, depth, layers, random_images(2, *size))
                        for size in SIZES[dtype])
            same &= worst <= tolerance
            print(f'  {str(dtype).removeprefix("torch."):8} {depth!s:40} {worst:.1e}', flush=True)
    torch.set_default_dtype(torch.float32)
    return same


def difference(ours: AnyDepthDetr, theirs: nn.Module, depth: Depth, layers: int, images: Tensor,
               ) -> float:
    """Return the largest difference of logits and normalised boxes."""
    expected = theirs(pixel_values=images)
    logits, boxes = ours.decoder(decoder_maps(ours.features(images, depth)), layers)
    pairs = align(logits, expected.logits)
    return max(float((a - b.gather(1, pairs.expand_as(b))).abs().max()) for a, b in (
        (logits, expected.logits), (boxes, expected.pred_boxes)))


def main(names: list[str]) -> int:
    """Compare the named networks, all if none is named; return the exit status."""
    torch.manual_seed(0)
    results = [compare(name) for name in names or NETWORKS]
    print('equal' if all(results) else 'DIFFERENT')
    return 0 if all(results) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
