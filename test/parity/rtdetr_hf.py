# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the full path of AnyDepth-DETR with RT-DETR of Hugging Face transformers.

    python test/parity/rtdetr_hf.py [r18 r34 r50 r101]

Random weights and norm statistics, built from a configuration: nothing is downloaded. They go into
our network as a user's checkpoint would, through a file and the importer, which accepts no missing
or left over weight; then both detect in the same random images. Prints the largest difference of
scores (logits) and boxes (fractions of the image); exits with 1 if one is above 1e-4. README.md
beside this file says how to make the environment; pytest does not collect this file.
"""

from __future__ import annotations

import sys

from networks import SIZES, measure, random_images, through_a_file
from scipy.optimize import linear_sum_assignment
import torch
from torch import nn
from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

from anydepth_core.models.registry import create_model
from anydepth_core.models.rtdetr.model import AnyDepthDetr, decoder_maps

TOLERANCE = 1e-4
SMALL = {'encoder_in_channels': [128, 256, 512], 'hidden_expansion': 0.5,
         'freeze_backbone_batch_norms': False}
LARGE = {'encoder_hidden_dim': 384, 'encoder_ffn_dim': 2048, 'decoder_in_channels': [384] * 3}
# Our name, layer type, blocks and what differs from the default configuration.
NETWORKS = {
    'r18': ('anydepth-detr-r18', 'basic', [2, 2, 2, 2], {**SMALL, 'decoder_layers': 3}),
    'r34': ('anydepth-detr-r34', 'basic', [3, 4, 6, 3], {**SMALL, 'decoder_layers': 4}),
    'r50': ('anydepth-detr-r50-vd', 'bottleneck', [3, 4, 6, 3], {}),
    'r101': ('anydepth-detr-r101-vd', 'bottleneck', [3, 4, 23, 3], LARGE),
}


@torch.no_grad()
def reference(layer_type: str, blocks: list[int], changes: dict) -> nn.Module:
    """Return the reference network in evaluation mode with random weights and statistics."""
    widths = [64, 128, 256, 512] if layer_type == 'basic' else [256, 512, 1024, 2048]
    backbone = RTDetrResNetConfig(hidden_sizes=widths, depths=blocks, layer_type=layer_type,
                                  out_features=['stage2', 'stage3', 'stage4'])
    model = RTDetrForObjectDetection(
        RTDetrConfig(backbone_config=backbone, num_labels=80, **changes)).eval()
    for name, tensor in model.named_parameters():
        if tensor.dim() > 1:
            # Points and boxes that jump at every layer would magnify rounding to chaos.
            calm = 0.1 if 'sampling_offsets' in name or 'bbox' in name else 1.0
            tensor.normal_(0, calm * tensor[0].numel() ** -0.5)
    for module in model.modules():
        if hasattr(module, 'running_var'):
            module.weight.uniform_(0.7, 1.4)
            module.bias.normal_(0, 0.2)
            module.register_forward_pre_hook(measure)
        elif isinstance(module, (nn.LayerNorm, nn.Linear)):
            module.bias.normal_(0, 0.2)
    model(pixel_values=random_images(2, 320, 320))
    for module in model.modules():
        module._forward_pre_hooks.clear()
    return model


def align(logits: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """Return (B, Q, 1) which of the expected queries each of ours is: a permutation.

    Queries that were selected with scores equal to rounding may change places.
    """
    return torch.stack([torch.from_numpy(linear_sum_assignment(x)[1])
                        for x in torch.cdist(logits, expected)])[..., None]


@torch.no_grad()
def compare(name: str) -> bool:
    """Print the differences for one network; return whether they are within the tolerance."""
    ours_name, layer_type, blocks, changes = NETWORKS[name]
    theirs = reference(layer_type, blocks, changes)
    print(f'transformers RTDetrForObjectDetection, {name}')
    ours = through_a_file(theirs.state_dict())
    same = isinstance(ours, AnyDepthDetr) and ours.config == create_model(ours_name).config
    for height, width in SIZES:
        images = random_images(2, height, width)
        expected = theirs(pixel_values=images)
        maps = decoder_maps(ours.features(images, ours.depths.full))
        logits, boxes = ours.decoder(maps, ours.config.decoder_layers)
        pairs = align(logits, expected.logits)
        differences = [float((a - b.gather(1, pairs.expand_as(b))).abs().max()) for a, b in (
            (logits, expected.logits), (boxes, expected.pred_boxes))]
        spread = [float(x.std(1).mean()) for x in (expected.logits, expected.pred_boxes)]
        moved = int((pairs[..., 0] != torch.arange(pairs.shape[1])).sum())
        print(f'  {height}x{width}: logits {differences[0]:.1e} (std {spread[0]:.2f}), '
              f'boxes {differences[1]:.1e} (std {spread[1]:.2f}), {moved} queries in other places')
        same = same and max(differences) < TOLERANCE
    return same


def main(names: list[str]) -> int:
    """Compare the named networks, all if none is named; return the exit status."""
    torch.manual_seed(0)
    results = [compare(name) for name in names or NETWORKS]
    print('equal' if all(results) else 'DIFFERENT')
    return 0 if all(results) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
