# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""YOLO-txt data sets: the usual layouts are read, and nothing outside their folder ever is."""

from __future__ import annotations

from pathlib import Path

from drawn_sets import CLASS_NAMES, DrawnImages, write_yolo_set
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from anydepth_core.data.findings import Finding
from anydepth_core.data.options import YoloTxtData, open_data
from anydepth_core.data.records import RecordedImages
from anydepth_core.data.yolo_txt import describes_set, label_file, read_yolo
from anydepth_core.errors import DataError

TRAIN, VAL = DrawnImages(6, 4), DrawnImages(7, 3)


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """Return the YAML file of a good set."""
    return write_yolo_set(tmp_path, TRAIN, VAL)


def names_and_boxes(path: Path, split: str = 'train') -> list[tuple[str, list[float]]]:
    data = RecordedImages(read_yolo(path, split))
    samples = [data.load(index) for index in range(len(data))]
    return [(sample.id, sample.objects.boxes.round(2).tolist()) for sample in samples]


def test_objects_are_read_as_drawn(described: Path) -> None:
    for split, images in (('train', TRAIN), ('val', VAL)):
        data = RecordedImages(read_yolo(described, split))
        assert data.class_names == CLASS_NAMES and len(data) == len(images)
        for index in range(len(images)):
            image, objects, name = data.load(index)
            expected = images.load(index)
            assert name == f'images/{split}/{expected.id}'
            assert np.array_equal(image, expected.image)
            np.testing.assert_allclose(objects.boxes, expected.objects.boxes, atol=1e-3)
            np.testing.assert_allclose(objects.areas, expected.objects.areas, rtol=1e-4)
            assert objects.labels.tolist() == expected.objects.labels.tolist()
            assert not objects.crowd.any()


@pytest.mark.parametrize('text', [
    'train: images/train\nval: images/val\nnames: {0: red, 1: green, 2: blue}\nnc: 3\n',
    'path: .\ntrain: ./images/train/\nval: [images/val]\nnames: [red, green, blue]\n',
    'path: /home/somebody/set\ntrain: ../images/train\nval: ../images/val\n'
    'names: [red, green, blue]\n',
    'train: train.txt\nval: images/val\nnames: [red, green, blue]\n',
], ids=['mapping', 'lists', 'exported', 'text file'])
def test_the_usual_ways_to_describe_a_set(described: Path, text: str) -> None:
    expected = names_and_boxes(described)
    folder = described.parent
    (folder / 'train.txt').write_text(''.join(
        f'{prefix}images/train/{sample.id}\n' for sample, prefix in zip(
            TRAIN.samples, ('', './', '', f'{folder}/'))))
    described.write_text(text)
    assert names_and_boxes(described) == expected
    assert names_and_boxes(folder) == expected, 'its folder does as well'


def test_a_folder_below_and_one_without_a_description(described: Path) -> None:
    expected = [(name, boxes) for name, boxes in names_and_boxes(described)]
    folder = described.parent
    described.unlink()
    (folder / 'classes.txt').write_text('red\ngreen\n\nblue\n')
    assert names_and_boxes(folder) == expected
    below = folder.parent / f'{folder.name}.yaml'
    below.write_text(f'path: {folder.name}\ntrain: images/train\nval: images/val\n')
    assert names_and_boxes(below) == expected
    below.unlink()


def test_outlines_become_their_boxes(described: Path) -> None:
    label = described.parent / 'labels/train/000.txt'
    label.write_text('1 0.25 0.5 0.5 0.25 0.75 0.75\n')
    records = read_yolo(described, 'train')
    assert records.objects(0, (100, 200)).boxes.tolist() == [[50, 25, 150, 75]]
    assert records.objects(0, (100, 200)).labels.tolist() == [1]


def test_only_some_classes(described: Path) -> None:
    records = read_yolo(described, 'train', classes=('blue', 'red'))
    assert records.labels.tolist() == [1, 0, 1] and len(records) == 4
    with pytest.raises(DataError, match=r"no class 'bleu' \(did you mean 'blue'\?\)"):
        read_yolo(described, 'train', classes=('bleu',))


def test_images_without_labels_have_no_objects(described: Path) -> None:
    (described.parent / 'labels/train/001.txt').unlink()
    (described.parent / 'labels/train/002.txt').write_text('\n')
    found: list[Finding] = []
    records = read_yolo(described, 'train', report=found.append)
    assert np.diff(records.starts).tolist() == [1, 0, 0, 1]
    assert [(finding.kind, Path(finding.where).name) for finding in found] == [
        ('no-label-file', '001.png')]


