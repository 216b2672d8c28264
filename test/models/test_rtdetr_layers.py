# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The layers of AnyDepth-DETR against slow, independent computations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anydepth_core.depth import DepthSpace
from anydepth_core.models.rtdetr import CONFIGS
from anydepth_core.models.rtdetr.backbone import ResidualBlock
from anydepth_core.models.rtdetr.neck import CspRep, HybridNeck
from anydepth_core.models.rtdetr.selection import (
    QuerySelection,
    anchors,
    compute_only_chosen,
    inverse_sigmoid,
)
from anydepth_core.nn.deformable import DeformableAttention, sample_pyramid
from anydepth_core.nn.position import sine_positions
from anydepth_core.nn.stage import two_paths
from anydepth_core.nn.transformer import DecoderLayer, EncoderLayer

CPU = torch.device('cpu')


def bilinear(image: Tensor, x: float, y: float) -> Tensor:
    """Return the (C,) value of a (C, H, W) map at pixel coordinates; zero beyond its border."""
    total = torch.zeros(len(image))
    for column in (math.floor(x), math.floor(x) + 1):
        for row in (math.floor(y), math.floor(y) + 1):
            if 0 <= column < image.shape[2] and 0 <= row < image.shape[1]:
                weight = (1 - abs(x - column)) * (1 - abs(y - row))
                total += weight * image[:, row, column]
    return total


def test_sampling_equals_a_loop_over_points() -> None:
    torch.manual_seed(0)
    heads, channels, shapes = 2, 3, ((4, 6), (2, 3))
    values = torch.randn(2, 30, heads * channels)
    locations = torch.rand(2, 5, heads, 2, 4, 2) * 1.6 - 0.3
    weights = torch.rand(2, 5, heads, 2, 4)
    expected = torch.zeros(2, 5, heads, channels)
    for b in range(2):
        for head in range(heads):
            part = values[b, :, head * channels:(head + 1) * channels].T
            maps = (part[:, :24].reshape(channels, 4, 6), part[:, 24:].reshape(channels, 2, 3))
            for query in range(5):
                for level, (height, width) in enumerate(shapes):
                    for point in range(4):
                        x, y = locations[b, query, head, level, point].tolist()
                        expected[b, query, head] += weights[b, query, head, level, point] * (
                            bilinear(maps[level], x * width - 0.5, y * height - 0.5))
    actual = sample_pyramid(values, shapes, locations, weights)
    torch.testing.assert_close(actual, expected.flatten(2))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_samples_where_single_does(dtype: torch.dtype) -> None:
    """On wide maps, too, where half precision is too coarse to say where a point is."""
    torch.manual_seed(0)
    shapes = ((160, 160), (80, 80))
    values = torch.randn(1, sum(h * w for h, w in shapes), 64).to(dtype)
    locations = torch.rand(1, 50, 8, 2, 4, 2) * 1.2 - 0.1
    weights = torch.rand(1, 50, 8, 2, 4).to(dtype)
    actual = sample_pyramid(values, shapes, locations, weights)
    expected = sample_pyramid(values.float(), shapes, locations, weights.float())
    torch.testing.assert_close(actual, expected)


def test_attention_starts_on_a_compass_around_the_centre() -> None:
    """With zero queries, point k of a head lies k / points of half the box from its centre."""
    attention = DeformableAttention(dim=8, heads=4, levels=1, points=2)
    nn.init.eye_(attention.values.weight)
    nn.init.eye_(attention.output.weight)
    ramp = (torch.arange(32) + 0.5) / 32
    memory = torch.stack([ramp.repeat(32), ramp.repeat_interleave(32)] * 4, dim=-1)[None]
    boxes = torch.tensor([[[0.5, 0.5, 0.4, 0.2]]])
    read = attention(torch.zeros(1, 1, 8), boxes, memory, ((32, 32),)).detach().view(4, 2)
    # Two points at half and whole distance average to 3/4 of half the box.
    reach = 0.75 * 0.5 * boxes[0, 0, 2:]
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    torch.testing.assert_close(read, 0.5 + directions * reach, atol=1e-5, rtol=0)


