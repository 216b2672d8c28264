# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""COCO JSON: read as meant, and whatever is wrong with it said in one line."""

from __future__ import annotations

from collections.abc import Callable
import json
import os
from pathlib import Path
from typing import Any

from drawn_sets import CLASS_NAMES, DrawnImages, coco_values, write_coco_split
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from anydepth_core.data.coco import read_coco
from anydepth_core.data.findings import Finding
from anydepth_core.data.options import CocoData, SceneData, open_data
from anydepth_core.data.records import RecordedImages, Records, unsafe
from anydepth_core.data.scenes import write_coco
from anydepth_core.errors import DataError, ImageError
from anydepth_core.runtime.images import write_image

IMAGES = DrawnImages(4, 5)


@pytest.fixture(scope='module')
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('coco')
    write_coco_split(folder, 'train', IMAGES)
    return folder / 'train'


def write(values: Any, folder: Path) -> Path:
    path = folder / 'annotations.json'
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return path


def test_objects_are_read_as_drawn(pictures: Path) -> None:
    records = read_coco(pictures.parent / 'train.json', pictures)
    data = RecordedImages(records)
    assert data.class_names == CLASS_NAMES, 'labels follow the ids, which have gaps'
    assert len(data) == len(IMAGES) and not data.endless
    for index in range(len(IMAGES)):
        image, objects, name = data.load(index)
        expected = IMAGES.load(index)
        assert name == expected.id and np.array_equal(image, expected.image)
        for found, drawn in zip(objects, expected.objects):
            assert found.dtype == drawn.dtype
            np.testing.assert_array_equal(found, drawn)


def test_the_folder_of_images_is_found(pictures: Path, tmp_path: Path) -> None:
    assert read_coco(pictures.parent / 'train.json').folder == pictures
    scenes = write_coco(tmp_path / 'scenes', 2, seed=1, size=(96, 128))
    assert len(read_coco(scenes)) == 2
    with pytest.raises(DataError, match='name their folder'):
        read_coco(write(coco_values(IMAGES), tmp_path))


def test_crowds_areas_and_boxes_that_reach_out_are_kept(pictures: Path, tmp_path: Path) -> None:
    values = coco_values(IMAGES)
    values['annotations'] = [
        {'id': 1, 'image_id': 7, 'category_id': 2, 'bbox': [-5, -5.5, 30, 30], 'area': 77.5,
         'iscrowd': 1},
        {'id': 2, 'image_id': 7, 'category_id': 11, 'bbox': [1, 1, 4, 5]},
        {'id': 3, 'image_id': 7, 'category_id': 11, 'bbox': [-20, 1, 20, 5]}]
    objects = RecordedImages(read_coco(write(values, tmp_path), pictures)).load(0).objects
    assert objects.boxes.tolist() == [[-5, -5.5, 25, 24.5], [1, 1, 5, 6]]
    assert objects.crowd.tolist() == [True, False]
    assert objects.areas.tolist() == [77.5, 20], 'without an area it is that of the box'


def test_only_some_classes_in_the_order_asked_for(pictures: Path) -> None:
    records = read_coco(pictures.parent / 'train.json', pictures, classes=('blue', 'red'))
    assert records.class_names == ('blue', 'red')
    assert len(records) == len(IMAGES), 'images without their objects stay'
    assert records.labels.tolist() == [1, 0, 1]
    assert np.diff(records.starts).tolist() == [1, 0, 1, 1, 0]
    with pytest.raises(DataError, match=r"no class 'bleu' \(did you mean 'blue'\?\)"):
        read_coco(pictures.parent / 'train.json', pictures, classes=('bleu',))


def test_marked_images_are_left_out(pictures: Path, tmp_path: Path) -> None:
    values = coco_values(IMAGES)
    for number, entry in enumerate(values['images']):
        entry['near_copy'] = number in (1, 2)
    path = write(values, tmp_path)
    records = read_coco(path, pictures, skip='near_copy')
    assert records.names == [IMAGES.load(index).id for index in (0, 3, 4)]
    assert records.labels.tolist() == [0, 0, 1]
    with pytest.raises(DataError, match=r"no image in .* key 'nearcopy' \(did you mean 'near_c"):
        read_coco(path, pictures, skip='nearcopy')


