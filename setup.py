# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Install anydepth_core and anydepth_ros, with colcon (ament_python) or with pip.

The version and the description are those of package.xml; the requirements are those of
config/environment/, which the development environment installs too.
"""

from pathlib import Path
import xml.etree.ElementTree as ET

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent  # colcon may run a link to this file
MANIFEST = ET.parse(HERE / 'package.xml').getroot()
NAME = MANIFEST.findtext('name', '')
SHARE = f'share/{NAME}'


def requirements(group: str) -> list[str]:
    """Return the lines of one requirements file, without comments."""
    text = (HERE / f'config/environment/requirements-{group}.txt').read_text(encoding='utf-8')
    lines = (line.partition('#')[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def files(pattern: str) -> list[str]:
    """Return the files that match, relative to this folder, as setuptools wants them."""
    return sorted(str(path.relative_to(HERE)) for path in HERE.glob(pattern))


setup(
    name=NAME,
    version=MANIFEST.findtext('version', ''),
    description=' '.join(MANIFEST.findtext('description', '').split()),
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['anydepth_core', 'anydepth_core.*', NAME, f'{NAME}.*']),
    package_data={
        'anydepth_core': ['py.typed', 'weights/*.safetensors'],
        NAME: ['py.typed'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (SHARE, ['package.xml']),
        (f'{SHARE}/launch', files('launch/*.launch.py')),
        (f'{SHARE}/config', [path for suffix in ('json', 'rviz', 'xml', 'yaml')
                              for path in files(f'config/*.{suffix}')]),
    ],
    install_requires=requirements('run'),
    extras_require={
        'nvidia': requirements('nvidia'),
        'onnxruntime': requirements('onnxruntime'),
        'openvino': requirements('openvino'),
        'replay': requirements('replay'),
        'train': requirements('train'),
        'test': [line for group in ('onnxruntime', 'openvino', 'train', 'replay', 'test')
                 for line in requirements(group)],
    },
    entry_points={
        'console_scripts': [
            'anydepth = anydepth_core.cli:main',
            'detector = anydepth_ros.detector_node:main',
            'demo_camera = anydepth_ros.demo_camera:main',
        ],
    },
    zip_safe=True,
)
