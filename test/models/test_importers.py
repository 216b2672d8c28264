# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Other people's checkpoints: recognised, accounted for key by key, and equal after import."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys

from checkpoint_writers import forget_package, module_tree, randomised, yolo_state
import pytest
from safetensors.torch import save_file
from test_rtdetr_importers import authors_r50, official_r18
import torch
from torch import Tensor

from anydepth_core import cli
from anydepth_core.errors import WeightsError
from anydepth_core.models import create_model
from anydepth_core.models.checkpoints import COCO_NAMES, Checkpoint, read_checkpoint
from anydepth_core.models.importers import Report, import_weights, plan_import
from anydepth_core.models.rtdetr import importers as rtdetr
from anydepth_core.models.weights import load_weights

TINY = 'anydepth-yolo-tiny'
NAMES = {0: 'cup', 1: 'mug', 2: 'jug'}
HERE = Path('made in a test')


def meta(name: str, classes: int = 80):
    with torch.device('meta'):
        return create_model(name, classes)


def tiny():
    torch.manual_seed(0)
    return randomised(create_model(TINY, 3))


def plan(state: dict[str, Tensor], model: str | None = None) -> Report:
    return plan_import(Checkpoint(HERE, state), model)


def load(state: dict[str, Tensor], model: str | None = TINY, **arguments):
    names = arguments.pop('class_names', tuple(NAMES.values()))
    checkpoint = Checkpoint(HERE, state)
    return import_weights(checkpoint, plan_import(checkpoint, model), class_names=names,
                          **arguments)


def write_like_ultralytics(path: Path, state: dict[str, Tensor]) -> None:
    module = module_tree({key: tensor.half() if tensor.is_floating_point() else tensor
                          for key, tensor in state.items()}, NAMES)
    torch.save({'epoch': -1, 'ema': None, 'model': module, 'license': 'AGPL-3.0',
                'train_args': {'imgsz': 640}}, path)
    forget_package()


@pytest.mark.parametrize('name', [f'anydepth-yolo-{name}' for name in (
    'n', 'n-outer', 's', 's-outer', 'l', 'n-turbo', 'l-turbo', 'm-ultralytics')])
def test_every_yolo_is_recognised_from_shapes(name: str) -> None:
    any_depth = not name.endswith(('turbo', 'ultralytics'))
    state = yolo_state(meta(name, 7), any_depth=any_depth)
    report = plan(state)
    assert (report.model, report.num_classes, report.problems) == (name, 7, 0)
    assert report.format.resize == 'letterbox'


@pytest.mark.parametrize(('name', 'keys', 'key_map'), [
    ('anydepth-detr-r18', official_r18(), rtdetr.official_keys),
    ('anydepth-detr-r50', authors_r50(), rtdetr.authors_keys)])
def test_detr_is_recognised_from_shapes(name: str, keys: set[str], key_map) -> None:
    model = meta(name, 7)
    mapping, ours = key_map(model), model.state_dict()
    state = {key: ours[mapping(key)[0]] for key in keys}
    state['decoder.anchors'] = torch.zeros(1)
    report = plan(state)
    assert (report.model, report.num_classes, report.problems) == (name, 7, 0)
    assert report.not_weights == ('decoder.anchors',)
    assert report.format.resize == 'stretch'


def test_detr_weights_arrive() -> None:
    torch.manual_seed(0)
    source = create_model('anydepth-detr-tiny', 3)
    mapping, ours = rtdetr.official_keys(source), source.state_dict()
    state = {key: ours[mapping(key)[0]] for key in official_r18()}
    model, info = load(state, None)
    assert (info.model, info.resize) == ('anydepth-detr-tiny', 'stretch')
    assert info.input_size == (640, 640)
    images = torch.rand(1, 3, 160, 160)
    for mine, theirs in zip(model(images, 'full'), source.eval()(images, 'full')):
        assert mine.equal(theirs)


def test_both_paths_start_from_a_single_depth_checkpoint() -> None:
    source = tiny()
    model, _ = load(yolo_state(source))
    images = torch.rand(1, 3, 64, 96)
    for mine, theirs in zip(model(images, 'full'), source(images, 'full')):
        assert mine.equal(theirs)
    p4 = model.backbone.p4
    norms = p4.full.down.norm, p4.essential.down.norm
    assert norms[0] is not norms[1]
    assert norms[0].running_mean.equal(norms[1].running_mean)
    full, essential = (path.block.aggregate.conv.weight for path in (p4.full, p4.essential))
    assert essential.shape[1] == full.shape[1] * 3 // 5
    assert essential.equal(full[:, :essential.shape[1]])


