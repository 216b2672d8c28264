# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files: by a real launch where there is one, and by what can be read in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
import os
from pathlib import Path
import subprocess
import sys

from harness import PATIENCE_S, ROOT, Peer, wait_for
import pytest
from rcl_interfaces.srv import GetParameters

from anydepth_ros.parameters import BY_NAME

FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
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
        assert {'description', 'default_value'} <= set(keywords), name
        assert len(ast.unparse(keywords['description'])) > 12, name


def test_the_detector_has_the_arguments_that_a_robot_needs():
    path = ROOT / 'launch' / 'detector.launch.py'
    arguments = dict(declared(path))
    assert set(arguments) >= NEEDED
    parameters = next(ast.literal_eval(ast.unparse(node.value).replace('str', '0').replace(
        'bool', '0')) for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'PARAMETERS')
    assert set(parameters) <= set(arguments) & set(BY_NAME)
    for name in parameters:  # empty leaves the value to the parameter file
        assert ast.unparse(arguments[name]['default_value']) == "''"


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
