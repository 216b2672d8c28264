# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The command line: results on stdout, messages on stderr, exit status, no traceback."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from anydepth_core import cli
from anydepth_core.commands.detect import parse_classes
from anydepth_core.errors import AnyDepthError
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import ModelInfo, save_weights

ROOT = Path(__file__).parents[1]
NAMES = ('cat', 'dog', 'traffic cone')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_weights(path, create_model('anydepth-yolo-tiny', len(NAMES)),
                 ModelInfo(model='anydepth-yolo-tiny', class_names=NAMES, input_size=(64, 64)))
    return str(path)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    for name in ('a.png', 'b.jpg'):
        cv2.imwrite(str(folder / name), pixels)
    (folder / 'notes.txt').write_text('no image')
    return folder


def anydepth(capsys, *words):
    """Run in this process; return exit status, stdout, stderr."""
    try:
        status = cli.main([str(word) for word in words])
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    assert 'Traceback' not in err
    return status, out, err


def start(*words, program=('-m', 'anydepth_core'), **settings):
    return subprocess.Popen([sys.executable, *program, *words], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)


def test_help_is_quick_and_lists_every_command():
    code = ('import sys; from anydepth_core.cli import build_parser; '
            'print(build_parser().format_help()); '
            'slow = {"torch", "cv2", "numpy"} & set(sys.modules); assert not slow, slow')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    for command in cli.COMMANDS:
        assert f'    {command} ' in done.stdout


def test_the_package_imports_without_torch_and_offers_its_names():
    code = ('import sys, anydepth_core; assert "torch" not in sys.modules; '
            'names = [getattr(anydepth_core, name) for name in anydepth_core.__all__]; '
            'assert all(names) and set(anydepth_core.__all__) <= set(dir(anydepth_core))')
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True)


def test_no_command_is_an_error(capsys):
    status, _, err = anydepth(capsys)
    assert status == 2 and 'COMMAND' in err


def test_json(capsys, weights, pictures):
    status, out, err = anydepth(capsys, 'detect', pictures, '--weights', weights, '--depth',
                                'base', '--device', 'cpu', '--score-threshold', '0.001', '--json')
    assert status == 0 and 'base on cpu' in err
    document = json.loads(out)
    assert document['schema_version'] == 1 and document['model'] == 'anydepth-yolo-tiny'
    assert document['errors'] == []
    assert [Path(each['file']).name for each in document['images']] == ['a.png', 'b.jpg']
    for each in document['images']:
        assert (each['height'], each['width'], each['depth']) == (40, 60, 'base')
        assert each['timing_ms']['total'] > 0
        assert each['detections']
        for found in each['detections']:
            assert found['class'] == NAMES[found['label']]
            x1, y1, x2, y2 = found['box']
            assert 0 <= x1 < x2 <= 60 and 0 <= y1 < y2 <= 40 and 0 <= found['score'] <= 1


def test_table_files_and_pictures(capsys, weights, pictures, tmp_path):
    twin = tmp_path / 'other' / 'a.png'
    twin.parent.mkdir()
    twin.write_bytes((pictures / 'a.png').read_bytes())
    status, out, _ = anydepth(capsys, 'detect', pictures, twin, '--weights', weights,
                              '--score-threshold', '0.001', '--classes', 'cat,2',
                              '--save', tmp_path / 'new' / 'drawn')
    assert status == 0 and '60x40' in out
    assert 'cat ' in out + ' ' and 'dog' not in out
    names = sorted(path.name for path in (tmp_path / 'new' / 'drawn').iterdir())
    assert names == ['a.detections-2.png', 'a.detections.png', 'b.detections.jpg']
    drawn = cv2.imread(str(tmp_path / 'new' / 'drawn' / 'a.detections.png'))
    assert drawn.shape == (40, 60, 3)
    assert not np.array_equal(drawn, cv2.imread(str(pictures / 'a.png')))