def test_any_depth_checkpoint_is_equal_at_every_depth() -> None:
    source = tiny()
    model, _ = load(yolo_state(source, any_depth=True))
    images = torch.rand(1, 3, 64, 64)
    for depth in ('full', 'base', 'base+p4+pan', 'full-p2-fpn3'):
        for mine, theirs in zip(model(images, depth), source(images, depth)):
            assert mine.equal(theirs)


def test_any_depth_checkpoint_without_own_aggregators() -> None:
    state = yolo_state(tiny(), any_depth=True)
    lost = [key for key in state if 'conv_skip' in key]
    assert len(lost) == 2
    older = {key: tensor for key, tensor in state.items() if key not in lost}
    report = plan(older, TINY)
    assert not report.problems
    assert report.columns == {f'backbone.{stage}.essential.block.aggregate.conv.weight'
                              for stage in ('p4', 'p5')}
    assert str(report).count('(first columns)') == 2
    model, _ = load(older)
    p5 = model.backbone.p5
    essential = p5.essential.block.aggregate.conv.weight
    assert essential.equal(p5.full.block.aggregate.conv.weight[:, :essential.shape[1]])


def test_every_key_is_in_the_report() -> None:
    state = yolo_state(tiny())
    state['model.21.surprise'] = torch.zeros(2)
    del state['model.0.bn.weight']
    state['model.1.conv.weight'] = torch.zeros(4, 4)
    report = plan(state, TINY)
    assert report.missing == ('backbone.stem.0.norm.weight', 'backbone.stem.1.conv.weight')
    assert report.left_over == ('model.21.surprise',)
    assert len(report.misfits) == 1 and 'model.1.conv.weight' in report.misfits[0]
    listed = {*report.matched.values(), *report.left_over, *report.not_weights,
              *(line.partition(':')[0] for line in report.misfits)}
    assert listed == set(state)
    assert set(report.matched) | set(report.missing) == set(create_model(TINY, 3).state_dict())
    for key in (*state, *report.missing):
        assert key in str(report)
    assert '\n' not in report.refusal()


def test_left_over_is_refused_unless_allowed() -> None:
    state = yolo_state(tiny()) | {'model.21.surprise': torch.zeros(2)}
    with pytest.raises(WeightsError, match=r"1 left over, 'model\.21\.surprise' first"):
        load(state)
    load(state, allow_left_over=True)


@pytest.mark.parametrize('change', ['missing', 'misfit'])
def test_what_does_not_fit_is_refused_even_so(change: str) -> None:
    state = yolo_state(tiny())
    if change == 'missing':
        del state['model.8.gamma']
    else:
        state['model.8.gamma'] = state['model.8.gamma'][1:]
    with pytest.raises(WeightsError, match=r'does not fit anydepth-yolo-tiny with 3 classes: .*'
                                           r'expected one of anydepth-yolo-l-turbo'):
        load(state, allow_left_over=True)


def test_two_names_of_one_weight_must_agree() -> None:
    model = meta('anydepth-detr-tiny', 3)
    mapping = rtdetr.official_keys(model)
    ours = {key: torch.zeros_like(tensor, device='cpu')
            for key, tensor in model.state_dict().items()}
    state = {key: ours[mapping(key)[0]] for key in official_r18()}
    key = 'encoder.input_proj.0.0.weight'
    twice = state | {'encoder.input_proj.0.conv.weight': state[key].clone()}
    assert not plan(twice).problems
    twice['encoder.input_proj.0.conv.weight'] += 1
    assert plan(twice, 'anydepth-detr-tiny').misfits


@pytest.mark.parametrize('state', [
    {'fc.weight': torch.zeros(10, 4), 'fc.bias': torch.zeros(10)},
    {'model.model.0.conv.weight': torch.zeros(8, 3, 3, 3)}])
def test_other_networks(state: dict[str, Tensor]) -> None:
    with pytest.raises(WeightsError, match=r'expected one of .*YOLOv12 \(turbo layout\).*RT-DETR'):
        plan(state)


def test_other_size_names_the_nearest() -> None:
    state = yolo_state(meta('anydepth-yolo-n-turbo', 5))
    key = 'model.4.m.0.cv1.conv.weight'
    state[key] = torch.empty(1, 2, 3, 3, device='meta')
    checkpoint = Checkpoint(HERE, state)
    report = plan_import(checkpoint)
    assert report.model == 'anydepth-yolo-n-turbo'
    with pytest.raises(WeightsError, match=rf"another shape, '{key}: torch.float32 \[1, 2, 3, 3"):
        import_weights(checkpoint, report)