def test_sine_positions() -> None:
    table = sine_positions(2, 3, 8, CPU)
    for row in range(2):
        for column in range(3):
            expected = [f(place * frequency) for place in (row, column)
                        for f in (math.sin, math.cos) for frequency in (1.0, 0.01)]
            torch.testing.assert_close(table[row * 3 + column], torch.tensor(expected))


def test_remembered_tensors_serve_training_after_inference() -> None:
    with torch.inference_mode():
        table = sine_positions(3, 5, 8, CPU)
    assert sine_positions(3, 5, 8, CPU) is table
    weight = torch.ones(8, requires_grad=True)
    (table * weight).sum().backward()
    assert weight.grad is not None


def test_anchors() -> None:
    logits, valid = anchors(((100, 40), (2, 1)), CPU)
    assert logits.shape == (4002, 4)
    boxes = logits.sigmoid()
    for row, column in ((1, 0), (50, 20), (98, 39)):
        expected = [(column + 0.5) / 40, (row + 0.5) / 100, 0.05, 0.05]
        assert boxes[row * 40 + column].tolist() == pytest.approx(expected, abs=1e-6)
    assert boxes[4001].tolist() == pytest.approx([0.5, 0.75, 0.1, 0.1], abs=1e-6)
    # The first and last rows' centres lie 0.005 from the border, nearer than 0.01.
    assert not valid[:40].any()
    assert not valid[3960:4000].any()
    assert valid[40:3960].all()
    assert (boxes[0] == 1).all()


def test_query_selection_takes_the_best_places() -> None:
    torch.manual_seed(0)
    shapes = ((60, 1), (4, 4), (2, 4))
    selection = QuerySelection(dim=16, num_classes=3, count=80)
    nn.init.normal_(selection.box_head[-1].weight)
    memory = torch.randn(2, 84, 16)
    with torch.no_grad():
        selected = selection(memory, shapes)
        starts, valid = anchors(shapes, CPU)
        assert valid.sum() == 82
        for b in range(2):
            content = selection.content(torch.where(valid, memory[b], 0))
            logits = selection.class_head(content)
            best = sorted(range(84), key=lambda place: -float(logits[place].max()))[:80]
            boxes = (selection.box_head(content) + starts).sigmoid()
            torch.testing.assert_close(selected.queries[b], content[best])
            torch.testing.assert_close(selected.logits[b], logits[best])
            torch.testing.assert_close(selected.boxes[b], boxes[best])


def test_boxes_of_chosen_places_alone_are_the_same() -> None:
    torch.manual_seed(0)
    selection = QuerySelection(dim=16, num_classes=3, count=20)
    for each in selection.parameters():
        nn.init.normal_(each)
    network = nn.Sequential(selection)
    memory, shapes = torch.randn(2, 84, 16), ((8, 8), (4, 4), (2, 2))
    expected = selection(memory, shapes)
    calls: list[int] = []
    selection.box_head.register_forward_hook(lambda _, inputs, __: calls.append(
        inputs[0].shape[1]))
    compute_only_chosen(network)
    for one, other in zip(selection(memory, shapes), expected, strict=True):
        torch.testing.assert_close(one, other)
    assert calls == [20] and not QuerySelection(16, 3, 20).only_chosen


def test_inverse_sigmoid() -> None:
    values = torch.tensor([0.0, 1e-9, 0.2, 0.5, 1.0])
    limit = math.log(1e-5)
    expected = torch.tensor([limit, limit, math.log(0.25), 0.0, -limit])
    torch.testing.assert_close(inverse_sigmoid(values), expected)


