# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files: what is in them, what `anydepth export` refuses, and that it checks itself."""

from __future__ import annotations

import copy
import json
import random

from onnx_graphs import graphs
import pytest
import torch

from anydepth_core.cli import main
from anydepth_core.errors import AnyDepthError, BackendError, WeightsError
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import file_hash, load_weights
from anydepth_core.runtime.network import open_network

onnx = pytest.importorskip('onnx', reason='the package onnx is not installed')
pytest.importorskip('onnxruntime', reason='the package onnxruntime is not installed')

from anydepth_core.runtime.export import (  # noqa: E402
    check,
    file,
    graph,
    recorder,
)


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


@pytest.mark.parametrize('name', ['anydepth-yolo-tiny', 'anydepth-yolo-n-ultralytics'])
def test_no_map_is_split_by_channel(name):
    model = create_model(name, num_classes=3).eval()
    for made in (graph.any_depth_graph(model, (64, 96), {}),
                 graph.static_graph(model, model.depths.full, (64, 96), {})):
        nodes = [node for each in graphs(made.graph) for node in each.node]
        makers = {name: node for node in nodes for name in node.output}
        found = [makers[node.input[0]] for node in nodes if node.op_type in ('Split', 'Gather')
                 and node.input[0] in makers]
        # That of the distances to near and far sides alone.
        assert [node.op_type for node in found] == ['Mul']


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