def edited(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    values = coco_values(IMAGES)
    change(values)
    return values


def first(values: dict[str, Any], part: str, **changes: Any) -> None:
    values[part][0].update(changes)


BROKEN = {
    'no JSON': ('{"images": [', 'not JSON'),
    'endless nesting': ('[' * 100_000, 'not JSON'),
    'long number': ('9' * 5000, 'not JSON'),
    'a list': ([], 'not a list'),
    'no lists': ({'images': {}}, "no list 'images'"),
    'no categories': (edited(lambda v: v.update(categories=[])), 'no category'),
    'category is no object': (edited(lambda v: v.update(categories=[3])), 'category 0'),
    'category twice': (edited(lambda v: first(v, 'categories', id=2)), 'used twice'),
    'class name twice': (edited(lambda v: first(v, 'categories', name='red')), 'used twice'),
    'image is no object': (edited(lambda v: v['images'].insert(0, 'x')), 'image 0'),
    'image id twice': (edited(lambda v: first(v, 'images', id=12)), '12 is used twice'),
    'image id is a list': (edited(lambda v: first(v, 'images', id=[7])), 'whole number or a text'),
    'image id is a fraction': (edited(lambda v: first(v, 'images', id=7.5)), 'id 7.5 is not'),
    'no file name': (edited(lambda v: first(v, 'images', file_name=None)), 'file_name None'),
    'negative width': (edited(lambda v: first(v, 'images', width=-4)), 'width -4'),
    'width is true': (edited(lambda v: first(v, 'images', width=True)), 'width True'),
    'path up': (edited(lambda v: first(v, 'images', file_name='../../etc/passwd')), 'leads out'),
    'absolute path': (edited(lambda v: first(v, 'images', file_name='/etc/passwd')), 'leads out'),
    'nul': (edited(lambda v: first(v, 'images', file_name='a\0.png')), 'leads out'),
    'surrogate': (edited(lambda v: first(v, 'images', file_name='\ud800.png')), 'leads out'),
    'missing image': (edited(lambda v: first(v, 'images', file_name='nothere.png')), 'not there'),
    'missing folder': (edited(lambda v: first(v, 'images', file_name='no/a.png')), 'not there'),
    'object is no object': (edited(lambda v: v['annotations'].insert(0, None)), 'annotation 0'),
    'unknown category': (edited(lambda v: first(v, 'annotations', category_id=99)), 'with id 99'),
    'category as text': (edited(lambda v: first(v, 'annotations', category_id='2')), "id '2'"),
    'box not a number': (edited(lambda v: first(v, 'annotations', bbox=[0, 0, float('nan'), 1])),
                         'four numbers'),
    'endless box': (edited(lambda v: first(v, 'annotations', bbox=[0, 0, float('inf'), 1])),
                    'four numbers'),
    'huge box': (edited(lambda v: first(v, 'annotations', bbox=[0, 0, 10**400, 1])),
                 'four numbers'),
    'short box': (edited(lambda v: first(v, 'annotations', bbox=[0, 0, 1])), 'four numbers'),
    'box of texts': (edited(lambda v: first(v, 'annotations', bbox=['0', 0, 1, 1])),
                     'four numbers'),
    'no box': (edited(lambda v: v['annotations'][0].pop('bbox')), 'bbox None'),
}


@pytest.mark.parametrize('name', BROKEN)
def test_what_is_wrong_is_said_in_one_line(name: str, pictures: Path, tmp_path: Path) -> None:
    values, message = BROKEN[name]
    path = write(values, tmp_path)
    with pytest.raises(DataError) as caught:
        read_coco(path, pictures)
    text = str(caught.value)
    assert message in text and '\n' not in text and len(text) < 500
    assert str(path) in text or str(pictures) in text


def test_files_and_folders_that_are_not_there(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match='cannot be read'):
        read_coco(tmp_path / 'none.json', pictures)
    with pytest.raises(DataError, match='no such folder'):
        read_coco(pictures.parent / 'train.json', tmp_path / 'none')


def test_objects_of_no_use_are_left_out_and_reported(pictures: Path, tmp_path: Path) -> None:
    good = coco_values(IMAGES)['annotations']
    values = coco_values(IMAGES)
    values['annotations'] += [
        {'id': 2000, 'image_id': 8, 'category_id': 2, 'bbox': [0, 0, 5, 5]},
        {'id': 2000, 'image_id': 7, 'category_id': 2, 'bbox': [0, 0, 0, 5]},
        {'id': 2001, 'image_id': 7, 'category_id': 2, 'bbox': [4, 4, 5, -1]}]
    found: list[Finding] = []
    path = write(values, tmp_path)
    records = read_coco(path, pictures, report=found.append)
    assert [finding.kind for finding in found] == [
        'unknown-image', 'duplicate-object-id', 'degenerate-box', 'degenerate-box']
    assert len(records.boxes) == len(read_coco(path, pictures).boxes) == len(good)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from(['000.png', 7, 2]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(['id', 'image_id', 'category_id', 'bbox', 'file_name', 'name', 'width',
                         'height', 'area', 'iscrowd']), inner, max_size=6), max_leaves=12)


