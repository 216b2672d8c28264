# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth doctor` finds what is wrong with a data set, and training does what it says."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import shutil
import struct
from typing import Any
import zlib

import cv2
from drawn_sets import DrawnImages, coco_values, write_coco_split, write_yolo_set
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from anydepth_core.cli import main
from anydepth_core.data.batches import training_batches, validation_batches
from anydepth_core.data.findings import KINDS, Effect
from anydepth_core.data.options import Augmentation, CocoData, YoloTxtData, open_data
from anydepth_core.data.twins import alike, thumbnail
from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.images import read_image, write_image

TRAIN, VAL = DrawnImages(8, 6), DrawnImages(9, 4)
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Return the folder of a set with nothing wrong."""
    write_coco_split(tmp_path, 'train', TRAIN)
    write_coco_split(tmp_path, 'val', VAL)
    return tmp_path


def examined(capsys: Capture, *arguments: Any) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the JSON document."""
    status = main(['doctor', *map(str, arguments), '--json', '--input-size', '160x160'])
    out, err = capsys.readouterr()
    assert not err
    document = json.loads(out)
    assert document['status'] == status
    return status, document


def both(folder: Path) -> tuple[Path, Path]:
    return folder / 'train.json', folder / 'val.json'


def kinds(document: dict[str, Any]) -> dict[str, int]:
    return {finding['kind']: finding['count'] for finding in document['findings']}


def train_and_evaluate(folder: Path) -> int:
    """Go through both splits as training would; return how many objects there were to learn."""
    train, validation = open_data(CocoData(
        format='coco', train_images=str(folder / 'train'),
        train_annotations=str(folder / 'train.json'), validation_images=str(folder / 'val'),
        validation_annotations=str(folder / 'val.json')))
    for _ in validation_batches(validation, input_size=(160, 160), resize='letterbox', batch=2,
                                workers=0):
        pass
    objects = 0
    for batch in training_batches(train, Augmentation(), input_size=(160, 160), workers=0, seed=0,
                                  resize='letterbox', batch=1, first=0, last=len(train)):
        for target in batch.targets:
            objects += len(target.labels)
            assert (target.boxes >= 0).all() and (target.boxes <= 160).all()
    return objects


def test_a_good_set_has_nothing(coco: Path, capsys: Capture) -> None:
    status, document = examined(capsys, *both(coco))
    assert status == 0 and document['findings'] == []
    training, validation = document['splits']
    assert training['role'] == 'training' and validation['role'] == 'validation'
    assert training['images'] == 6 and validation['images'] == 4
    assert training['objects'] == {'red': 2, 'green': 2, 'blue': 2}
    assert training['empty_images'] == training['crowds'] == 0
    assert train_and_evaluate(coco) == 6
    assert main(['doctor', *map(str, both(coco))]) == 0
    out = capsys.readouterr().out
    assert '6 images' in out and 'red 2, green 2, blue 2' in out and 'Nothing found.' in out


Change = Callable[[dict[str, Any], Path], Any]


def image(**changes: Any) -> Change:
    return lambda values, folder: values['images'][0].update(changes)


def another(**changes: Any) -> Change:
    """Add an object of the first image."""
    entry = {'id': 5000, 'image_id': 7, 'category_id': 2, 'bbox': [1, 1, 9, 9], 'iscrowd': 0}
    return lambda values, folder: values['annotations'].append(entry | changes)


def spoiled(data: bytes) -> Change:
    return lambda values, folder: (folder / '000.png').write_bytes(data)


