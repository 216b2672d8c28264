# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The forms of an any-depth file in which runtimes are quick compute what the file does."""

from __future__ import annotations

import math
import mmap
import pathlib
import random
import re
import tempfile

import numpy as np
from onnx_graphs import graphs, sides
import pytest

onnx = pytest.importorskip('onnx', reason='the package onnx is not installed')
pytest.importorskip('onnxruntime', reason='the package onnxruntime is not installed')

from anydepth_core.runtime.export import (  # noqa: E402
    borders,
    check,
    file,
    one_kernel,
    parts,
    unfold,
    weights_beside,
)
from anydepth_core.runtime.export.parts import tensors_of  # noqa: E402


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
    turned = unfold.with_planes_last(changed)
    onnx.checker.check_model(turned, full_check=True)
    runs = [onnxruntime.InferenceSession(each.SerializeToString())
            for each in (pixels, changed, turned)]
    images = np.random.default_rng(0).integers(0, 256, sides(loaded.graph.input[0]), np.uint8)
    rows = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    rng = random.Random(3)
    four = [said.depths.make(stages) for stages in ([], ['p2'], ['p3'], ['p2', 'p3'])]
    logits = []
    for depth in (*four, *said.depths.covering, *(said.depths.sample(rng) for _ in range(6))):
        expected, *found = (run.run(None, check.feeds_of(depth, each))
                            for run, each in zip(runs, (images, images, rows)))
        for each in found:
            assert_close(expected, each, said)
        logits.append(expected[0])
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


def test_what_is_mapped_while_loading_is_let_go_and_comes_back(exported, tmp_path, monkeypatch):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'real')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'link'))
    with weights_beside.for_loading(file.read_onnx(exported)[0]) as path:
        weights = pathlib.Path(path).with_name(weights_beside.WEIGHTS).resolve()
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
