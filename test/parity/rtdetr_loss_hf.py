# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the ground-truth loss of AnyDepth-DETR with that of Hugging Face transformers.

    python test/parity/rtdetr_loss_hf.py

Equal random outputs and objects go to both: several layers, selected and denoising queries, an
image without an object, one with more objects than queries, tiny boxes. Prints, for each of our
terms, its value and the relative difference, and the largest difference of the gradients; exits
with 1 if one is above 1e-5. README.md beside this file says how to make the environment; pytest
does not collect this file.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor
from transformers import RTDetrConfig
from transformers.loss.loss_rt_detr import RTDetrLoss

from anydepth_core.losses.assign import Targets
from anydepth_core.losses.detr import DetrLossWeights, detr_loss, match_layers
from anydepth_core.models.rtdetr import DetrOutputs, draw_denoising
from anydepth_core.models.rtdetr.decoder import DecoderOutputs

TOLERANCE = 1e-5
CLASSES = 80
KINDS = {'classes': 'loss_vfl', 'l1': 'loss_bbox', 'giou': 'loss_giou'}
# Queries, and the objects of each image.
CASES = {'usual': (300, (7, 1, 23)), 'an empty image': (300, (0, 4)), 'no object': (300, (0, 0)),
         'crowded': (10, (25, 3))}


def random_boxes(*shape: int) -> Tensor:
    """Return (*shape, 4) boxes as cx cy w h, some tiny, some nearly the image."""
    return torch.cat((torch.rand(*shape, 2) * 0.8 + 0.1,
                      torch.rand(*shape, 2) ** 3 * 0.9 + 0.004), dim=-1)


def random_pass(queries: int, counts: tuple[int, ...], layers: int,
                ) -> tuple[DetrOutputs, list[Targets]]:
    """Return outputs of a network that has some idea of the objects, with gradients."""
    batch = len(counts)
    targets = [Targets(torch.randint(CLASSES, (n,)), random_boxes(n)) for n in counts]
    noise = draw_denoising([t.labels for t in targets], [t.boxes for t in targets], CLASSES)

    def logits(*shape: int) -> Tensor:
        return (torch.randn(*shape, CLASSES) * 2 - 3).requires_grad_()

    denoising = noise.labels.shape[1]
    decoder = DecoderOutputs(
        logits(layers, batch, queries), random_boxes(layers, batch, queries).requires_grad_(),
        logits(batch, queries), random_boxes(batch, queries).requires_grad_(),
        logits(layers, batch, denoising), random_boxes(layers, batch, denoising).requires_grad_())
    return DetrOutputs(decoder, noise, {}), targets


def reference(outputs: DetrOutputs, targets: list[Targets]) -> dict[str, Tensor]:
    """Return the reference's terms under our names."""
    decoder, noise, layers = outputs.decoder, outputs.denoising, len(outputs.decoder.logits)

    def entries(logits: Tensor, boxes: Tensor) -> list[dict[str, Tensor]]:
        return [{'logits': a, 'pred_boxes': b} for a, b in zip(logits, boxes)]

    said = {'logits': decoder.logits[-1], 'pred_boxes': decoder.boxes[-1],
            'auxiliary_outputs': entries(decoder.logits[:-1], decoder.boxes[:-1]) + entries(
                decoder.selected_logits[None], decoder.selected_boxes[None])}
    if noise.labels.numel():  # the reference's network has no such outputs without an object
        said['dn_auxiliary_outputs'] = entries(decoder.denoising_logits, decoder.denoising_boxes)
        said['denoising_meta_values'] = {'dn_positive_idx': noise.positives,
                                         'dn_num_group': noise.groups}
    found = RTDetrLoss(RTDetrConfig(num_labels=CLASSES))(
        said, [{'class_labels': t.labels, 'boxes': t.boxes} for t in targets])
    ends = {'auxiliary': [f'_aux_{layer}' for layer in range(layers - 1)],
            'selected': [f'_aux_{layers - 1}'],
            'denoising': [f'_dn_{layer}' for layer in range(layers)]}
    return {name: found[kind] for name, kind in KINDS.items()} | {
        name: torch.stack([found.get(kind + end, torch.zeros(())) for kind in KINDS.values()
                           for end in suffixes]).sum() for name, suffixes in ends.items()}


def relative(ours: Tensor, expected: Tensor) -> float:
    """Return the largest difference as a share of the largest expected value."""
    return ((ours - expected).abs().max() / expected.abs().max().clamp(min=1e-3)).item()


def gradients(terms: dict[str, Tensor], outputs: DetrOutputs) -> list[Tensor]:
    """Return the gradients of the sum of the terms."""
    return list(torch.autograd.grad(torch.stack(list(terms.values())).sum(), outputs.decoder,
                                    retain_graph=True, materialize_grads=True))


def main() -> int:
    """Compare; return the exit status."""
    torch.manual_seed(0)
    differences = []
    for case, (queries, counts) in CASES.items():
        outputs, targets = random_pass(queries, counts, layers=4)
        objects = torch.tensor(float(max(1, sum(counts))))
        ours = detr_loss(outputs, targets, match_layers(outputs, targets), objects,
                         DetrLossWeights())
        theirs = reference(outputs, targets)
        print(f'{case}: {queries} queries, objects {counts}')
        for name, expected in theirs.items():
            differences.append(relative(ours[name], expected))
            print(f'  {name:10} {expected.item():10.3f}  {differences[-1]:.1e}')
        pairs = zip(gradients(ours, outputs), gradients(theirs, outputs), strict=True)
        differences.append(max(relative(a, b) for a, b in pairs if a.numel()))
        print(f'  gradients             {differences[-1]:.1e}')
    equal = all(difference < TOLERANCE for difference in differences)  # NaN is not below
    print('equal' if equal else 'DIFFERENT')
    return 0 if equal else 1


if __name__ == '__main__':
    sys.exit(main())