@given(parts=st.fixed_dictionaries({part: st.lists(json_values, max_size=4) for part in (
    'images', 'annotations', 'categories')}), keep=st.booleans())
@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_json_gets_past_as_anything_but_records_or_a_data_error(
        parts: dict[str, list[Any]], keep: bool, pictures: Path, tmp_path: Path) -> None:
    values = coco_values(IMAGES)
    path = write({part: values[part] + parts[part] if keep else parts[part] for part in parts},
                 tmp_path)
    require_records_or_data_error(lambda: read_coco(path, pictures))
    require_records_or_data_error(lambda: read_coco(path, pictures, report=lambda finding: None))


def require_records_or_data_error(read: Callable[[], Records]) -> None:
    try:
        records = read()
    except DataError as error:
        assert '\n' not in str(error)
    else:
        assert np.isfinite(records.boxes).all() and np.isfinite(records.areas).all()
        for index in range(len(records)):
            records.objects(index, (10, 10))


def test_an_image_of_another_size_is_refused_when_it_comes(pictures: Path, tmp_path: Path) -> None:
    values = coco_values(IMAGES)
    first(values, 'images', width=9)
    data = RecordedImages(read_coco(write(values, tmp_path), pictures))
    with pytest.raises(DataError, match=r'000\.png: .* says 9x'):
        data.load(0)


def test_an_image_that_is_none_is_refused_when_it_comes(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / '000.png').write_bytes(b'no image')
    values = coco_values(IMAGES)
    values['images'] = values['images'][:1]
    data = RecordedImages(read_coco(write(values, tmp_path), tmp_path))
    with pytest.raises(ImageError, match=r'000\.png'):
        data.load(0)


@pytest.mark.parametrize(('name', 'bad'), [
    ('a.png', False), ('deep/er/a.png', False), ('a..b.png', False), ('~a.png', False),
    ('./a.png', False), ('a b:c.png', False), ('', True), ('.', True), ('..', True), ('/a', True),
    ('a/../b', True), ('//a', True), ('a\n', True)])
def test_names_that_lead_out_of_their_folder(name: str, bad: bool) -> None:
    assert unsafe(name) is bad


def options(folder: Path, **changes: Any) -> CocoData:
    return CocoData(**{  # type: ignore[arg-type]
        'format': 'coco', 'train_images': str(folder / 'train'),
        'train_annotations': str(folder / 'train.json'),
        'validation_images': str(folder / 'val'),
        'validation_annotations': str(folder / 'val.json'), **changes})


def test_both_splits_are_opened_and_must_agree(tmp_path: Path) -> None:
    write_coco_split(tmp_path, 'train', IMAGES)
    write_coco_split(tmp_path, 'val', DrawnImages(5, 3))
    train, validation = open_data(options(tmp_path, cache_mb=1))
    assert len(train) == 5 and len(validation) == 3
    assert train.class_names == validation.class_names == CLASS_NAMES
    assert open_data(options(tmp_path, classes=('green',)))[0].class_names == ('green',)
    values = coco_values(DrawnImages(5, 3))
    values['categories'][0]['name'] = 'sky'
    (tmp_path / 'val.json').write_text(json.dumps(values))
    with pytest.raises(DataError, match=r"class 2 is 'blue' in .* but 'sky' in"):
        open_data(options(tmp_path))
    (tmp_path / 'val.json').write_text(json.dumps(coco_values(DrawnImages(5, 3)) | {
        'images': [], 'annotations': []}))
    with pytest.raises(DataError, match=r'val\.json: has no image'):
        open_data(options(tmp_path))


def test_generated_scenes_are_opened() -> None:
    train, validation = open_data(SceneData(validation_count=3))
    assert train.endless and not validation.endless and len(validation) == 3
    assert open_data(SceneData(count=4))[0].load(3).id == 'scene 1000003'


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    write_image(tmp_path / 'a.png', IMAGES.load(0).image)
    os.mkfifo(tmp_path / '000.png')
    values = coco_values(IMAGES)
    values['images'] = values['images'][:1]
    data = RecordedImages(read_coco(write(values, tmp_path), tmp_path))
    with pytest.raises(ImageError, match='is not a file'):
        data.load(0)
