# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files: what is in them, what `anydepth export` refuses, and that it checks itself."""

from __future__ import annotations

import copy
import json
import math
import mmap
import pathlib
import random
import re

import numpy as np
import pytest
import torch

from anydepth_core.cli import main
from anydepth_core.errors import AnyDepthError, BackendError, WeightsError
from anydepth_core.models.weights import file_hash, load_weights
from anydepth_core.runtime.network import open_network

onnx = pytest.importorskip('onnx', reason='the package onnx is not installed')
pytest.importorskip('onnxruntime', reason='the package onnxruntime is not installed')

from anydepth_core.runtime.export import (  # noqa: E402
    borders,
    check,
    file,
    graph,
    one_kernel,
    parts,
    recorder,
    unfold,
    weights_beside,
)
from anydepth_core.runtime.export.parts import tensors_of  # noqa: E402


@pytest.fixture(scope='module')
def exported(weights_file, tmp_path_factory):
    target = tmp_path_factory.mktemp('export') / 'all.onnx'
    assert main(['export', str(weights_file), str(target)]) == 0
    return target


def graphs(outer):
    yield outer
    for node in outer.node:
        for attribute in node.attribute:
            if attribute.HasField('g'):
                yield from graphs(attribute.g)


def test_equals_pytorch_at_random_depths(exported, weights_file):
    model, _ = load_weights(weights_file)
    rng = random.Random(7)
    depths = [model.depths.sample(rng) for _ in range(6)]
    found = check.require_equal(model, file.read_onnx(exported)[0], depths)
    assert max(each.largest for each in found.values()) < check.TOLERANCE


def test_one_standard_file_that_says_what_it_is(exported, weights_file):
    loaded, said = file.read_onnx(exported)
    onnx.checker.check_model(loaded, full_check=True)
    model, info = load_weights(weights_file)
    assert said.info == info and said.depths == model.depths and said.depth == ''
    assert said.weights_hash == file_hash(weights_file) and said.decoding == model.decoding
    inputs = [each.name for each in loaded.graph.input]
    assert inputs == ['images', 'full_stages', *(
        ['decoder_layers'] if model.depths.decoder_layers else [])]
    assert [each.name for each in loaded.graph.output] == ['logits', 'boxes']
    assert sum(node.op_type == 'If' for node in loaded.graph.node) >= len(model.depths.stages)
    assert not list(exported.parent.glob('.*'))


def test_weights_are_stored_once(exported, weights_file):
    loaded, _ = file.read_onnx(exported)
    model, _ = load_weights(weights_file)
    assert not any(each.initializer for each in list(graphs(loaded.graph))[1:])
    stored = [(tuple(each.dims), each.data_type, each.raw_data)
              for each in loaded.graph.initializer]
    assert len(stored) == len(set(stored))
    static = graph.static_graph(model, model.depths.full, (96, 128), {})
    shared = {id(weight): weight for weight in model.parameters()}
    of_full = {id(weight): weight for name, weight in model.named_parameters()
               if '.essential.' not in name}
    extras = sum(4 * shared[key].numel() for key in shared.keys() - of_full.keys())
    # The rest are the scales of both paths, and in networks as small as these ones the nodes.
    weights = sum(len(each.raw_data) for each in loaded.graph.initializer)
    assert weights < 1.03 * sum(len(each.raw_data) for each in static.graph.initializer) + extras


def test_no_map_is_split_by_channel(exported):
    loaded, _ = file.read_onnx(exported)
    splits = [attribute.i for each in graphs(loaded.graph) for node in each.node
              if node.op_type == 'Split' for attribute in node.attribute
              if attribute.name == 'axis']
    assert splits and 1 not in splits


def test_static_file_of_one_depth(weights_file, tmp_path, capsys):
    target = tmp_path / 'base.onnx'
    assert main(['export', str(weights_file), str(target), '--depth', 'base+p3',
                 '--input-size', '64x96']) == 0
    loaded, said = file.read_onnx(target)
    assert said.depth == 'base+p3' and said.info.input_size == (96, 64)
    assert [each.name for each in loaded.graph.input] == ['images']
    assert not any(node.op_type == 'If' for node in loaded.graph.node)
    assert 'base+p3' in capsys.readouterr().out
    with pytest.raises(WeightsError, match="depth 'base\\+p3' alone"):
        open_network(target)


def sides(value):
    return [each.dim_value for each in value.type.tensor_type.shape.dim]


def planes_last(value):
    found = sides(value)
    return [found[index] for index in (0, 2, 3, 1)] if len(found) == 4 else found