def test_bad_images_are_told_and_the_others_done(capsys, weights, pictures, tmp_path):
    whole, jpeg = ((pictures / name).read_bytes() for name in ('a.png', 'b.jpg'))
    bad = {'cut.png': whole[:len(whole) // 2], 'empty.jpg': b'', 'text.jpg': b'hello',
           'cut.jpg': jpeg[:900], 'last_bytes_cut.jpg': jpeg[:-2],
           'huge.ppm': b'P6\n100000 100000\n255\n' + b'0' * 100}
    for name, data in bad.items():
        (pictures / name).write_bytes(data)
    file = tmp_path / 'result.json'
    status, out, err = anydepth(capsys, 'detect', pictures / 'none.png', pictures, '--weights',
                                weights, '--json', file)
    assert status == 2 and out == ''
    document = json.loads(file.read_text())
    assert [Path(each['file']).name for each in document['images']] == ['a.png', 'b.jpg']
    for name in ('none.png', *bad):
        lines = [line for line in err.splitlines() if line.startswith('anydepth: error: ')
                 and f'/{name}: ' in line]
        assert len(lines) == 1, (name, err)
    assert len(document['errors']) == len(bad) + 1
    assert f'{len(bad) + 1} of {len(bad) + 3} images failed' in err


def test_a_path_that_no_file_can_have_is_a_bad_image(capsys, weights, pictures):
    status, out, err = anydepth(capsys, 'detect', 'x' * 300, pictures / 'a.png', '--weights',
                                weights)
    assert status == 2 and 'a.png: 60x40' in out
    assert f'anydepth: error: {"x" * 300}: cannot be read (File name too long)\n' in err


@pytest.mark.parametrize('words, message', [
    (['--weights', 'no/such.safetensors'], "no weights 'no/such.safetensors'"),
    (['--depth', 'bsae'], "did you mean 'base'?"),
    (['--device', 'cuda:99'], "'cuda:99' is not available"),
    (['--backend', 'torhc'], "did you mean 'torch'?"),
    (['--classes', 'dgo'], "did you mean 'dog'?"),
    (['--classes', '3'], "unknown class '3'"),
    (['--classes', ','], 'names no class'),
    (['--score-threshold', '2'], 'between 0 and 1'),
    (['--json', 'b.jpg'], 'must end in .json'),
    (['--json', '/dev/null/a.json'], '--json /dev/null/a.json: there is no folder'),
    (['--save', '/dev/null/x'], '--save'),
])
def test_bad_arguments(capsys, weights, pictures, words, message):
    status, out, err = anydepth(capsys, 'detect', pictures / 'a.png', '--weights', weights, *words)
    assert status == 2 and out == '' and message in err
    assert len([line for line in err.splitlines() if 'error' in line]) == 1


def test_a_failed_write_leaves_the_old_json(capsys, weights, pictures, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, 'No space left on device')

    file = tmp_path / 'result.json'
    file.write_text('old')
    monkeypatch.setattr(os, 'replace', fail)
    status, _, err = anydepth(capsys, 'detect', pictures, '--weights', weights, '--json', file)
    assert status == 2 and f'cannot write {file}: No space left' in err
    assert file.read_text() == 'old' and set(tmp_path.iterdir()) == {file, pictures}


def test_an_empty_folder(capsys, weights, tmp_path):
    status, _, err = anydepth(capsys, 'detect', tmp_path, '--weights', weights)
    assert status == 2 and 'holds no image' in err


def test_classes():
    assert parse_classes(None, NAMES) is None
    assert parse_classes('traffic cone, 0', NAMES) == [2, 0]
    assert parse_classes('10', ('a', '10')) == [1]
    with pytest.raises(AnyDepthError, match='and 68 more'):
        parse_classes('x', [f'class{n}' for n in range(80)])


def test_models(capsys):
    status, out, _ = anydepth(capsys, 'models', '--json', 'anydepth-*-tiny')
    rows = json.loads(out)['models']
    assert status == 0
    assert [row['name'] for row in rows] == ['anydepth-detr-tiny', 'anydepth-yolo-tiny']
    for row in rows:
        assert row['parameters'] == sum(p.numel() for p in create_model(row['name']).parameters())
        assert 0 < row['gflops_base'] < row['gflops_full'] and 'p2' in row['stages']
    assert rows[0]['decoder_layers'] and rows[1]['decoder_layers'] is None
    status, out, _ = anydepth(capsys, 'models', '*-yolo-tiny')
    assert status == 0 and f'{rows[1]["parameters"]:,}' in out
    status, _, err = anydepth(capsys, 'models', 'nothing')
    assert status == 2 and 'no model matches' in err


def test_a_reader_that_goes_away_is_no_traceback():
    process = start('models', env=os.environ | {'PYTHONUNBUFFERED': '1'})
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == ''


def test_interrupting_is_no_traceback():
    # As the console script does: `python -m` dies of an interrupt within `exec` of a text, by
    # which dataclasses are made, even where it was caught. A shell says 130 then, too.
    process = start('models', program=('-c', 'import sys; from anydepth_core.cli import main; '
                                       'sys.exit(main())'))
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == 'anydepth: interrupted\n'


def test_waiting_threads_soon_sleep_unless_the_user_says_otherwise(monkeypatch) -> None:
    """See docs/decisions/0004."""
    import os

    from anydepth_core.runtime.cores import share_cores
    for policy, spins in ((None, '1000'), ('ACTIVE', None), ('PASSIVE', None)):
        monkeypatch.delenv('GOMP_SPINCOUNT', raising=False)
        monkeypatch.delenv('OMP_WAIT_POLICY', raising=False)
        if policy:
            monkeypatch.setenv('OMP_WAIT_POLICY', policy)
        share_cores()
        assert os.environ['OMP_WAIT_POLICY'] == (policy or 'PASSIVE')
        assert os.environ.get('GOMP_SPINCOUNT') == spins
    monkeypatch.delenv('OMP_WAIT_POLICY')
    monkeypatch.setenv('GOMP_SPINCOUNT', '7')
    share_cores()
    assert os.environ['GOMP_SPINCOUNT'] == '7'


def test_doctor_tells_what_runs_here(capsys):
    status, out, _ = anydepth(capsys, 'doctor')
    assert status == 0 and 'torch cpu' in out and 'usable' in out
    status, out, _ = anydepth(capsys, 'doctor', '--json')
    assert {'backend': 'torch', 'device': 'cpu'}.items() <= next(
        each for each in json.loads(out)['backends'] if each['backend'] == 'torch').items()
