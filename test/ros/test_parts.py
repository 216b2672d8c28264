# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of the node that need no ROS: counts, parameters, watch, sources."""

from __future__ import annotations

import math

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from anydepth_core.depth import DepthSpace
from anydepth_core.errors import AnyDepthError, DepthError, ImageError
from anydepth_ros import transport
from anydepth_ros.frame_statistics import FrameStatistics, SequenceGaps, quantiles
from anydepth_ros.image_sources import open_source
from anydepth_ros.input_watch import InputView, InputWatch, Publisher
from anydepth_ros.isolation import isolated
from anydepth_ros.parameters import (
    BY_NAME,
    LIVE,
    SPECS,
    ModelFacts,
    ParameterError,
    check,
    coerce,
    make_settings,
    parse_size,
)

DEFAULTS = {spec.name: spec.default for spec in SPECS}
MODEL = ModelFacts(DepthSpace(), ('ball', 'cup', '7'))


def test_received_is_processed_dropped_failed_and_lost_is_apart():
    statistics = FrameStatistics()
    for lost in (0, 2):  # 7 numbers missing: 2 lost, 5 overtaken
        statistics.add(arrived=5, replaced=1, missing=3 + lost, lost=lost)
    counts = statistics.counts
    assert (counts.received, counts.dropped, counts.lost_in_transport) == (16, 8, 2)


def test_a_kind_of_failure_is_new_once_whatever_its_numbers():
    statistics = FrameStatistics()
    assert statistics.add_failed('truncated image: 3 bytes of 6')
    assert not statistics.add_failed('truncated image: 100 bytes of 2000')
    assert statistics.add_failed('empty image')
    assert statistics.failures_in_a_row == 3 and statistics.counts.failed == 3
    statistics.add_processed(4.0)
    assert statistics.failures_in_a_row == 0
    assert statistics.quantiles_ms(0.5) == [4.0]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_quantiles_are_values_with_that_share_below(values, share):
    ordered = sorted(values)
    result, = quantiles(ordered, [share])
    assert result in ordered
    assert sum(value < result for value in ordered) <= share * len(ordered)


def test_quantiles_of_nothing_are_nan():
    assert all(math.isnan(value) for value in quantiles([], (0.5, 0.95)))


def test_gaps_are_found_for_each_publisher():
    gaps = SequenceGaps()
    a, b = b'a', b'b'
    found = [gaps.missing_before(*each) for each in
             ((a, 5), (a, 6), (b, 1), (a, 9), (b, 2), (a, 2), (a, 3))]
    assert found == [None, 0, None, 2, 0, 0, 0]


def test_gaps_are_not_guessed_where_nobody_says_who_published():
    gaps = SequenceGaps()
    for number in (1, 900, 2, 901):  # of two publishers, as Jazzy's rclpy tells it
        assert gaps.missing_in({'publication_sequence_number': number}) is None
    assert gaps.missing_in({'publisher_gid': {'data': b'a'}}) is None
    known = {'publisher_gid': {'data': [1, 2]}}
    assert [gaps.missing_in({**known, 'publication_sequence_number': number})
            for number in (1, 4)] == [None, 2]


@pytest.mark.parametrize(('name', 'given_value', 'value'), [
    ('score_threshold', 1, 1.0), ('score_threshold', '1e-1', 0.1), ('score_threshold', True, True),
    ('score_threshold', 'low', 'low'), ('depth', True, 'True'), ('depth', 12, '12'),
    ('classes', [], []), ('classes', None, []), ('classes', [''], []), ('classes', 'cup', ['cup']),
    ('classes', [0, 2], ['0', '2']), ('classes', 3, ['3']),
    ('classes', np.array([1, 2]), ['1', '2']), ('max_detections', 3.0, 3.0), ('enabled', 1, 1),
])
def test_what_was_plainly_meant_is_understood(name, given_value, value):
    result = coerce(BY_NAME[name], given_value)
    assert result == value and type(result) is type(value)


@given(st.sampled_from(SPECS), st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(),
    st.lists(st.one_of(st.integers(), st.text()))))
def test_no_value_raises_anything_but_a_named_refusal(spec, value):
    coerced = coerce(spec, value)
    try:
        check(spec, coerced)
        if spec.name in LIVE:
            make_settings({**DEFAULTS, spec.name: coerced}, MODEL)
    except AnyDepthError as error:
        assert str(error) and '\n' not in str(error)


