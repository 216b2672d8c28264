# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The scripts that judge weights, as processes, on a COCO data set of a few small scenes."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
from pathlib import Path
import re
import subprocess
import sys

from evaluation_cases import Case, judged_by_pycocotools
import pytest
import torch
import yaml

from anydepth_core.data.scenes import CLASS_NAMES, write_coco
from anydepth_core.evaluate import command
from anydepth_core.evaluate.coco import NUMBERS
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import ModelInfo, save_weights
from anydepth_core.runtime.images import read_image

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 6
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data file: scenes as COCO, with gaps in all ids and a crowd."""
    folder = tmp_path_factory.mktemp('data')
    path = write_coco(folder / 'scenes', IMAGES, seed=3, size=(240, 320))
    document = json.loads(path.read_text())
    images = {row['id']: 100 + 7 * row['id'] for row in document['images']}
    categories = {row['id']: 5 + 3 * row['id'] for row in document['categories']}
    for row in document['images']:
        row['id'] = images[row['id']]
    for row in document['categories']:
        row['id'] = categories[row['id']]
    for number, row in enumerate(document['annotations']):
        row.update(image_id=images[row['image_id']], iscrowd=int(number % 9 == 4),
                   category_id=categories[row['category_id']], id=1000 + 2 * number)
    path.write_text(json.dumps(document))
    pictures = path.parent / 'images'
    part = {'format': 'coco', 'train_images': str(pictures), 'validation_images': str(pictures),
            'train_annotations': str(path), 'validation_annotations': str(path)}
    if '/' in document['images'][0]['file_name']:
        part['train_images'] = part['validation_images'] = str(path.parent)
    (folder / 'data.yaml').write_text(yaml.safe_dump(part))
    return folder / 'data.yaml'


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return weights of a tiny DETR, random, with the classes of the scenes."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_weights(path, create_model('anydepth-detr-tiny', len(CLASS_NAMES)), ModelInfo(
        model='anydepth-detr-tiny', class_names=CLASS_NAMES, input_size=(96, 128),
        resize='stretch'))
    return path


def script(name: str, *words: object) -> tuple[int, str, str]:
    """Run a script; return exit status, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, f'training/{name}.py', *map(str, words)], cwd=ROOT, text=True,
        capture_output=True, check=False, timeout=240,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'})
    assert 'Traceback' not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def in_process(monkeypatch: pytest.MonkeyPatch, name: str, *words: object) -> int:
    """Run a script here, which is quicker; return the exit status."""
    spec = importlib.util.spec_from_file_location(f'script_{name}', ROOT / f'training/{name}.py')
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, 'argv', [name, *map(str, words)])
    return command.main(name, module.parser(), module.run)


def test_evaluate_tells_what_pycocotools_finds_in_its_predictions(data: Path,
                                                                  tmp_path: Path) -> None:
    status, out, err = script('evaluate', 'scenes', '--data', data, '--json', '--batch', 4,
                              '--predictions', tmp_path / 'found', '--pictures',
                              tmp_path / 'pictures')
    assert status == 0, err
    told = json.loads(out)
    assert told['images'] == IMAGES and told['class_names'] == list(CLASS_NAMES)
    annotations = Path(yaml.safe_load(data.read_text())['validation_annotations'])
    case = Case(json.loads(annotations.read_text()), [], [], [], [])
    for depth in ('full', 'base'):
        results = json.loads((tmp_path / 'found' / f'{depth}.json').read_text())
        judge = judged_by_pycocotools(tmp_path, case, results)
        numbers = [told['depths'][depth][name] for name in NUMBERS]
        assert numbers == pytest.approx(judge.stats.tolist(), abs=6e-6)  # told with five digits
        assert numbers[0] > 0.1
    drawn = {path.name for path in (tmp_path / 'pictures').iterdir()}
    assert drawn == {'classes.png', 'confusion.png', 'precision_recall.png', 'predictions.jpg'}


def test_evaluate_prints_a_table_of_any_depths(data: Path, weights: Path) -> None:
    status, out, err = script('evaluate', weights, '--data', data, '--depths',
                              'full,base+p4@1', '--limit', 2, '--input-size', '96x64',
                              '--workers', 0)
    assert status == 0, err
    assert out.splitlines()[0].split('|')[2:5] == [' full ', ' base+p4@1 ', ' difference ']
    assert any(line.startswith('| AR100 ') for line in out.splitlines())


