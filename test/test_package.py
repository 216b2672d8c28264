# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The package as it is installed: what ament, launch files, colcon and pip find of it."""

from __future__ import annotations

import ast
import importlib.metadata
import os
from pathlib import Path
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile

from ament_index_python import get_package_prefix, get_package_share_directory
import pytest

ROOT = Path(__file__).parents[1]
NAME = 'anydepth_ros'
MANIFEST = ET.parse(ROOT / 'package.xml').getroot()
# What is imported, by its name for pip and its key for rosdep (None: rosdep has none).
LIBRARIES = {
    'PIL': ('Pillow', 'python3-pil'),
    'cv2': ('opencv-python-headless', 'python3-opencv'),
    'google': ('protobuf', None),
    'lz4': ('lz4', None),
    'matplotlib': ('matplotlib', 'python3-matplotlib'),
    'numpy': ('numpy', 'python3-numpy'),
    'onnx': ('onnx', None),
    'onnxruntime': ('onnxruntime', None),
    'openvino': ('openvino', None),
    'pycocotools': ('pycocotools', None),
    'pydantic': ('pydantic', None),
    'rosbags': ('rosbags', None),
    'ruamel': ('ruamel.yaml', None),
    'safetensors': ('safetensors', None),
    'scipy': ('scipy', 'python3-scipy'),
    'torch': ('torch', 'python3-pytorch-pip'),
    'torchvision': ('torchvision', 'python3-pytorch-pip'),
    'tqdm': ('tqdm', 'python3-tqdm'),
    'yaml': ('PyYAML', 'python3-yaml'),
}


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the package as `pip install` does, from a copy, so that nothing is left behind."""
    copy, out = tmp_path_factory.mktemp('copy'), tmp_path_factory.mktemp('wheel')
    for name in ('package.xml', 'setup.py', 'setup.cfg', 'pyproject.toml', 'LICENSE', 'NOTICE',
                 'resource', 'launch', 'config', 'anydepth_core', NAME):
        (copy / name).symlink_to(ROOT / name)
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps',
                    '--no-build-isolation', '--wheel-dir', out, copy], check=True)
    return zipfile.ZipFile(next(out.glob('*.whl')))


def test_versions_agree() -> None:
    version = MANIFEST.findtext('version', '')
    assert re.fullmatch(r'\d+\.\d+\.\d+', version)
    assert importlib.metadata.version(NAME) == version
    changes = (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8')
    newest = re.search(r'^(?:Forthcoming|(\d+\.\d+\.\d+) \(.*\))\n-+$', changes, re.MULTILINE)
    assert newest and newest[1] in (None, version)


def test_manifest_is_one_of_an_ament_python_package() -> None:
    assert MANIFEST.get('format') == '3'
    assert MANIFEST.findtext('name') == NAME
    assert MANIFEST.findtext('export/build_type') == 'ament_python'
    licence = MANIFEST.find('license')
    assert licence is not None and licence.text == 'Apache-2.0'
    assert (ROOT / licence.get('file', '')).read_text().count('Apache License')


def test_every_import_is_a_declared_dependency() -> None:
    keys = {element.text for element in MANIFEST.iter() if element.tag.endswith('depend')}
    lists = (ROOT / f'config/environment/requirements-{group}.txt'
             for group in ('run', 'onnxruntime', 'openvino', 'replay', 'train'))
    pip = {re.split(r'[<>=]', line)[0] for path in lists for line in path.read_text().split()}
    own = {'anydepth_core', NAME, *sys.stdlib_module_names}
    for folder in ('anydepth_core', NAME, 'launch', 'training'):
        for path in (ROOT / folder).rglob('*.py'):
            for name in sorted(imported(path) - own):
                requirement, key = LIBRARIES.get(name, (None, name))
                assert key is None or key in keys, f'{path} imports {name}: see package.xml'
                assert requirement is None or requirement in pip, f'{path}: no list has {name}'


def imported(path: Path) -> set[str]:
    """Return the top-level names of all modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition('.')[0])
    return names


def test_ament_finds_the_package_and_its_files() -> None:
    share = Path(get_package_share_directory(NAME))
    index = Path(get_package_prefix(NAME), 'share', 'ament_index', 'resource_index', 'packages')
    assert (index / NAME).is_file()
    for pattern in ('package.xml', 'launch/*.launch.py', 'config/*.json', 'config/*.rviz',
                    'config/*.xml', 'config/*.yaml'):
        sources = sorted(ROOT.glob(pattern))
        assert sources, f'{pattern} matches nothing'
        for source in sources:
            assert (share / source.relative_to(ROOT)).read_bytes() == source.read_bytes()


@pytest.mark.parametrize('command', ['anydepth', 'detector', 'demo_camera'])
def test_command_leads_to_a_function(command: str) -> None:
    (entry,) = importlib.metadata.entry_points(group='console_scripts', name=command)
    assert callable(entry.load())


def test_wheel_holds_all_modules_weights_and_licences(wheel: zipfile.ZipFile) -> None:
    held = set(wheel.namelist())
    expected = {str(path.relative_to(ROOT)) for folder in ('anydepth_core', NAME)
                for pattern in ('*.py', 'py.typed', 'weights/*.safetensors')
                for path in (ROOT / folder).rglob(pattern)}
    assert expected <= held
    assert not {name for name in held if name.startswith(('test/', 'training/', 'config/'))}
    for name in ('LICENSE', 'NOTICE'):
        assert any(path.endswith(f'/{name}') for path in held)


def test_wheel_asks_for_what_the_environment_installs(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith('/METADATA'))
    text = wheel.read(name).decode()
    lines = (ROOT / 'config/environment/requirements-run.txt').read_text().splitlines()
    for requirement in (line for line in lines if not line.startswith('#')):
        assert f'Requires-Dist: {requirement}\n' in text


def test_profile_for_images_is_in_force() -> None:
    """Where Fast DDS does not read the profile, images between processes are lost."""
    path = Path(os.environ['FASTDDS_DEFAULT_PROFILES_FILE'])
    assert path.read_bytes() == (ROOT / 'config/fastdds_big_images.xml').read_bytes()
    spaces = {'dds': 'http://www.eprosima.com'}
    sizes = [int(element.text or 0) for element in
             ET.parse(path).getroot().iterfind('.//dds:segment_size', spaces)]
    assert sizes and min(sizes) >= 5 * 1920 * 1080 * 3
    assert os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
