# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in scenes: the same every time, exact boxes, balanced, and a good COCO data set."""

import argparse
from dataclasses import replace
import hashlib
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from anydepth_core.commands import scenes as command
from anydepth_core.data import scene_world
from anydepth_core.data.scene_brush import Brush
from anydepth_core.data.scene_kinds import CLUTTER, LABELLED
from anydepth_core.data.scene_world import MIN_SIDE, MIN_VISIBLE, build_world, paint_world
from anydepth_core.data.scenes import CLASS_NAMES, Scene, SceneVideo, render_scene, write_coco
from anydepth_core.errors import DataError

SMALL = (160, 208)


def digest(scene: Scene) -> str:
    parts = scene.image.tobytes() + scene.boxes.tobytes() + scene.labels.tobytes()
    return hashlib.sha256(parts).hexdigest()


def tight(mask: np.ndarray) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return shared / (areas - shared)


@pytest.fixture(scope='module')
def many() -> list[Scene]:
    return [render_scene(seed, size=(240, 320)) for seed in range(180)]


def test_same_seed_gives_the_same_scene_in_another_process():
    here = [digest(render_scene(seed, size=SMALL)) for seed in range(6)]
    assert here == [digest(render_scene(seed, size=SMALL)) for seed in range(6)]
    assert len(set(here)) == 6
    code = (
        'import hashlib\n'
        'from anydepth_core.data.scenes import render_scene\n'
        'for seed in reversed(range(6)):\n'
        f'    s = render_scene(seed, size={SMALL})\n'
        '    data = s.image.tobytes() + s.boxes.tobytes() + s.labels.tobytes()\n'
        '    print(hashlib.sha256(data).hexdigest())\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == here[::-1]


def test_rendering_leaves_global_random_state_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    render_scene(5, size=SMALL)
    assert np.array_equal(np.random.get_state()[1], before)


def test_boxes_are_the_silhouettes(monkeypatch):
    """Paint each object alone on black and on white: the difference tells what it covers."""
    paper = {'colour': 0}
    monkeypatch.setattr(scene_world, 'cast_shadow', lambda *_: None)
    monkeypatch.setattr(scene_world, 'draw_backdrop', lambda view, *_: np.full(
        (view.height, view.width, 3), paper['colour'], np.uint8))
    checked = 0
    for seed in range(25):
        scene = render_scene(seed, size=SMALL)
        world = build_world(np.random.default_rng(seed), SMALL)
        expected = iter(zip(scene.labels, scene.boxes, strict=True))
        wanted = next(expected, None)
        for actor in world.actors:
            if wanted is None:
                break
            if actor.label != wanted[0]:
                continue
            frames = []
            for paper['colour'] in (0, 255):
                frames.append(paint_world(replace(world, actors=(actor,)), world.view, 0, True)[0])
            cover = 255 - (frames[1].astype(int) - frames[0]).mean(axis=2)
            if not (cover >= 127).any():
                continue
            if np.abs(np.array(tight(cover >= 127)) - wanted[1]).max() <= 1:
                checked += 1
                wanted = next(expected, None)
        assert wanted is None, f'no silhouette of scene {seed} fits the box {wanted}'
    assert checked > 60


def test_nothing_that_shows_lacks_a_label():
    for seed in range(40):
        world = build_world(np.random.default_rng(seed), SMALL)
        _, painted, owner = paint_world(world, world.view, 0.0, strict=True)
        shown = [p for p in painted if p.label >= 0]
        scene = render_scene(seed, size=SMALL)
        assert [p.label for p in shown] == scene.labels.tolist()
        assert all(p.visible >= MIN_VISIBLE for p in shown)
        for number, item in enumerate(painted, 1):
            x0, y0, x1, y1 = item.box
            inside = np.zeros(owner.shape, bool)
            inside[y0:y1, x0:x1] = True
            assert not ((owner == number) & ~inside).any()


@pytest.mark.parametrize('kind', LABELLED + CLUTTER, ids=lambda kind: kind.name)
def test_no_object_is_cut_off_by_its_canvas(kind):
    for seed in range(40):
        brush = Brush(kind.extent, 40.0, (100.3, 100.7), light=-0.6 if seed % 2 else 0.6)
        kind.paint(brush, np.random.default_rng(seed), seed / 40)
        alpha = brush.finish().pixels[..., 3]
        border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert border.max() == 0
        low = 0.7 if kind in LABELLED else 0.15  # wings may be level
        assert low < np.flatnonzero((alpha >= 128).any(axis=1)).size / 40 < 1.12


@pytest.mark.parametrize('size', [(96, 96), (97, 333), (352, 201), (480, 640), (1280, 96)])
def test_any_size_gives_boxes_inside_the_picture(size):
    for seed in range(6):
        scene = render_scene(seed, size=size)
        assert scene.image.shape == (*size, 3)
        assert scene.image.dtype == np.uint8
        assert scene.image.flags.c_contiguous
        assert scene.boxes.dtype == np.float32
        assert scene.boxes.shape == (len(scene.labels), 4)
        assert scene.labels.dtype == np.int64
        if len(scene.labels):
            assert scene.boxes.min() >= 0
            assert (scene.boxes[:, 2:] <= (size[1], size[0])).all()
            assert (scene.boxes[:, 2:] - scene.boxes[:, :2]).min() >= MIN_SIDE
            assert (scene.labels >= 0).all() and (scene.labels < len(CLASS_NAMES)).all()


def test_classes_are_balanced_and_sizes_range_widely(many):
    labels = np.concatenate([scene.labels for scene in many])
    counts = np.bincount(labels, minlength=len(CLASS_NAMES))
    assert len(counts) == len(CLASS_NAMES)
    assert counts.min() > 0.6 * counts.mean()
    assert counts.max() < 1.5 * counts.mean()
    boxes = np.concatenate([scene.boxes for scene in many])
    side = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert side.min() <= 9
    assert side.max() >= 120
    assert np.mean(side < 32) > 0.25
    assert np.mean(side > 64) > 0.2
    empty = np.mean([len(scene.labels) == 0 for scene in many])
    assert 0.005 <= empty <= 0.08
    assert 4 < len(labels) / len(many) < 7


def test_pictures_have_contrast_and_differ(many):
    assert min(scene.image.std() for scene in many) > 8
    means = np.array([scene.image.mean(axis=(0, 1)) for scene in many])
    assert (means.std(axis=0) > 15).all()


@pytest.mark.parametrize(('seed', 'size'), [(-1, SMALL), (0, (95, 200)), (0, (200, 1281))])
def test_numbers_out_of_range_are_refused(seed, size):
    with pytest.raises(DataError, match='choose'):
        render_scene(seed, size=size)
    with pytest.raises(DataError, match='choose'):
        SceneVideo(seed, size)


def test_video_frames_can_be_had_in_any_order():
    film = SceneVideo(2, SMALL, frames_per_scene=10)
    ordered = [digest(film.frame(index)) for index in range(24)]
    other = SceneVideo(2, SMALL, frames_per_scene=10)
    for index in (23, 3, 11, 4, 0, 19):
        assert digest(other.frame(index)) == ordered[index]
    assert len(set(ordered)) == 24
    with pytest.raises(DataError, match='choose'):
        film.frame(-1)


def test_video_moves_smoothly_and_the_place_changes():
    film = SceneVideo(5, (240, 320), frames_per_scene=40)
    same = total = moved = 0
    steps, cuts = [], []
    for index in range(0, 119):
        now, then = film.frame(index), film.frame(index + 1)
        change = np.abs(now.image.astype(int) - then.image).mean()
        if (index + 1) % 40 == 0:
            cuts.append(change)
            continue
        steps.append(change)
        for box, label in zip(now.boxes, now.labels, strict=True):
            margin = min(*box[:2], 320 - box[2], 240 - box[3])
            if margin < 3 or min(box[2:] - box[:2]) < 14:
                continue
            rivals = then.boxes[then.labels == label]
            best = overlap(box, rivals).max() if len(rivals) else 0.0
            total, same, moved = total + 1, same + (best > 0.7), moved + (best < 1)
    assert total > 60
    assert same / total > 0.95
    assert moved > 0
    assert np.mean(steps) < 12
    assert min(cuts) > 2 * np.mean(steps)


def test_coco_set_is_complete_and_holds_the_boxes(tmp_path):
    done: list[int] = []
    path = write_coco(tmp_path / 'set', 5, seed=3, size=SMALL, progress=done.append)
    assert done == [1, 2, 3, 4, 5]
    files = {p.relative_to(path.parent).as_posix() for p in path.parent.rglob('*') if p.is_file()}
    assert files == {'annotations.json', *(f'images/{i:06d}.jpg' for i in range(5))}
    data = json.loads(path.read_text())
    assert [c['name'] for c in data['categories']] == list(CLASS_NAMES)
    assert [c['id'] for c in data['categories']] == list(range(1, len(CLASS_NAMES) + 1))
    for index, entry in enumerate(data['images']):
        scene = render_scene(3_000_000 + index, size=SMALL)
        image = cv2.imread(str(path.parent / 'images' / entry['file_name']))[..., ::-1]
        assert (image.shape[0], image.shape[1]) == (entry['height'], entry['width']) == SMALL
        assert np.abs(image.astype(int) - scene.image).mean() < 8
        mine = [a for a in data['annotations'] if a['image_id'] == entry['id']]
        assert [a['category_id'] - 1 for a in mine] == scene.labels.tolist()
        corners = [[x, y, x + w, y + h] for x, y, w, h in (a['bbox'] for a in mine)]
        assert np.array_equal(np.array(corners).reshape(-1, 4), scene.boxes)
        assert all(a['area'] == a['bbox'][2] * a['bbox'][3] and not a['iscrowd'] for a in mine)


def test_coco_set_loads_with_pycocotools(tmp_path):
    coco = pytest.importorskip('pycocotools.coco')
    path = write_coco(tmp_path, 4, size=SMALL)
    data = coco.COCO(str(path))
    assert len(data.getImgIds()) == 4
    assert len(data.getAnnIds()) == sum(
        len(render_scene(seed, size=SMALL).labels) for seed in range(4))


def test_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / 'mine.txt').write_text('keep')
    with pytest.raises(DataError, match='not an empty folder'):
        write_coco(tmp_path, 1, size=SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ['mine.txt']
    with pytest.raises(DataError, match='not an empty folder'):
        write_coco(tmp_path / 'mine.txt', 1, size=SMALL)


def test_interrupted_set_has_no_annotations(tmp_path):
    def stop(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_coco(tmp_path / 'set', 4, size=SMALL, progress=stop)
    assert not list((tmp_path / 'set').glob('annotations.json*'))


@pytest.mark.parametrize('bad', [{'count': 0}, {'count': 1, 'quality': 0}])
def test_bad_numbers_write_nothing(tmp_path, bad):
    with pytest.raises(DataError, match='choose'):
        write_coco(tmp_path / 'set', size=SMALL, **bad)
    assert not (tmp_path / 'set').exists()


def test_command_writes_a_set(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    out = tmp_path / 'set'
    args = parser.parse_args(['scenes', str(out), '--count', '2', '--size', '208x160'])
    assert args.run(args) == 0
    assert capsys.readouterr().out.strip() == str(out / 'annotations.json')
    assert cv2.imread(str(out / 'images' / '000001.jpg')).shape == (160, 208, 3)
    with pytest.raises(SystemExit):
        parser.parse_args(['scenes', str(out), '--size', 'big'])