def test_a_text_of_absurd_length_is_not_echoed():
    with pytest.raises(ParameterError, match='5000 characters') as told:
        check(BY_NAME['depth'], 'x' * 5000)
    assert len(str(told.value)) < 200
    with pytest.raises(ParameterError, match='5000 characters'):
        check(BY_NAME['classes'], ['a', 'x' * 5000])


def test_settings_know_the_classes_of_the_model():
    def indices(*classes: str):
        return make_settings({**DEFAULTS, 'classes': list(classes)}, MODEL).class_indices
    assert indices() is None
    assert indices('cup', '0') == {0, 1}
    assert indices('7') == {2}  # a name goes before an index
    for wrong in ('8', '-1', 'cub', '٣', '9' * 40, '0' * 4000, '0000000009'):
        with pytest.raises(ParameterError, match='has no class'):
            indices(wrong)


def test_the_depth_is_checked_against_the_model_once_there_is_one():
    values = {**DEFAULTS, 'depth': 'base@4'}
    assert make_settings(values, None).depth == 'base@4'
    assert make_settings(values, ModelFacts(DepthSpace(decoder_layers=6), ('a',))).depth
    with pytest.raises(DepthError, match='no decoder layers'):
        make_settings(values, MODEL)


def test_every_live_parameter_is_in_the_table_and_none_reads_as_another_type_in_yaml():
    yaml = pytest.importorskip('yaml')
    assert {*LIVE, 'weights'} == {spec.name for spec in SPECS if not spec.read_only}
    for spec in SPECS:
        assert yaml.safe_load(yaml.safe_dump(spec.default)) == spec.default
        assert yaml.safe_load(str(spec.default)) == spec.default or spec.default == ''


def test_the_parameter_file_holds_each_parameter_with_its_default():
    yaml = pytest.importorskip('yaml')
    text = transport.shared_file('config/detector.yaml').read_text()
    stored = yaml.safe_load(text)['/**']['ros__parameters']
    assert list(stored) == [spec.name for spec in SPECS]
    assert {name: coerce(BY_NAME[name], value) for name, value in stored.items()} == DEFAULTS


def _look(*views: InputView) -> list[tuple[str, bool]]:
    watch = InputWatch(0.0)
    found = [watch.look(view) for view in views]
    return [(finding.kind, finding.new) for finding in found]


def test_each_state_of_the_input_is_told_when_it_begins():
    cam = [Publisher('/cam')]
    assert _look(
        InputView(1.0, '/image'),
        InputView(4.0, '/image'),
        InputView(5.0, '/image'),
        InputView(6.0, '/image', cam),
        InputView(7.0, '/image', cam, received=9),
        InputView(8.0, '/image', cam, received=18, lost=9),
        InputView(9.0, '/image', cam, received=19, lost=19),
        InputView(10.0, '/image', cam, received=39, lost=19),
        InputView(11.0, '/image', cam, received=39, lost=19),
        InputView(17.0, '/image', cam, received=39, lost=19),
        InputView(18.0, '/image', cam, received=49, lost=19, zero_stamp=True),
    ) == [('waiting', True), ('no_publisher', True), ('no_publisher', False), ('silent', True),
          ('ok', True), ('lost', True), ('lost', False), ('ok', True), ('ok', False),
          ('silent', True), ('zero_stamp', True)]


def test_stamps_in_the_future_old_images_and_a_slow_network_are_told_with_their_fix():
    def kinds(*views: dict) -> list[str]:
        watch = InputWatch(0.0)
        return [watch.look(InputView(float(second), '/image', received=20 * second, **view)).kind
                for second, view in enumerate(views, 1)]
    assert kinds({'ahead_s': 3.0}, {'ahead_s': 0.01}) == ['future_stamp', 'ok']
    assert kinds({'refused': 4, 'max_age_ms': 50.0}, {'refused': 4}) == ['stale', 'ok']
    old = {'refused': 4, 'max_age_ms': 50.0, 'ahead_s': -3e7}
    assert kinds(old, {'clock_stands': True, 'ahead_s': 1.8e9}) == ['other_time', 'no_clock']
    assert kinds({'ahead_s': -3e7}) == ['ok']
    assert kinds({'processed': 5, 'dropped': 15}, {'processed': 10, 'dropped': 30}) == [
        'slow', 'slow']
    assert kinds({'processed': 5, 'dropped': 15, 'rate_limited': True}) == ['ok']
    assert kinds({'processed': 18, 'dropped': 2}, {'processed': 38, 'dropped': 2}) == ['ok', 'ok']
    finding = InputWatch(0.0).look(InputView(1.0, '/image', received=9, ahead_s=3.0))
    assert finding.bad and 'use_sim_time' in finding.text