def bomb() -> bytes:
    """Return a PNG file of few bytes that says it has 3.6 billion pixels."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack(
            '>I', zlib.crc32(kind + data))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack(
        '>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(bytes(1000))) \
        + chunk(b'IEND', b'')


def run_lengths() -> bytes:
    """Return a Radiance HDR file, which OpenCV reads under any name and Pillow does not."""
    done, data = cv2.imencode('.hdr', np.zeros((90, 90, 3), np.float32))
    assert done
    return data.tobytes()


def cut_png() -> bytes:
    done, data = cv2.imencode('.png', np.zeros((50, 50, 3), np.uint8))
    assert done
    return data.tobytes()[:40]


def cut_jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)
    done, data = cv2.imencode('.jpg', noise)
    assert done
    return data.tobytes()[:1500]


def twice(values: dict[str, Any], folder: Path) -> None:
    """List the first image once more."""
    values['images'].append(values['images'][0] | {'id': 4000})


PROBLEMS: dict[str, tuple[Change, str, int]] = {  # what is done, kind found, objects to learn
    'missing': (image(file_name='nothere.png'), 'missing-image', 0),
    'up': (image(file_name='../../etc/passwd'), 'unsafe-path', 0),
    'absolute': (image(file_name='/etc/passwd'), 'unsafe-path', 0),
    'image id twice': (image(id=12), 'duplicate-image-id', 0),
    'id is a list': (image(id=[1]), 'malformed-entry', 0),
    'box is not a number': (another(bbox=[0, 0, float('nan'), 3]), 'malformed-entry', 0),
    'category': (another(category_id=77), 'unknown-category', 0),
    'no image': (spoiled(b'nothing'), 'unreadable-image', 0),
    'empty': (spoiled(b''), 'unreadable-image', 0),
    'cut PNG': (spoiled(cut_png()), 'unreadable-image', 0),
    'cut JPEG': (spoiled(cut_jpeg()), 'unreadable-image', 0),
    'bomb': (spoiled(bomb()), 'unreadable-image', 0),
    'another format': (spoiled(run_lengths()), 'unreadable-image', 0),
    'other size': (image(width=33), 'size-differs', 0),
    'no such image': (another(image_id=99), 'unknown-image', 6),
    'no width': (another(bbox=[3, 3, 0, 9]), 'degenerate-box', 6),
    'outside': (another(bbox=[900, 3, 9, 9]), 'box-outside', 6),
    'almost outside': (another(bbox=[-95, 3, 100, 9]), 'box-outside', 6),
    'reaches out': (another(bbox=[-3, 3, 9, 9]), 'box-reaches-out', 7),
    'tiny': (another(bbox=[3, 3, 0.4, 9]), 'tiny-box', 6),
    'object twice': (lambda values, folder: values['annotations'].append(
        values['annotations'][0] | {'id': 5000}), 'duplicate-object', 7),
    'object id twice': (another(id=1000), 'duplicate-object-id', 7),
    'image twice': (twice, 'repeated-image', 6),
    'empty class': (lambda values, folder: values['categories'].append({'id': 90, 'name': 'x'}),
                    'empty-class', 6),
    'class name': (lambda values, folder: values['categories'][0].update(name='traffic\xa0light'),
                   'class-name', 0),
    'leak': (lambda values, folder: shutil.copy(folder / '002.png', folder.parent / 'val/003.png'),
             'leak', 6),
}


@pytest.mark.parametrize('name', PROBLEMS)
def test_what_it_finds_is_what_training_does(name: str, coco: Path, capsys: Capture) -> None:
    change, kind, objects = PROBLEMS[name]
    values = coco_values(TRAIN)
    change(values, coco / 'train')
    (coco / 'train.json').write_text(json.dumps(values))
    if name in ('empty class', 'leak'):  # both splits have the classes; the copy its size
        other = coco_values(VAL)
        change(other, coco / 'train')
        if name == 'leak':
            height, width = TRAIN.load(2).image.shape[:2]
            other['images'][3] |= {'height': height, 'width': width}
        (coco / 'val.json').write_text(json.dumps(other))
    status, document = examined(capsys, *both(coco))
    effect = KINDS[kind].effect
    assert kinds(document).get(kind) == (2 if name == 'empty class' else 1), document
    assert status == (2 if effect in (Effect.REFUSED, Effect.STOPS) else 1)
    finding = next(each for each in document['findings'] if each['kind'] == kind)
    assert finding['effect'] == effect.value and finding['examples'][0]['where']
    if status == 1:
        assert train_and_evaluate(coco) == objects
    else:
        with pytest.raises(AnyDepthError) as caught:
            train_and_evaluate(coco)
        assert '\n' not in str(caught.value)
    assert main(['doctor', *map(str, both(coco)), '--input-size', '160x160']) == status
    assert KINDS[kind].consequence in capsys.readouterr().out


def test_an_image_that_looks_the_same_in_the_other_split(coco: Path, capsys: Capture) -> None:
    picture = read_image(coco / 'train/002.png')
    height, width = picture.shape[0] * 2, picture.shape[1] * 2
    write_image(coco / 'val/003.png', np.asarray(cv2.resize(picture, (width, height)), np.uint8))
    values = coco_values(VAL)
    values['images'][3] |= {'height': height, 'width': width}
    (coco / 'val.json').write_text(json.dumps(values))
    status, document = examined(capsys, *both(coco))
    assert status == 1 and 'near-leak' in kinds(document)
    example = document['findings'][-1]['examples'][0]
    assert '003.png' in example['where'] and '002.png' in example['detail']


def test_thumbnails_tell_pictures_apart() -> None:
    pictures = [sample.image for sample in DrawnImages(11, 40, sides=(100, 160)).samples]
    plain = np.full((60, 60, 3), 90, np.uint8)
    one = np.stack([thumbnail(each) for each in (*pictures, plain)])
    noisy = [np.clip(each + np.random.default_rng(0).normal(0, 5, each.shape), 0, 255).astype(
        np.uint8) for each in pictures]
    other = np.stack([thumbnail(each) for each in (*noisy[::-1], plain)])
    pairs = dict(alike(one, other))
    assert pairs == {index: 39 - index for index in range(40)}
    assert list(alike(one, other[:0])) == []


def test_splits_whose_classes_differ(coco: Path, capsys: Capture) -> None:
    values = coco_values(VAL)
    values['categories'][0]['name'] = 'sky'
    (coco / 'val.json').write_text(json.dumps(values))
    status, document = examined(capsys, *both(coco))
    assert status == 2 and 'class-lists-differ' in kinds(document)
    with pytest.raises(AnyDepthError, match='classes of the splits differ'):
        train_and_evaluate(coco)


def test_a_split_that_cannot_be_read_does_not_hide_the_other(coco: Path, capsys: Capture) -> None:
    (coco / 'train.json').write_text('{')
    status, document = examined(capsys, *both(coco))
    assert status == 2 and kinds(document) == {'unusable-file': 1}
    assert [split['role'] for split in document['splits']] == ['validation']


def test_many_findings_are_counted_and_some_are_shown(coco: Path, capsys: Capture) -> None:
    values = coco_values(TRAIN)
    for number in range(12):
        another(id=6000 + number, image_id=900)(values, coco)
    (coco / 'train.json').write_text(json.dumps(values))
    assert main(['doctor', *map(str, both(coco)), '--examples', '3']) == 1
    out = capsys.readouterr().out
    assert '12 x' in out and 'and 9 more' in out and out.count('no image with id 900') == 3


def test_a_hostile_name_does_not_reach_the_terminal(coco: Path, capsys: Capture) -> None:
    values = coco_values(TRAIN)
    values['categories'][0]['name'] = 'blue\x1b[2J\ud800'
    (coco / 'train.json').write_text(json.dumps(values))
    main(['doctor', *map(str, both(coco))])
    out = capsys.readouterr().out
    assert '\x1b' not in out and '\ud800' not in out and 'blue?[2J?' in out


@pytest.mark.parametrize('name', ['traffic\xa0light', '', 201 * 'x'])
def test_class_names_that_weights_cannot_hold(name: str, tmp_path: Path, capsys: Capture) -> None:
    described = write_yolo_set(tmp_path / 'set', TRAIN, VAL)
    text = described.read_text().replace('blue', json.dumps(name))
    described.write_text(text)
    status, document = examined(capsys, described)
    assert status == 2 and kinds(document) == {'class-name': 2}  # once for each split
    assert 'printable text' in document['findings'][0]['examples'][0]['detail']
    with pytest.raises(AnyDepthError, match='class name'):
        open_data(YoloTxtData(format='yolo', path=str(described)))
    open_data(YoloTxtData(format='yolo', path=str(described), classes=('green', 'red')))


def test_yolo_sets_and_recipes(tmp_path: Path, capsys: Capture) -> None:
    described = write_yolo_set(tmp_path / 'set', TRAIN, VAL)
    assert examined(capsys, described)[0] == 0
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text('model: anydepth-yolo-tiny\niterations: 1\n'
                      f'data: {{format: yolo, path: {tmp_path / "set"}}}\n')
    assert examined(capsys, recipe)[0] == 0
    assert examined(capsys, recipe, 'data.classes=[red]')[1]['splits'][0]['objects'] == {'red': 2}
    (tmp_path / 'set/images/train/001.png').write_bytes(b'')
    (tmp_path / 'set/labels/val/000.txt').write_text('0 1.1 0.5 0.5 0.5\n9 .5 .5 .1 .1\n')
    (tmp_path / 'set/labels/val/002.txt').unlink()
    status, document = examined(capsys, recipe)
    assert status == 2
    assert kinds(document) == {'unreadable-image': 1, 'unknown-category': 1, 'box-reaches-out': 1,
                               'no-label-file': 1, 'empty-class': 1}


def test_one_file_alone_and_a_folder_for_each(coco: Path, capsys: Capture) -> None:
    status, document = examined(capsys, coco / 'val.json')
    assert status == 0 and len(document['splits']) == 1
    for folder in ('train', 'val'):
        (coco / folder).rename(coco / f'my {folder}')
    status, document = examined(capsys, *both(coco), '--images', coco / 'my train', '--images',
                                coco / 'my val')
    assert status == 0


@pytest.mark.parametrize(('arguments', 'message'), [
    (['nothere.json'], 'no such file'),
    (['train.json', 'val.json', 'train.json'], 'one or two JSON files'),
    (['train.json', 'val.json', '--images', 'a', '--images', 'b', '--images', 'c'], 'once for'),
    (['train.json', 'train'], 'or one YAML file'),
    (['train/000.png'], 'not a text file'),
    (['scenes.yaml'], 'generated scenes'),
    (['scenes.yaml', 'dta.format=coco'], 'unknown key'),
])
def test_arguments_that_name_no_data_set(arguments: list[str], message: str, coco: Path,
                                         capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(coco)
    Path('scenes.yaml').write_text('model: anydepth-yolo-tiny\niterations: 1\n')
    assert main(['doctor', *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith('anydepth: error: ') and message in err
    assert err.count('\n') == 1


@given(data=st.binary(max_size=200), format_=st.sampled_from(['.png', '.jpg', '.bmp', '.webp']),
       place=st.integers(0, 400))
@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_image_file_breaks_it(data: bytes, format_: str, place: int, coco: Path,
                                 capsys: Capture) -> None:
    done, encoded = cv2.imencode(format_, TRAIN.load(0).image)
    assert done
    good = encoded.tobytes()
    (coco / 'train/000.png').write_bytes(good[:place] + data + good[place + len(data):])
    status = main(['doctor', str(coco / 'train.json'), '--json'])
    document = json.loads(capsys.readouterr().out)
    assert status in (0, 2) and document['status'] == status