def test_class_names() -> None:
    state = yolo_state(tiny())
    with pytest.raises(WeightsError, match='does not name its 3 classes; give a file'):
        load(state, class_names=None)
    with pytest.raises(WeightsError, match='scores 3 classes, but there are names for 2'):
        load(state, class_names=('a', 'b'))
    assert len(COCO_NAMES) == len(set(COCO_NAMES)) == 80
    torch.manual_seed(0)
    _, info = load(yolo_state(create_model(TINY)), class_names=None)
    assert info.class_names == COCO_NAMES


def test_convert_reads_pickled_modules_where_their_package_does_not_exist(tmp_path: Path) -> None:
    source = tiny()
    write_like_ultralytics(tmp_path / 'best.pt', yolo_state(source))
    done = subprocess.run([sys.executable, '-m', 'anydepth_core', 'convert', tmp_path / 'best.pt',
                           tmp_path / 'out.safetensors', '--model', TINY],
                          check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'missing (0):' in done.stdout and 'left over (0):' in done.stdout
    assert 'model.21.cv3.2.2.bias -> head.score.2.4.bias' in done.stdout
    model, info = load_weights(tmp_path / 'out.safetensors')
    assert info.class_names == ('cup', 'mug', 'jug')
    assert (info.licence, info.resize, info.model) == ('AGPL-3.0', 'letterbox', TINY)
    images = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(model(images, 'full').logits, source(images, 'full').logits,
                               atol=0.05, rtol=0.05)


def test_convert_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = yolo_state(tiny())
    del state['model.8.gamma']
    torch.save(state, tmp_path / 'state.pth')
    target = tmp_path / 'out.safetensors'
    assert cli.main(['convert', str(tmp_path / 'state.pth'), str(target), '--model', TINY]) == 2
    captured = capsys.readouterr()
    assert 'missing (2):\n  backbone.p5.full.block.gamma' in captured.out
    assert captured.err.startswith('anydepth: error: ') and captured.err.count('\n') == 1
    assert not target.exists()


def test_a_hostile_key_does_not_reach_the_terminal(tmp_path: Path,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({**yolo_state(tiny()), 'blue\x1b[2J\ud800': torch.zeros(1)}, tmp_path / 'a.pth')
    assert cli.main(['convert', str(tmp_path / 'a.pth'), str(tmp_path / 'a.safetensors'),
                     '--model', TINY]) == 2
    out, err = capsys.readouterr()
    assert '  blue?[2J?' in out and 'left over (1)' in out
    assert (out + err).replace('\n', '').isprintable()


def test_convert_takes_names_and_licence(tmp_path: Path) -> None:
    torch.save({'model': yolo_state(tiny())}, tmp_path / 'state.pth')
    names, target = tmp_path / 'names.txt', tmp_path / 'out.safetensors'
    names.write_text('eins\n\nzwei\ndrei\n')
    command = ['convert', str(tmp_path / 'state.pth'), str(target), '--model', TINY,
               '--classes', str(names), '--license', 'MIT']
    assert cli.main(command) == 0
    _, info = load_weights(target)
    assert (info.class_names, info.licence) == (('eins', 'zwei', 'drei'), 'MIT')


def test_hugging_face_folder_names_its_classes(tmp_path: Path) -> None:
    save_file({'a': torch.zeros(2)}, tmp_path / 'model.safetensors')
    config = tmp_path / 'config.json'
    config.write_text(json.dumps({'id2label': {'1': 'dog', '0': 'cat'}}))
    assert read_checkpoint(tmp_path / 'model.safetensors').class_names == ('cat', 'dog')
    for text in ('{', '[]', '{"id2label": {"7": "cat"}}', '{"id2label": 3}'):
        config.write_text(text)
        assert read_checkpoint(tmp_path / 'model.safetensors').class_names is None


def test_averaged_weights_are_preferred(tmp_path: Path) -> None:
    ones, zeros = ({'module.w': torch.full((2,), value)} for value in (1.0, 0.0))
    torch.save({'model': zeros, 'ema': {'module': ones, 'updates': 3}}, tmp_path / 'a.pth')
    checkpoint = read_checkpoint(tmp_path / 'a.pth')
    assert checkpoint.tensors.keys() == {'w'} and checkpoint.tensors['w'].tolist() == [1, 1]
    torch.save({'model': zeros, 'ema': None}, tmp_path / 'a.pth')
    assert read_checkpoint(tmp_path / 'a.pth').tensors['w'].tolist() == [0, 0]