def test_maps_cross_choices_with_planes_last(exported):
    import onnxruntime

    loaded, said = file.read_onnx(exported)
    turned = unfold.with_planes_last(loaded)
    onnx.checker.check_model(turned, full_check=True)
    assert sides(turned.graph.input[0]) == planes_last(loaded.graph.input[0])
    before, after = ([each for inner in list(graphs(one.graph))[1:] for each in inner.output]
                     for one in (loaded, turned))
    assert [planes_last(each) for each in before] == [sides(each) for each in after]
    runs = [onnxruntime.InferenceSession(each.SerializeToString()) for each in (loaded, turned)]
    images = np.random.default_rng(0).random(sides(loaded.graph.input[0]), np.float32)
    rows = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    for depth in (said.depths.full, said.depths.base, said.depths.sample(random.Random(1))):
        assert_close(*(run.run(None, check.feeds_of(depth, each))
                       for run, each in zip(runs, (images, rows))), said)


def assert_close(expected, found, said):
    limits = (max(1.0, abs(expected[0]).max()), max(said.info.input_size))  # as Difference
    for one, other, limit in zip(expected, found, limits, strict=True):
        assert abs(other - one).max() < check.TOLERANCE * limit


def kernels(model):
    """Return every kernel that is read, equal ones once."""
    local = unfold.with_local_constants(model)
    read = {node.input[1] for each in graphs(local.graph) for node in each.node
            if node.op_type == 'Conv'}
    return {each.raw_data for each in tensors_of(local.graph) if each.name in read}


def test_one_kernel_serves_both_paths(exported):
    import onnxruntime

    loaded, said = file.read_onnx(exported)
    scales = {each.name: each for each in loaded.graph.initializer
              if list(each.dims)[1:] == [1] * 3}
    products = [node for node in loaded.graph.node
                if node.op_type == 'Mul' and node.input[1] in scales]
    used = {node.input[1] for each in graphs(loaded.graph) for node in each.node
            if node.op_type == 'Conv'}
    products = [node for node in products if node.output[0] in used]
    weights = [node.input[0] for node in products]
    twice = {name for name in weights if weights.count(name) > 1}
    dead = products[weights.index(min(twice))]
    # A channel that a norm scales to nothing: what the other path needs cannot be had from that.
    values = np.frombuffer(scales[dead.input[1]].raw_data, np.float32).copy()
    values[0] = 0
    scales[dead.input[1]].raw_data = values.tobytes()
    changed = one_kernel.with_one_kernel(loaded)
    onnx.checker.check_model(changed, full_check=True)
    assert len(twice) > 5 and len(kernels(loaded)) - len(kernels(changed)) == len(twice) - 1
    runs = [onnxruntime.InferenceSession(each.SerializeToString()) for each in (loaded, changed)]
    images = np.random.default_rng(0).random(sides(loaded.graph.input[0]), np.float32)
    for depth in (said.depths.full, said.depths.base, said.depths.sample(random.Random(1))):
        assert_close(*(run.run(None, check.feeds_of(depth, images)) for run in runs), said)


def crossing(model):
    """Return the bytes of what the choices of the outer graph read and make, nothing fixed."""
    types = parts.types_of(model)
    fixed, nodes = parts.fixed_and_others(model.graph)
    constant = {name for node in fixed for name in node.output} | {
        each.name for each in model.graph.initializer}
    values = [types[name] for node in nodes if node.op_type == 'If'
              for name in {*parts.reads_of(node)} - constant - {''} | {*node.output}]
    return sum(np.prod(sides(each), dtype=int)
               * onnx.helper.tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type).itemsize
               for each in values)


@pytest.mark.parametrize('joined', ['where it saves a byte', 'always', 'where it saves much'])
def test_less_crosses_narrow_borders(exported, monkeypatch, joined):
    import onnxruntime

    worth = {'where it saves a byte': 1, 'always': -math.inf}
    monkeypatch.setattr(borders, 'WORTH_JOINING', worth.get(joined, borders.WORTH_JOINING))
    loaded, said = file.read_onnx(exported)
    pixels = unfold.with_pixels(loaded)
    changed = borders.with_narrow_borders(pixels)
    onnx.checker.check_model(changed, full_check=True)
    assert joined == 'always' or crossing(changed) < crossing(pixels)
    assert changed.graph.initializer == pixels.graph.initializer
    first, *_ = (node for node in changed.graph.node if node.op_type == 'If')
    assert 'images' in set(parts.reads_of(first))
    # P2 and P3 as one choice of four ways; nothing is much at this size.
    assert ([[node.op_type for node in way.node] for way in parts.graphs_of(first)]
            == [['If']] * 2) == (joined != 'where it saves much')
    runs = [onnxruntime.InferenceSession(each.SerializeToString()) for each in (pixels, changed)]
    images = np.random.default_rng(0).integers(0, 256, sides(loaded.graph.input[0]), np.uint8)
    rng = random.Random(3)
    four = [said.depths.make(stages) for stages in ([], ['p2'], ['p3'], ['p2', 'p3'])]
    logits = []
    for depth in (*four, *said.depths.covering, *(said.depths.sample(rng) for _ in range(6))):
        feeds = check.feeds_of(depth, images)
        expected, found = (run.run(None, feeds) for run in runs)
        assert_close(expected, found, said)
        logits.append(found[0])
    assert not any(np.array_equal(logits[0], other) for other in logits[1:4])