@pytest.mark.parametrize(('line', 'kind', 'message'), [
    ('0 0.5 0.5 0.2', 'malformed-entry', 'line 1: is not a label'),
    ('0 0.5 0.5 0.2 0.2 0.9', 'malformed-entry', 'is not a label'),
    ('0.5 0.5 0.5 0.2 0.2', 'malformed-entry', 'is not a label'),
    ('0 nan 0.5 0.2 0.2', 'malformed-entry', 'is not a label'),
    ('0 1e300 0.5 0.2 0.2', 'malformed-entry', 'is not a label'),
    ('red 0.5 0.5 0.2 0.2', 'malformed-entry', 'is not a label'),
    ('3 0.5 0.5 0.2 0.2', 'unknown-category', 'label 3 is not below 3'),
    ('-1 0.5 0.5 0.2 0.2', 'unknown-category', 'label -1'),
    ('0 0.5 0.5 0 0.2', 'degenerate-box', ''),
])
def test_lines_of_no_use(described: Path, line: str, kind: str, message: str) -> None:
    (described.parent / 'labels/train/000.txt').write_text(line + '\n')
    found: list[Finding] = []
    assert len(read_yolo(described, 'train', report=found.append).boxes) == 3
    assert [finding.kind for finding in found] == [kind]
    if message:
        with pytest.raises(DataError, match=message) as caught:
            read_yolo(described, 'train')
        assert '000.txt' in str(caught.value) and '\n' not in str(caught.value)
    else:
        assert len(read_yolo(described, 'train').boxes) == 3


@pytest.mark.parametrize(('text', 'message'), [
    ('train: [', 'not YAML'),
    ('train: images/train\nnames: !!bool x\n', 'not YAML'),
    ('train: images/train\nnames: !!int ""\n', 'not YAML'),
    ('- a\n', 'described by a mapping'),
    ('[' * 3000, 'not YAML'),
    ('names: [a]\n', "has no 'train'"),
    ('names: [a]\ntrain: 3\n', "has no 'train'"),
    ('train: images/train\n', "has no 'names'"),
    ('train: images/train\nnames: [a, a, b]\n', 'used twice'),
    ('train: images/train\nnames: [[a]]\n', 'list of texts'),
    ('train: images/train\nnames: {1: a, 2: b}\n', 'count up from 0'),
    ('train: images/train\nnames: [a]\nnc: 2\n', "'nc' is not 1"),
    ('train: images/none\nnames: [a]\n', 'neither a folder nor'),
    ('train: /etc\nnames: [a]\n', "'/etc' leads out"),
    ('train: images/../../..\nnames: [a]\n', 'leads out'),
    ('path: [.]\ntrain: images\nnames: [a]\n', "'path' is not a text"),
    ('train: list.txt\nnames: [a, b, c]\n', "'/etc/passwd' leads out"),
    ('train: images/train/000.png\nnames: [a]\n', 'neither a folder nor'),
    ('train: binary.txt\nnames: [a]\n', 'not a text file'),
    ('train: other\nnames: [a]\n', 'none of the 1 images has a label file'),
    ('a: &a [x, x, x, x, x, x, x, x, x]\n' + ''.join(
        f'{name}: &{name} [{", ".join(["*" + before] * 9)}]\n'
        for before, name in zip('abcdefgh', 'bcdefghi')) + 'nc: *i\nnames: [a]\ntrain: b\n',
     "'nc' is not 1"),
])
def test_what_is_wrong_is_said_in_one_line(described: Path, text: str, message: str) -> None:
    folder = described.parent
    (folder / 'list.txt').write_text('images/train/000.png\n/etc/passwd\n')
    (folder / 'binary.txt').write_bytes(b'\xff\xfe\x00')
    (folder / 'other').mkdir()
    (folder / 'images/train/000.png').rename(folder / 'other/a.png')
    described.write_text(text)
    with pytest.raises(DataError) as caught:
        read_yolo(described, 'train')
    assert message in str(caught.value)
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 500


@given(text=st.text(alphabet='0123. -e\nnaif', max_size=60))
@settings(max_examples=100, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_label_file_gets_past_with_anything_but_finite_boxes(described: Path, text: str,
                                                                ) -> None:
    (described.parent / 'labels/train/000.txt').write_text(text)
    records = read_yolo(described, 'train', report=lambda finding: None)
    assert np.isfinite(records.boxes).all()
    assert (records.boxes[:, 2:] >= records.boxes[:, :2]).all()


def test_label_files_lie_beside_the_last_folder_of_images() -> None:
    assert label_file('images/train/a.b.jpg') == 'labels/train/a.b.txt'
    assert label_file('images/my images/images/a.jpg') == 'images/my images/labels/a.txt'
    assert label_file('train/a.jpg') == 'train/a.txt'


def test_both_splits_are_opened(described: Path) -> None:
    train, validation = open_data(YoloTxtData(format='yolo', path=str(described), cache_mb=1))
    assert (len(train), len(validation)) == (4, 3)
    assert train.load(0).image is not None
    assert describes_set(described) and describes_set(described.parent)
    recipe = described.parent / 'recipe.yaml'
    recipe.write_text('model: anydepth-yolo-n\n')
    assert not describes_set(recipe)
