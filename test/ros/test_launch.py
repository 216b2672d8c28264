# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files: by a real launch where there is one, and by what can be read in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
import json
import os
from pathlib import Path
import re
import runpy
import subprocess
import sys

from harness import PATIENCE_S, ROOT, Peer, wait_for
import pytest
from rcl_interfaces.srv import GetParameters
import yaml

from anydepth_ros.parameters import BY_NAME

FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
REQUIRED = {'bag': ['default_value']}  # nothing to fall back on
NEEDED = {'image', 'weights', 'device', 'backend', 'depth', 'params_file', 'namespace', 'name'}

TWO = """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

def generate_launch_description():
    return LaunchDescription([
        IncludeLaunchDescription(PythonLaunchDescriptionSource({file!r}), launch_arguments={{
            'namespace': side, 'image': side + '_eye', 'depth': depth, 'weights': {weights!r},
            'device': 'cpu'}}.items())
        for side, depth in (('left', 'base'), ('right', 'full-p2'))])
"""


def declared(path: Path) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    """Yield name and keywords of each launch argument."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'DeclareLaunchArgument':
            assert isinstance(node.args[0], ast.Constant)
            yield node.args[0].value, {k.arg or '': k.value for k in node.keywords}


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_every_argument_has_a_description_and_a_default(path):
    compile(path.read_text(), path, 'exec')
    arguments = dict(declared(path))
    assert arguments
    for name, keywords in arguments.items():
        assert {'description', 'default_value'} <= {*keywords, *REQUIRED.get(name, ())}, name
        assert len(ast.unparse(keywords['description'])) > 12, name


def test_the_detector_has_the_arguments_that_a_robot_needs():
    path = ROOT / 'launch' / 'detector.launch.py'
    arguments = dict(declared(path))
    assert set(arguments) >= NEEDED
    parameters = next(ast.literal_eval(ast.unparse(node.value).replace('str', '0').replace(
        'bool', '0')) for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'PARAMETERS')
    assert set(parameters) <= set(arguments) & {*BY_NAME, 'use_sim_time'}
    for name in parameters:  # empty leaves the value to the parameter file
        assert ast.unparse(arguments[name]['default_value']) == "''"


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_launch_itself_loads_every_file_and_lists_its_arguments(path):
    pytest.importorskip('launch_ros', reason='launch_ros is not installed: no wheel has it')
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    import launch
    description = PythonLaunchDescriptionSource(str(path)).get_launch_description(
        launch.LaunchContext())
    arguments = {argument.name for argument in description.get_launch_arguments()}
    assert arguments >= NEEDED | set(dict(declared(path)))


def test_cameras_are_named_with_their_topics():
    pytest.importorskip('launch_ros', reason='launch_ros is not installed: no wheel has it')
    topics_of = runpy.run_path(str(ROOT / 'launch' / 'detector.launch.py'))['topics_of']
    assert topics_of('') == {}
    assert topics_of(' front:=/f/image  left:=l ') == {'front': '/f/image', 'left': 'l'}
    for wrong in ('front', 'front:=', ':=/image', 'front:=/f, left'):
        with pytest.raises(ValueError, match='is not NAME:=TOPIC'):
            topics_of(wrong)


def test_the_views_show_topics_of_the_detector():
    """What RViz and Foxglove subscribe is what the node of the default name publishes."""
    published = set()
    for path in (ROOT / 'anydepth_ros').glob('*.py'):
        published |= set(re.findall(r"topic\('(\w+)'\)", path.read_text()))
    assert {'debug_image', 'frame_status', 'detections'} <= published
    displays = yaml.safe_load((ROOT / 'config/detector.rviz').read_text())[
        'Visualization Manager']['Displays']
    text = json.dumps([displays, json.loads((ROOT / 'config/foxglove_layout.json').read_text())])
    shown = set(re.findall(r'/detector/(\w+)', text))
    assert 'debug_image' in shown and shown <= published
    panels = json.loads((ROOT / 'config/foxglove_layout.json').read_text())
    assert set(re.findall(r'"(\w+!\w+)"', json.dumps(panels['layout']))) == set(
        panels['configById'])


def test_two_included_detectors_run_side_by_side(environment, tmp_path, weights, peer: Peer):
    pytest.importorskip('launch_ros', reason='launch_ros is not installed: no wheel has it')
    from ament_index_python.packages import get_package_share_directory
    file = os.path.join(get_package_share_directory('anydepth_ros'), 'launch/detector.launch.py')
    description = tmp_path / 'two.launch.py'
    description.write_text(TWO.format(file=file, weights=str(weights)))
    program = ('import sys, launch; from launch.launch_description_sources import '
               'PythonLaunchDescriptionSource as Source; service = launch.LaunchService(); '
               'service.include_launch_description(launch.LaunchDescription(['
               'launch.actions.IncludeLaunchDescription(Source(sys.argv[1]))])); '
               'sys.exit(service.run())')
    bare = {name: value for name, value in environment.items()
            if name != 'FASTDDS_DEFAULT_PROFILES_FILE'}
    log = tmp_path / 'log.txt'
    with log.open('w') as output:
        process = subprocess.Popen(
            [sys.executable, '-c', program, str(description)], env=bare, stdout=output,
            stderr=subprocess.STDOUT, cwd=tmp_path)
    try:
        for side, depth in (('left', 'base'), ('right', 'full-p2')):
            node = f'/{side}/detector'
            peer.wait_active(node)
            response = peer.call(GetParameters, f'{node}/get_parameters',
                                 GetParameters.Request(names=['depth', 'weights']))
            assert [v.string_value for v in response.values] == [depth, str(weights)]
            wait_for(lambda side=side: peer.node.count_subscribers(f'/{side}/{side}_eye'),
                     'subscription')
        assert log.read_text().count('fastdds_big_images.xml') == 2
        process.send_signal(2)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert log.read_text().count('process has finished cleanly') == 2, log.read_text()