def choice_of_maps(reader):
    """Return a graph in which a choice reads a small map made large, as `reader` does."""
    def way(name, operation):
        return onnx.helper.make_graph(
            [onnx.helper.make_node(operation, ['large'], [f'{name} out'])], name, [],
            [onnx.helper.make_tensor_value_info(f'{name} out', 1, [1, 1, 8, 8])])

    nodes = [onnx.helper.make_node('Resize', ['images', '', 'scales'], ['large'], mode='nearest'),
             onnx.helper.make_node('If', ['flag'], ['chosen'], then_branch=way('yes', 'Relu'),
                                   else_branch=way('no', 'Neg')),
             onnx.helper.make_node('Add', ['chosen', reader], ['logits'])]
    outer = onnx.helper.make_graph(
        nodes, 'outer', [onnx.helper.make_tensor_value_info('images', 1, [1, 1, 4, 4]),
                         onnx.helper.make_tensor_value_info('flag', 9, [])],
        [onnx.helper.make_tensor_value_info('logits', 1, [1, 1, 8, 8])],
        [onnx.numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), 'scales')])
    return onnx.helper.make_model(outer, opset_imports=[onnx.helper.make_opsetid('', 20)],
                                  ir_version=9)


@pytest.mark.parametrize('reader, moves', [('chosen', True), ('large', False)])
def test_what_others_read_too_stays_outside(reader, moves):
    import onnxruntime

    made = choice_of_maps(reader)
    changed = borders.with_narrow_borders(made)
    onnx.checker.check_model(changed, full_check=True)
    assert ('Resize' in [node.op_type for node in changed.graph.node]) != moves
    images = np.random.default_rng(0).standard_normal((1, 1, 4, 4), np.float32)
    for flag in (True, False):
        one, other = (onnxruntime.InferenceSession(each.SerializeToString()).run(
            None, {'images': images, 'flag': np.array(flag)}) for each in (made, changed))
        assert np.array_equal(one, other)


def test_what_is_mapped_while_loading_is_let_go_and_comes_back(exported):
    with weights_beside.for_loading(file.read_onnx(exported)[0]) as path:
        weights = pathlib.Path(path).with_name(weights_beside.WEIGHTS)
        content = weights.read_bytes()
        with weights.open('rb') as opened:
            read = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
            changed = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_WRITE,
                                flags=mmap.MAP_PRIVATE)
        assert read[:] == content
        changed[0] = content[0] ^ 1
        assert resident_kilobytes(weights, 'r--p') >= len(content) // 1024
    assert resident_kilobytes(weights, 'r--p') == 0
    assert changed[0] == content[0] ^ 1 and changed[1:] == content[1:]
    assert read[:] == content


def resident_kilobytes(path, kind):
    entries = re.split(r'(?m)^(?=[0-9a-f]+-[0-9a-f]+ )',
                       pathlib.Path('/proc/self/smaps').read_text())
    return sum(int(re.search(r'(?m)^Rss: +([0-9]+)', each)[1]) for each in entries
               if str(path) in each and f' {kind} ' in each.partition('\n')[0])


def test_equal_weights_lie_at_one_place_while_they_are_loaded(exported):
    local = unfold.with_local_constants(one_kernel.with_one_kernel(file.read_onnx(exported)[0]))
    large = [each.raw_data for each in tensors_of(local.graph)
             if len(each.raw_data) >= weights_beside.LEAST_BYTES]
    assert len(set(large)) < len(large)
    with weights_beside.for_loading(local) as path:
        loaded = onnx.load(path, load_external_data=False)
        places = {tuple(sorted((part.key, part.value) for part in each.external_data))
                  for each in tensors_of(loaded.graph) if each.external_data}
        assert len(places) == len(set(large))
        folder = pathlib.Path(path).parent
        assert [each.raw_data for each in tensors_of(onnx.load(path).graph)] == [
            each.raw_data for each in tensors_of(local.graph)]
    assert not folder.exists()


