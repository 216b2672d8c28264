# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`anydepth replay`: every image in order, equal each time, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
import re
import sqlite3
import tracemalloc

import cv2
import numpy as np
import pytest
import torch

from anydepth_core import cli
from anydepth_core.errors import DataError
from anydepth_core.models.registry import create_model
from anydepth_core.models.weights import ModelInfo, save_weights

TOPIC = '/eye/image'
RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Return a network that was never trained, its weights large: each picture gets its own."""
    torch.manual_seed(0)
    model = create_model('anydepth-yolo-tiny', 2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_weights(path, model,
                 ModelInfo(model='anydepth-yolo-tiny', class_names=('cat', 'dog'),
                           input_size=(64, 64)))
    return path


@pytest.fixture
def replay(weights, capsys):
    """Run in this process; return exit status, lines of JSON on stdout, stderr."""
    def run(*words, threshold=0.0):
        status = cli.main(['replay', *map(str, words), '--weights', str(weights),
                           '--score-threshold', str(threshold)])
        out, err = capsys.readouterr()
        assert 'Traceback' not in err
        return status, [json.loads(line) for line in out.splitlines()], err
    return run


def picture(index: int) -> np.ndarray:
    """Return (40, 60, 3) uint8: a block of some colour on grey."""
    pixels = np.full((40, 60, 3), 30 * index, np.uint8)
    color = np.random.default_rng(index).integers(0, 256, 3)
    pixels[5 * index:5 * index + 12, 7 * index:7 * index + 15] = color
    return pixels


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for index in range(5):
        cv2.imwrite(str(folder / f'{index}.png'), picture(index))
    return folder


def record(path: Path, topics: dict[str, str], *, plugin: str = 'MCAP', count: int = 5,
           encoding: str = 'bgr8', packed: str | None = None) -> Path:
    """Write a bag with pictures on some topics, in turn."""
    rosbag2 = pytest.importorskip('rosbags.rosbag2', reason='bags need the extra replay')
    from rosbags.typesys import Stores, get_typestore
    store = get_typestore(Stores.ROS2_JAZZY)
    make = {name.rpartition('/')[2]: kind for name, kind in store.types.items()
            if name in (RAW, COMPRESSED, 'std_msgs/msg/String', 'std_msgs/msg/Header')}
    time = store.types['builtin_interfaces/msg/Time']
    bag = rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin[plugin])
    if packed:
        bag.set_compression(rosbag2.CompressionMode[packed], rosbag2.CompressionFormat.ZSTD)
    with bag as writer:
        connections = {topic: writer.add_connection(topic, kind, typestore=store)
                       for topic, kind in topics.items()}
        for index in range(count):
            pixels = picture(index)
            header = make['Header'](time(1000 + index, 17), f'eye_{index}')
            messages = {
                RAW: lambda h=header, p=pixels: make['Image'](h, 40, 60, encoding, 0, 180,
                                                              p.ravel()),
                COMPRESSED: lambda h=header, p=pixels: make['CompressedImage'](
                    h, 'bgr8; png compressed bgr8', cv2.imencode('.png', p)[1].ravel()),
                'std_msgs/msg/String': lambda: make['String']('words')}
            for topic, kind in topics.items():
                writer.write(connections[topic], 10 ** 9 * (2000 + index),
                             store.serialize_cdr(messages[kind](), kind))
    return path


def strip(lines: list[dict]) -> list[dict]:
    """Return what was found, without what tells the image and the run."""
    return [{'depth': line['depth'], 'detections': line['detections']} for line in lines[1:]]


def test_every_picture_in_order_with_depths_in_turn(replay, pictures):
    status, (title, *lines), err = replay(pictures, '--depth', 'full,base,base')
    assert status == 0 and '5 images' in err
    assert title['depths'] == ['full', 'base', 'base'] and title['source'] == 'pictures'
    assert [line['file'] for line in lines] == [f'{index}.png' for index in range(5)]
    assert [line['index'] for line in lines] == list(range(5))
    assert [line['depth'] for line in lines] == ['full', 'base', 'base', 'full', 'base']
    assert all((line['height'], line['width']) == (40, 60) for line in lines)
    assert len({json.dumps(line['detections']) for line in lines}) == 5


def test_two_runs_are_equal_byte_for_byte(replay, pictures, tmp_path):
    outs = [tmp_path / name for name in ('a.jsonl', 'b.jsonl')]
    for out in outs:
        assert replay(pictures, '--out', out)[:2] == (0, [])
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert len(outs[0].read_text().splitlines()) == 6


def test_a_bad_picture_is_told_and_the_others_are_done(replay, pictures):
    (pictures / '2.png').write_bytes(b'no picture')
    status, lines, err = replay(pictures)
    assert status == 2 and len(lines) == 6 and '1 could not be used' in err
    assert '2.png' in lines[3]['error'] and lines[4]['detections']


def test_every_frame_of_a_video(replay, tmp_path):
    path = tmp_path / 'film.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    if not writer.isOpened():
        pytest.skip('this OpenCV cannot write a video')
    for index in range(7):
        writer.write(cv2.resize(picture(index), (64, 48)))
    writer.release()
    status, lines, _ = replay(path)
    assert status == 0 and [line['index'] for line in lines[1:]] == list(range(7))
    assert len({json.dumps(line['detections']) for line in lines[1:]}) == 7
    broken = tmp_path / 'broken.avi'
    broken.write_bytes(b'RIFF' + bytes(200))
    assert 'no video that can be read' in replay(broken)[2]


@pytest.mark.parametrize('plugin', ['MCAP', 'SQLITE3'])
@pytest.mark.parametrize('kind', [RAW, COMPRESSED])
def test_a_bag_gives_what_its_pictures_give(replay, pictures, tmp_path, plugin, kind):
    bag = record(tmp_path / 'bag', {'/words': 'std_msgs/msg/String', TOPIC: kind}, plugin=plugin)
    status, lines, _ = replay(bag, '--depth', 'full,base')
    assert status == 0
    assert strip(lines) == strip(replay(pictures, '--depth', 'full,base')[1])
    assert lines[3]['stamp'] == {'sec': 1002, 'nanosec': 17} and lines[3]['frame_id'] == 'eye_2'
    (part,) = (path for path in bag.iterdir() if path.suffix in ('.mcap', '.db3'))
    assert strip(replay(part, '--depth', 'full,base')[1]) == strip(lines)


def test_the_bag_written_is_what_the_node_would_publish(replay, tmp_path):
    bag = record(tmp_path / 'bag', {TOPIC: RAW})
    found = [tmp_path / 'one' / 'found', tmp_path / 'two' / 'found']
    for path in found:
        path.parent.mkdir()
        status, lines, _ = replay(bag, '--bag', path)
        assert status == 0 and sorted(each.name for each in path.parent.iterdir()) == ['found']
    for part in found[0].iterdir():
        assert part.read_bytes() == (found[1] / part.name).read_bytes()
    from rosbags.rosbag2 import Reader

    from anydepth_core.replay.bag_writer import LABELS_TOPIC, typestore
    from anydepth_core.replay.bag_writer import TOPIC as FOUND
    with Reader(found[0]) as reader:
        messages = [(connection, stamp, bytes(data)) for connection, stamp, data
                    in reader.messages()]
    assert [connection.topic for connection, _, _ in messages] == [LABELS_TOPIC] + [FOUND] * 5
    store = typestore()
    labels = store.deserialize_cdr(messages[0][2], messages[0][0].msgtype)
    assert [entry.class_name for entry in labels.class_map] == ['cat', 'dog']
    for index, (connection, stamp, data) in enumerate(messages[1:]):
        array = store.deserialize_cdr(data, connection.msgtype)
        assert stamp == 10 ** 9 * (2000 + index)
        assert (array.header.stamp.sec, array.header.frame_id) == (1000 + index, f'eye_{index}')
        expected = lines[index + 1]['detections']
        assert len(array.detections) == len(expected)
        for detection, line in zip(array.detections, expected):
            best = detection.results[0].hypothesis
            assert (int(best.class_id), round(best.score, 4)) == (line['label'], line['score'])
            center, box = detection.bbox.center.position, line['box']
            assert [center.x, center.y] == pytest.approx(
                [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], abs=0.02)


def test_the_messages_written_are_those_of_vision_msgs(replay, tmp_path):
    messages = pytest.importorskip('vision_msgs.msg')
    from rclpy.serialization import deserialize_message
    from test_vision_msgs import HASHES
    bag = record(tmp_path / 'bag', {TOPIC: RAW}, count=1)
    assert replay(bag, '--bag', tmp_path / 'found')[0] == 0
    from rosbags.rosbag2 import Reader

    from anydepth_core.replay.bag_writer import DEFINITIONS, typestore
    for name in DEFINITIONS:
        assert typestore().hash_rihs01(f'vision_msgs/msg/{name}') == f'RIHS01_{HASHES[name]}'
    with Reader(tmp_path / 'found') as reader:
        for connection, _, data in reader.messages():
            kind = getattr(messages, connection.msgtype.rpartition('/')[2])
            assert deserialize_message(bytes(data), kind).header.frame_id == 'eye_0'


@pytest.mark.parametrize(('topics', 'words', 'refusal'), [
    ({'/words': 'std_msgs/msg/String'}, (), r'no topic with images; it has /words \(std_msgs'),
    ({'/a': RAW, '/b': COMPRESSED}, (), 'several topics; name one with --topic: /a, /b'),
    ({'/a\n\x1b[2J': RAW, '/b': RAW}, (), r'name one with --topic: /a\?\?\[2J, /b'),
    ({'/a': RAW}, ('--topic', '/b'), "no topic '/b'.*with images: /a"),
    ({'/a': RAW, '/w': 'std_msgs/msg/String'}, ('--topic', '/w'), 'std_msgs/msg/String, not im')])
def test_a_bag_that_leaves_a_question_is_refused(replay, tmp_path, topics, words, refusal):
    bag = record(tmp_path / 'bag', topics, count=1)
    status, lines, err = replay(bag, *words)
    assert status == 2 and not lines and len(err.splitlines()) == 1
    assert re.search(refusal, err)


def test_an_image_of_unknown_encoding_is_told_in_its_place(replay, tmp_path):
    bag = record(tmp_path / 'bag', {TOPIC: RAW}, encoding='32FC1', count=2)
    status, lines, _ = replay(bag, '--bag', tmp_path / 'found')
    assert status == 2 and ["'32FC1'" in line['error'] for line in lines[1:]] == [True, True]


@pytest.mark.parametrize(('change', 'error'), [
    ("UPDATE messages SET data = x'00010000ff' WHERE id = 3", 'message cannot be read'),
    ("UPDATE messages SET data = 'words' WHERE id = 3", 'message cannot be read'),
    ('UPDATE messages SET timestamp = -5 WHERE id = 3', 'recorded at -5 ns'),
    ('DELETE FROM messages WHERE id = 3', '4 of the 5 images on /eye/image')])
def test_what_a_bag_lacks_is_told_and_the_rest_is_kept(replay, tmp_path, change, error):
    bag = record(tmp_path / 'bag', {TOPIC: RAW}, plugin='SQLITE3')
    whole = replay(bag)[1][1:]
    with sqlite3.connect(next(bag.glob('*.db3'))) as database:
        database.execute(change)
    database.close()
    status, _, err = replay(bag, '--out', tmp_path / 'out.jsonl', '--bag', tmp_path / 'found')
    lines = [json.loads(line) for line in (tmp_path / 'out.jsonl').read_text().splitlines()][1:]
    assert status == 2 and len(lines) == 5 and len(err.splitlines()) == 2
    (bad,) = (line for line in lines if 'error' in line)
    assert error in bad['error'] and '1 could not be used' in err
    good = [line['detections'] for line in lines if 'error' not in line]
    assert good == [line['detections'] for line in whole if line['index'] != 2]
    from rosbags.rosbag2 import Reader
    with Reader(tmp_path / 'found') as reader:
        assert reader.message_count == 1 + 4


def test_compressed_bags(replay, tmp_path):
    """Chunks are unpacked within bounds; what is compressed as a whole is not touched."""
    plain = strip(replay(record(tmp_path / 'plain', {TOPIC: RAW}))[1])
    chunks = record(tmp_path / 'chunks', {TOPIC: RAW}, packed='STORAGE')
    assert strip(replay(chunks)[1]) == plain and len(plain) == 5
    for mode in ('MESSAGE', 'FILE'):
        bag = record(tmp_path / mode, {TOPIC: RAW}, packed=mode, plugin='SQLITE3')
        for part in bag.glob('*.zstd'):
            part.write_bytes(b'not to be unpacked')
        status, lines, err = replay(bag)
        assert status == 2 and not lines and len(err.splitlines()) == 1
        assert f"compressed by '{mode.lower()}'" in err and 'ros2 bag convert' in err


@pytest.mark.parametrize('kind', ['zstd', 'lz4'])
def test_a_chunk_never_unpacks_to_more_than_it_tells(kind):
    storage = pytest.importorskip('rosbags.rosbag2.storage_mcap', reason='the extra replay')
    from lz4.frame import compress

    from anydepth_core.replay.bounds import MAX_CHUNK_BYTES, bound_chunks
    bound_chunks()
    pack = {'zstd': storage.zstd.compress, 'lz4': compress}[kind]
    small, bomb = pack(b'some words'), pack(bytes(1 << 26))
    assert storage.DECOMPRESSORS[kind](small, 10) == b'some words'
    tracemalloc.start()
    try:
        for data, size, words in ((small, 9, 'more'), (small, 11, 'less'),
                                  (small[:-3], 10, 'less'), (bomb, 1000, 'more'),
                                  (bomb, MAX_CHUNK_BYTES + 1, '1024 MiB')):
            with pytest.raises(ValueError, match=words):
                storage.DECOMPRESSORS[kind](data, size)
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize('plugin', ['MCAP', 'SQLITE3'])
def test_damaged_bags_are_refused_and_leave_nothing(replay, tmp_path, plugin):
    bag = record(tmp_path / 'bag', {TOPIC: RAW}, plugin=plugin)
    (part,) = (path for path in bag.iterdir() if path.suffix in ('.mcap', '.db3'))
    whole, rng = part.read_bytes(), np.random.default_rng(0)
    out, refused = tmp_path / 'out.jsonl', 0
    out.write_text('what was there')
    for trial in range(16):
        data = bytearray(whole)
        if trial % 2:
            data = data[:rng.integers(len(data))]
        else:
            for place in rng.integers(0, len(data), 40):
                data[place] = rng.integers(256)
        part.write_bytes(data)
        status, _, err = replay(bag, '--out', out, '--bag', tmp_path / 'found')
        assert status in (0, 2)
        if 'anydepth: error: ' + str(bag) in err:
            refused += 1
            assert len(err.splitlines()) == 1 and out.read_text() == 'what was there'
            assert not (tmp_path / 'found').exists()
        else:  # only pixels were hit
            out.write_text('what was there')
            for path in (tmp_path / 'found').iterdir():
                path.unlink()
            (tmp_path / 'found').rmdir()
    assert refused >= 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ['bag', 'out.jsonl']


def test_other_sources_are_refused(replay, tmp_path, pictures):
    bag = record(tmp_path / 'bag', {TOPIC: RAW}, count=1)
    cut = record(tmp_path / 'cut', {TOPIC: RAW}, count=1)
    (cut / 'metadata.yaml').unlink()
    broken = record(tmp_path / 'broken', {TOPIC: RAW}, count=1)
    (broken / 'metadata.yaml').write_text('rosbag2_bagfile_information: {version: [')
    empty = record(tmp_path / 'empty', {TOPIC: RAW}, count=0)
    for words, refusal in (
            ((tmp_path / 'none',), 'does not exist'), ((cut,), 'ros2 bag reindex'),
            ((broken,), 'not a bag that can be read'), ((empty,), '0 of the 0 images'),
            ((pictures, '--topic', '/a'), '--topic is for bags'),
            ((pictures, '--bag', tmp_path / 'x'), 'copies the headers'),
            ((pictures, '--out', tmp_path / 'x.json'), 'must end in .jsonl'),
            ((bag, '--bag', bag), 'never written over'),
            ((bag, '--bag', tmp_path / 'no' / 'x'), 'there is no folder'),
            ((bag, '--depth', 'full,deep'), 'deep')):
        status, lines, err = replay(*words)
        assert status == 2 and not lines and len(err.splitlines()) == 1, words
        assert refusal in err


@pytest.mark.parametrize(('raised', 'seen', 'words'), [
    (BrokenPipeError(32, 'of standard output'), BrokenPipeError, 'standard output'),
    (OSError(28, 'No space left'), DataError, 'cannot write .*: No space left'),
    (KeyboardInterrupt(), KeyboardInterrupt, None)])
def test_a_bag_that_is_not_finished_does_not_appear(tmp_path, raised, seen, words):
    pytest.importorskip('rosbags', reason='bags need the extra replay')
    from anydepth_core.replay.bag_writer import new_bag
    with pytest.raises(seen, match=words), new_bag(tmp_path / 'found', ('cat',), 0.3):
        raise raised
    assert not list(tmp_path.iterdir())


def test_a_missing_library_is_named(replay, tmp_path, monkeypatch):
    (tmp_path / 'bag.mcap').write_bytes(b'')
    monkeypatch.setitem(__import__('sys').modules, 'rosbags.rosbag2', None)
    status, _, err = replay(tmp_path / 'bag.mcap')
    assert status == 2 and "pip install 'anydepth_ros[replay]'" in err