def attend(tokens: Tensor, positions: Tensor, weights: dict[str, Tensor], heads: int,
           blocked: Tensor | None = None) -> Tensor:
    """Recompute multi-head self-attention head by head from a layer's state dict."""
    name = 'self_attention.attention.'
    kernels = weights[name + 'in_proj_weight'].chunk(3)
    biases = weights[name + 'in_proj_bias'].chunk(3)
    query, key, value = (x @ kernel.T + bias for x, kernel, bias in zip(
        (tokens + positions, tokens + positions, tokens), kernels, biases, strict=True))
    out = []
    for q, k, v in zip(*(x.chunk(heads, dim=-1) for x in (query, key, value)), strict=True):
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        if blocked is not None:
            scores = scores.masked_fill(blocked, -math.inf)
        scores = scores.exp() / scores.exp().sum(-1, keepdim=True)
        out.append(scores @ v)
    return torch.cat(out, -1) @ weights[name + 'out_proj.weight'].T + weights[
        name + 'out_proj.bias']


def norm(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    """Recompute a layer norm from a layer's state dict."""
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * weights[f'{name}.weight'] + weights[f'{name}.bias']


def linear(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    """Recompute a linear layer from a layer's state dict."""
    return x @ weights[f'{name}.weight'].T + weights[f'{name}.bias']


def test_encoder_layer() -> None:
    torch.manual_seed(0)
    layer = EncoderLayer(dim=8, heads=2, hidden=12)
    weights = {key: nn.init.normal_(tensor) for key, tensor in layer.state_dict().items()}
    tokens, positions = torch.randn(2, 5, 8), torch.randn(5, 8)
    expected = norm(tokens + attend(tokens, positions, weights, 2), weights, 'norm1')
    hidden = linear(expected, weights, 'feed_forward.0')
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    expected = norm(expected + linear(hidden, weights, 'feed_forward.2'), weights, 'norm2')
    torch.testing.assert_close(layer(tokens, positions), expected, atol=1e-4, rtol=1e-4)


def test_decoder_layer() -> None:
    torch.manual_seed(0)
    layer = DecoderLayer(dim=8, heads=2, hidden=12, levels=2, points=3)
    weights = {key: nn.init.normal_(tensor, std=0.5) for key, tensor in layer.state_dict().items()}
    queries, positions, memory = torch.randn(2, 5, 8), torch.randn(2, 5, 8), torch.randn(2, 20, 8)
    boxes, shapes = torch.rand(2, 5, 4), ((4, 4), (2, 2))
    blocked = torch.eye(5, dtype=torch.bool).roll(1, 0)
    expected = norm(queries + attend(queries, positions, weights, 2, blocked), weights, 'norm1')
    read = layer.cross_attention(expected + positions, boxes, memory, shapes)
    expected = norm(expected + read, weights, 'norm2')
    hidden = linear(expected, weights, 'feed_forward.0').clamp(min=0)
    expected = norm(expected + linear(hidden, weights, 'feed_forward.2'), weights, 'norm3')
    actual = layer(queries, positions, boxes, memory, shapes, blocked)
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def conv_norm(x: Tensor, weights: dict[str, Tensor], name: str, stride: int = 1) -> Tensor:
    """Recompute a convolution without bias and its norm from a state dict, in evaluation."""
    kernel = weights[f'{name}.conv.weight']
    x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[2] // 2)
    scale = weights[f'{name}.norm.weight'] / (weights[f'{name}.norm.running_var'] + 1e-5).sqrt()
    shift = weights[f'{name}.norm.bias'] - weights[f'{name}.norm.running_mean'] * scale
    return x * scale[:, None, None] + shift[:, None, None]


def randomised(module: nn.Module) -> dict[str, Tensor]:
    """Randomise norms, put the module in evaluation mode and return its state dict."""
    for norm in module.eval().requires_grad_(False).modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.weight, norm.running_var):
                tensor.uniform_(0.5, 2)
            for tensor in (norm.bias, norm.running_mean):
                tensor.normal_()
    return module.state_dict()


@pytest.mark.parametrize('bottleneck', [False, True])
@pytest.mark.parametrize(('stride', 'project'), [(1, False), (1, True), (2, True)])
def test_residual_block(bottleneck: bool, stride: int, project: bool) -> None:
    torch.manual_seed(0)
    channels_in = 8 if not project else 4
    block = ResidualBlock(channels_in, 8, stride, bottleneck=bottleneck, project=project,
                          norm=nn.BatchNorm2d)
    weights = randomised(block)
    x = torch.randn(2, channels_in, 6, 10)
    # The 3x3 that may step is the first of two or the second of three convolutions.
    strides = [1, stride, 1] if bottleneck else [stride, 1]
    branch = x
    for index, step in enumerate(strides):
        branch = conv_norm(branch, weights, f'branch.{index}', step)
        if index < len(strides) - 1:
            branch = branch.clamp(min=0)
    shortcut = x
    if stride == 2:
        shortcut = x.view(2, channels_in, 3, 2, 5, 2).mean((3, 5))
    if project:
        shortcut = conv_norm(shortcut, weights, f'shortcut.{stride - 1}')
    torch.testing.assert_close(block(x), (branch + shortcut).clamp(min=0))


def silu(x: Tensor) -> Tensor:
    return x / (1 + (-x).exp())


@pytest.mark.parametrize('expansion', [1.0, 0.5])
@pytest.mark.parametrize('count', [1, 3])
def test_csp_rep(expansion: float, count: int) -> None:
    torch.manual_seed(0)
    layer = CspRep(6, 8, count, expansion)
    weights = randomised(layer)
    x = torch.randn(2, 6, 5, 7)
    main = silu(conv_norm(x, weights, 'conv1'))
    for index in range(count):
        main = silu(conv_norm(main, weights, f'blocks.{index}.conv3')
                    + conv_norm(main, weights, f'blocks.{index}.conv1'))
    main = main + silu(conv_norm(x, weights, 'conv2'))
    if expansion != 1:
        main = silu(conv_norm(main, weights, 'conv3'))
    torch.testing.assert_close(layer(x), main, atol=1e-5, rtol=1e-5)


def test_neck_joins_what_the_laterals_made() -> None:
    torch.manual_seed(0)
    config = CONFIGS['tiny']
    neck = HybridNeck(config)
    randomised(neck)
    maps = {name: torch.randn(1, channels, 32 // stride, 64 // stride) for name, channels, stride
            in zip(('p3', 'p4', 'p5'), config.stage_channels[1:], (8, 16, 32), strict=True)}
    actual = neck(maps, DepthSpace().full)
    first, second = neck.fpn4.full, neck.fpn3.full
    up = nn.Upsample(scale_factor=2)
    p3, p4, p5 = (projection(x) for projection, x in zip(
        first.projections, maps.values(), strict=True))
    tokens = first.attention(p5.flatten(2).mT, sine_positions(1, 2, config.neck_width, CPU))
    lateral5 = first.top_down.lateral(tokens.mT.reshape(p5.shape))
    fpn4 = first.top_down.join(torch.cat((up(lateral5), p4), 1))
    lateral4 = second.lateral(fpn4)
    fpn3 = second.join(torch.cat((up(lateral4), p3), 1))
    pan4 = neck.pan4.full.join(torch.cat((neck.pan4.full.down(fpn3), lateral4), 1))
    pan5 = neck.pan5.full.join(torch.cat((neck.pan5.full.down(pan4), lateral5), 1))
    expected = {'fpn4': fpn4, 'fpn3': fpn3, 'pan4': pan4, 'pan5': pan5}
    torch.testing.assert_close(actual, expected)


def test_csp_rep_last_convolution_has_two_norms() -> None:
    stage = two_paths(lambda full: CspRep(6, 8, 3 if full else 1, 0.5))
    assert stage.full.conv3.conv.weight is stage.essential.conv3.conv.weight
    assert stage.full.conv3.norm is not stage.essential.conv3.norm
    assert len(stage.essential.blocks) == 1