def test_a_publisher_of_another_type_or_quality_is_named():
    other = Publisher('/cam', 'sensor_msgs/msg/CompressedImage')
    assert _look(InputView(9.0, '/image', [other])) == [('other_type', True)]
    assert _look(InputView(9.0, '/image', [Publisher('/cam', incompatible='reliability')])) == [
        ('qos', True)]
    finding = InputWatch(0.0).look(InputView(9.0, '/image', other_topics=['/front/image_raw']))
    assert finding.bad and 'image:=/front/image_raw' in finding.text


def test_advice_is_for_the_middleware_in_use():
    assert transport.VARIABLE in transport.advice('rmw_fastrtps_cpp', '/image')
    assert transport.VARIABLE not in transport.advice('rmw_cyclonedds_cpp', '/image')
    assert transport.shared_file('config/fastdds_big_images.xml').is_file()


def test_shared_files_are_found_where_pip_puts_them_for_one_user(tmp_path, monkeypatch):
    monkeypatch.setattr(transport, '__file__', str(tmp_path / 'lib/anydepth_ros/transport.py'))
    monkeypatch.setattr(transport.sysconfig, 'get_path', lambda name, scheme='': str(
        tmp_path / (scheme or 'system') / name))
    path = tmp_path / transport.sysconfig.get_preferred_scheme('user') / (
        'data/share/anydepth_ros/config/mine.yaml')
    path.parent.mkdir(parents=True)
    path.touch()
    assert transport.shared_file('config/mine.yaml') == path


@pytest.mark.parametrize('variable', [transport.VARIABLE, transport.OLD_VARIABLE])
def test_a_profile_of_the_user_stays(variable):
    assert transport.with_profile({variable: '/mine.xml'}) == {variable: '/mine.xml'}
    assert transport.profile_in_force({variable: '/mine.xml'}) == '/mine.xml'
    assert transport.state('rmw_fastrtps_cpp', {}) == 'no Fast DDS profile'


def test_domains_do_not_meet():
    with isolated({}) as one, isolated({}) as two:
        assert one['ROS_DOMAIN_ID'] != two['ROS_DOMAIN_ID']
        assert 1 <= int(one['ROS_DOMAIN_ID']) <= 101
        assert one['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'


@pytest.mark.parametrize(('text', 'size'), [
    ('', None), ('640x480', (480, 640)), (' 8x9 ', (9, 8))])
def test_a_size_is_width_by_height(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize('text', ['640', '0x480', '640x0', 'x', '640X480', '-1x5', '1x2x3'])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ParameterError, match='is not WIDTHxHEIGHT'):
        parse_size(text)


def test_scenes_go_round_and_differ_by_seed():
    pictures = open_source('scenes:3', (96, 128))
    first = next(pictures)
    assert first.shape == (96, 128, 3) and first.dtype == np.uint8
    assert not np.array_equal(first, next(open_source('scenes:4', (96, 128))))


def test_a_folder_goes_round_in_order_and_a_broken_file_is_named(tmp_path):
    for name, value in (('b.png', 200), ('a.png', 10)):
        cv2.imwrite(str(tmp_path / name), np.full((6, 8, 3), value, np.uint8))
    pictures = open_source(str(tmp_path))
    assert [int(next(pictures)[0, 0, 0]) for _ in range(5)] == [10, 200, 10, 200, 10]
    assert next(open_source(str(tmp_path), (3, 5))).shape == (3, 5, 3)
    (tmp_path / 'c.png').write_bytes((tmp_path / 'a.png').read_bytes()[:20])
    pictures = open_source(str(tmp_path))
    with pytest.raises(ImageError, match=r'c\.png'):
        [next(pictures) for _ in range(3)]


def test_a_video_goes_round(tmp_path):
    path = tmp_path / 'film.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for value in (0, 120, 240):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    pictures = open_source(str(path))
    levels = [round(float(next(pictures).mean()) / 120) for _ in range(7)]
    assert levels == [0, 1, 2, 0, 1, 2, 0]
