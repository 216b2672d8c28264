# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Models as ONNX graphs: every depth in one, or one depth alone.

Inputs: `images` (1, 3, H, W) float32, RGB in [0, 1]; with every depth also `full_stages`, one bool
per stage in the order of the metadata's `stages`, and for models with a decoder `decoder_layers`
(1,) int64. Outputs: `logits` (1, N, C) and `boxes` (1, N, 4), see RawPredictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import copy
from functools import partial

import onnx
import torch
from torch import Tensor, nn

from anydepth_core.depth import Depth
from anydepth_core.models.base import AnyDepthModel, stage_name, two_path_stages
from anydepth_core.models.rtdetr.decoder import Decoder
from anydepth_core.models.rtdetr.selection import compute_only_chosen
from anydepth_core.nn.divided import divide
from anydepth_core.nn.stage import TwoPathStage
from anydepth_core.runtime.export.operators import TRANSLATIONS
from anydepth_core.runtime.export.recorder import Recorder
from anydepth_core.runtime.export.sharing import share_kernels


class StageChoice(nn.Module):
    """Records both paths of a stage; a value of the graph says which one runs."""

    def __init__(self, stage: TwoPathStage, recorder: Recorder, condition: Tensor) -> None:
        super().__init__()
        self.stage = stage
        self.recorder = recorder
        self.condition = condition

    def forward(self, *inputs: Tensor, full: bool) -> Tensor | tuple[Tensor, ...]:
        """Return the outcome of either path."""
        chosen = self.recorder.choose(
            self.recorder.name(self.condition),
            lambda: _tuple(self.stage(*inputs, full=True)),
            lambda: _tuple(self.stage(*inputs, full=False)))
        return chosen if len(chosen) > 1 else chosen[0]


class DecoderChoice(nn.Module):
    """Records a decoder; each layer after the first one runs if the number of layers says so."""

    def __init__(self, decoder: Decoder, recorder: Recorder, layers: Tensor) -> None:
        super().__init__()
        self.decoder = decoder
        self.recorder = recorder
        self.layers = layers

    def forward(self, maps: Sequence[Tensor], layers: int) -> tuple[Tensor, Tensor]:
        """Return what Decoder.forward returns."""
        decoder = self.decoder
        memory, shapes = decoder.flatten(maps)
        queries, boxes, _ = decoder.selection(memory, shapes)
        queries, boxes = decoder.refine(0, queries, boxes, memory, shapes)
        for index in range(1, len(decoder.layers)):
            queries, boxes = self.recorder.choose(
                self.recorder.name(self.layers > index),
                partial(decoder.refine, index, queries, boxes, memory, shapes),
                partial(_tuple, (queries, boxes)))
        heads = [head for head in decoder.class_heads if isinstance(head, nn.Linear)]
        last = self.layers - 1
        weight = torch.stack([head.weight.T for head in heads]).index_select(0, last)
        bias = torch.stack([head.bias for head in heads]).index_select(0, last)
        return queries @ weight + bias, boxes


def any_depth_graph(model: AnyDepthModel, size: tuple[int, int],
                    metadata: Mapping[str, str]) -> onnx.ModelProto:
    """Return the graph of every depth; shared kernels are in it once. `model` stays as it is.

    Args:
        model: on the CPU, in float32.
        size: (height, width) of the input, multiples of the model's stride.
        metadata: flat text to put into the file.
    """
    model, recorder = _for_export(model), Recorder(TRANSLATIONS)
    kernels = share_kernels(model)
    images = torch.zeros(1, 3, *size)
    stages = torch.ones(len(model.depths.stages), dtype=torch.bool)
    with torch.inference_mode(), recorder:
        recorder.input('images', images)
        recorder.input('full_stages', stages)
        for kernel in kernels:
            recorder.hold(kernel)
        for name, stage in two_path_stages(model).items():
            flag = stages[model.depths.stages.index(stage_name(name))]
            model.set_submodule(name, StageChoice(stage, recorder, flag))
        if model.depths.decoder_layers is not None:
            layers = torch.tensor([model.depths.decoder_layers])
            recorder.input('decoder_layers', layers)
            decoder = model.get_submodule('decoder')
            assert isinstance(decoder, Decoder)
            model.set_submodule('decoder', DecoderChoice(decoder, recorder, layers))
        raw = model(images, model.depths.full)
    return recorder.model(raw._asdict(), metadata)


def static_graph(model: AnyDepthModel, depth: Depth, size: tuple[int, int],
                 metadata: Mapping[str, str]) -> onnx.ModelProto:
    """Return the graph of one depth, with only what that runs; see `any_depth_graph`."""
    recorder, images = Recorder(TRANSLATIONS), torch.zeros(1, 3, *size)
    static = _for_export(model).at(depth)
    with torch.inference_mode(), recorder:
        recorder.input('images', images)
        raw = static(images)
    return recorder.model(raw._asdict(), metadata)


def _for_export(model: AnyDepthModel) -> AnyDepthModel:
    """Return a frozen copy that computes the same with less for a runtime to do."""
    model = copy.deepcopy(model)
    divide(model)
    compute_only_chosen(model)
    return model.eval().requires_grad_(False)


def _tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