def test_sweep_writes_table_json_csv_and_plots(data: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / 'new' / 'sweep'
    # It measures times first, with threads of OpenCV's, and then starts a worker process.
    status, table, err = script('sweep', weights, out, '--data', data, '--limit', 2, '--rounds', 1)
    assert status == 0, err
    document = json.loads((out / 'sweep.json').read_text())
    assert [row['depth'] for row in document['rows']][:2] == ['full', 'full-p2']
    assert len(table.splitlines()) == 2 + len(document['rows'])
    assert all(row['latency_ms'] > 0 for row in document['rows'])
    assert len((out / 'sweep.csv').read_text().splitlines()) == 1 + len(document['rows'])
    assert read_image(out / 'sweep.png').shape[1] > 1000
    assert (out / 'sweep.svg').read_text().startswith('<?xml')


def test_sweep_of_given_depths_beside_another(data: Path, weights: Path, tmp_path: Path,
                                              capsys: pytest.CaptureFixture[str],
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / 'sweep.json'
    other.write_text(json.dumps({'format': 'anydepth-sweep', 'schema_version': 1, 'rows': [
        {'depth': 'full', 'ap': 0.5, 'gflops': 1.0, 'latency_ms': None}]}))
    status = in_process(monkeypatch, 'sweep', weights, tmp_path / 'few', '--data', data, '--limit',
                        1, '--rounds', 0, '--depths', 'base,full', '--beside', other,
                        '--workers', 0)
    table = capsys.readouterr().out
    assert status == 0 and 'fps' not in table and len(table.splitlines()) == 4
    assert (tmp_path / 'few' / 'sweep.png').exists()


def test_cka_of_several_weights(data: Path, weights: Path, tmp_path: Path) -> None:
    status, table, err = script('cka', f'ours={weights}', '--post-hoc', f'split={weights}',
                                '--data', data, '--limit', 2, '--out', tmp_path)
    assert status == 0, err
    header = [cell.strip() for cell in table.splitlines()[0].strip('|').split('|')]
    assert header == ['stage', 'ours: pass', 'split: pass', 'ours: stage', 'split: stage']
    told = json.loads((tmp_path / 'cka.json').read_text())['weights']
    assert set(told['ours']['cka']['pass']) == {'p2', 'p3', 'p4', 'p5', 'fpn4', 'fpn3', 'pan4',
                                                'pan5'}
    assert told['split']['post_hoc'] and not told['ours']['post_hoc']
    assert (tmp_path / 'cka.png').exists() and (tmp_path / 'cka.svg').exists()


def test_names_are_split_off_paths() -> None:
    def usual(path: Path) -> str:
        return path.stem

    assert command.named('ours=runs/lr=0.1/a.json', usual) == ('ours', 'runs/lr=0.1/a.json')
    assert command.named('runs/lr=0.1/a.json', usual) == ('a', 'runs/lr=0.1/a.json')
    assert command.named('=a.json', usual)[1] == '=a.json'


def test_visualise_draws_both_sheets(data: Path, weights: Path, tmp_path: Path) -> None:
    status, _, err = script('visualise', weights, tmp_path, '--data', data, '--count', 3,
                            '--score-threshold', 0.05, '--cell', 120)
    assert status == 0, err
    assert read_image(tmp_path / 'boxes.png').shape == (90, 3 * 126 - 6, 3)
    assert read_image(tmp_path / 'heatmaps.png').shape == (3 * 66 - 6, 5 * 86 - 6, 3)


@pytest.mark.parametrize(('words', 'message'), [
    (['evaluate', 'scenes', '--data', 'none.yaml'], 'evaluate: error: .*none.yaml'),
    (['evaluate', 'scenes', '--data', 'DATA', '--depths', 'ful'], "evaluate: error: .*'full'"),
    (['evaluate', 'scenes', '--data', 'DATA', '--set', 'classes=[ball]'],
     'evaluate: error: scenes finds 8 classes, the data set has 1'),
    (['sweep', 'scenes', 'OUT', '--data', 'DATA', '--beside', 'DATA'],
     'sweep: error: .*not JSON'),
    (['sweep', 'scenes', 'OUT', '--data', 'DATA', '--beside', 'runs/a/sweep/sweep.json',
      '--beside', 'runs/b/sweep/sweep.json'],
     "sweep: error: 2 results are called 'sweep'; give NAME=PATH"),
    (['sweep', 'scenes', 'OUT', '--data', 'DATA', '--title', 'a', '--beside', 'a=sweep.json'],
     "sweep: error: 2 results are called 'a'; give NAME=PATH"),
    (['cka', 'runs/a/best_mean.safetensors', 'runs/b/best_mean.safetensors', '--data', 'DATA'],
     "cka: error: 2 results are called 'best_mean'; give NAME=PATH"),
    (['cka', 'scenes', '--post-hoc', 'scenes', '--data', 'DATA'],
     "cka: error: 2 results are called 'scenes'; give NAME=PATH"),
    (['visualise', 'scenes', 'OUT', '--data', 'DATA', '--pick', '1,99'],
     'visualise: error: --pick 1,99: there are 6 images'),
])
def test_errors_are_one_line(words: list[str], message: str, data: Path, tmp_path: Path,
                             monkeypatch: pytest.MonkeyPatch,
                             capsys: pytest.CaptureFixture[str]) -> None:
    words = [str({'DATA': data, 'OUT': tmp_path}.get(word, word)) for word in words]
    assert in_process(monkeypatch, *words) == 2
    out, err = capsys.readouterr()
    assert not out and err.count('\n') == 1, err
    assert re.match(message, err), err


def test_workers_are_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    for wrong in ('-1', 'two', '1.5'):
        with pytest.raises(SystemExit):
            parser.parse_args(['--data', 'x', f'--workers={wrong}'])
        assert f'{wrong!r} is not a whole number from 0 on' in capsys.readouterr().err
    assert parser.parse_args(['--data', 'x', '--workers', '0']).workers == 0


def test_an_error_of_a_process_is_exit_status_two(data: Path) -> None:
    status, out, err = script('cka', 'nowhere=none.safetensors', '--data', data)
    assert (status, out) == (2, '') and err.startswith("cka: error: no weights 'none.safetensors'")