@pytest.mark.parametrize('arguments, message', [
    (['out.txt'], 'name the file *.onnx'),
    (['none/out.onnx'], 'no such folder'),
    (['folder.onnx'], 'is a folder'),
    (['out.onnx', '--depth', 'bsae'], "did you mean 'base'?"),
    (['out.onnx', '--check-depths', 'full', 'full-p9'], 'unknown stage'),
    (['out.onnx', '--depth', 'base', '--check-depths', 'base'], '--check-depths'),
    (['out.onnx', '--input-size', '100x96'], 'multiples of 32'),
])
def test_refuses_before_any_work(weights_file, tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / 'folder.onnx').mkdir()
    monkeypatch.setattr(graph, 'any_depth_graph', lambda *_: pytest.fail('too late'))
    monkeypatch.chdir(tmp_path)
    assert main(['export', str(weights_file), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
    assert not (tmp_path / 'out.onnx').exists()


def test_a_graph_that_differs_is_not_written(weights_file, tmp_path, monkeypatch, capsys):
    real = graph.any_depth_graph

    def wrong(model, *rest):
        model = copy.deepcopy(model)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if '.essential.' in name and name.endswith('bias'):
                    weight += 0.1
        return real(model, *rest)

    monkeypatch.setattr(graph, 'any_depth_graph', wrong)
    assert main(['export', str(weights_file), str(tmp_path / 'out.onnx')]) == 2
    assert 'differs from PyTorch at depth base' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_operation_without_a_form():
    made = recorder.Recorder({})
    x = torch.rand(2)
    with torch.inference_mode(), made, pytest.raises(AnyDepthError, match='no ONNX form of'):
        made.input('x', x)
        x.exp()


def test_no_runtime_to_check_with(exported, weights_file, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda _: None)
    model, _ = load_weights(weights_file)
    with pytest.raises(BackendError, match=r'anydepth_ros\[onnxruntime\]'):
        check.require_equal(model, file.read_onnx(exported)[0], [model.depths.full])


def renamed(graph):
    for each in (*graph.input, *graph.output):
        each.name = f'my_{each.name}'


def resized(graph):
    graph.input[0].type.tensor_type.shape.dim[2].dim_value = 8


def of_integers(graph):
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64


def with_one_more_input(graph):
    graph.input.add().CopyFrom(onnx.helper.make_tensor_value_info('more', 1, [1]))


def without_outputs(graph):
    del graph.output[:]


def of_more_classes(graph):
    graph.output[0].type.tensor_type.shape.dim[2].dim_value += 1


@pytest.mark.parametrize('change', [renamed, resized, of_integers, with_one_more_input,
                                    without_outputs, of_more_classes])
def test_a_graph_that_is_not_as_its_metadata_say(exported, tmp_path, change):
    loaded, _ = file.read_onnx(exported)
    change(loaded.graph)
    target = tmp_path / 'other.onnx'
    target.write_bytes(loaded.SerializeToString())
    with pytest.raises(WeightsError, match=r'other\.onnx: its inputs and outputs are not those'):
        open_network(target)


def test_damaged_and_foreign_files(exported, tmp_path):
    right = exported.read_bytes()
    target = tmp_path / 'bad.onnx'
    loaded, said = file.read_onnx(exported)
    foreign, newer, odd, outside, sparse, listed = (onnx.ModelProto.FromString(right)
                                                    for _ in range(6))
    del foreign.metadata_props[:]
    onnx.helper.set_model_props(newer, {**said.metadata(), 'graph_version': '99'})
    onnx.helper.set_model_props(odd, {**said.metadata(), 'stages': json.dumps(['p9'])})
    outside.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    sparse.graph.sparse_initializer.add()
    choice = next(node for node in listed.graph.node if node.op_type == 'If')
    choice.attribute[0].g.node[0].attribute.add(name='hidden').tensors.add()
    for content, message in ((right[:1000], 'damaged'), (b'hello', 'damaged'),
                             (foreign.SerializeToString(), 'not an ONNX file of'),
                             (newer.SerializeToString(), 'another version'),
                             (odd.SerializeToString(), 'metadata of the ONNX file is damaged'),
                             (outside.SerializeToString(), 'in other files'),
                             (sparse.SerializeToString(), 'sparse weights'),
                             (listed.SerializeToString(), 'lists of graphs')):
        target.write_bytes(content)
        with pytest.raises(WeightsError, match=message):
            open_network(target)
    with pytest.raises(AnyDepthError, match='nothing else'):
        open_network(exported, (64, 64))
    assert loaded.graph.node
