# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The environment in which `benchmarks/peers.py` runs other people's packages."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import importlib.util
import os
from pathlib import Path
import shutil
import subprocess
import sys

from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.network import cache_folder

PINS = Path(__file__).parents[1] / 'config' / 'environment' / 'requirements-peers.txt'
# Both sides compute with the very same builds of these, those that are installed here.
SHARED = ('torch', 'torchvision', 'numpy', 'cv2', 'onnx', 'onnxruntime', 'openvino')
FINISHED = 'finished'
# How OpenMP's threads wait, for which this process has a policy of its own.
WAITING = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')


def peers_python(*, set_up: bool) -> Path:
    """Return the interpreter of the environment, which `set_up` makes where it is missing.

    That is the only time that anything is downloaded.

    Raises:
        AnyDepthError: it is not there and is not to be made, or making it failed.
    """
    paths = shared_paths()
    content = '\n'.join([*paths, PINS.read_text(encoding='utf-8'), sys.version])
    folder = cache_folder() / f'peers-{hashlib.sha256(content.encode()).hexdigest()[:12]}'
    python = folder / 'bin' / 'python'
    if (folder / FINISHED).exists():
        return python
    if not set_up:
        raise AnyDepthError(f'the peers are not installed; --set-up installs what {PINS.name} '
                            f'names into {folder}')
    shutil.rmtree(folder, ignore_errors=True)
    site = folder / f'lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages'
    try:
        subprocess.run([sys.executable, '-m', 'venv', str(folder)], check=True)
        (site / 'shared.pth').write_text('\n'.join(paths) + '\n', encoding='utf-8')
        subprocess.run([str(python), '-m', 'pip', '--disable-pip-version-check', 'install', '-q',
                        '-r', str(PINS)], check=True, env=peers_variables(os.environ))
        (folder / FINISHED).touch()
    except (OSError, subprocess.CalledProcessError) as error:
        raise AnyDepthError(f'the environment of the peers could not be made: {error}') from error
    return python


def shared_paths() -> list[str]:
    """Return the folders that the shared packages are in."""
    found = [importlib.util.find_spec(name) for name in SHARED]
    return sorted({str(Path(spec.origin).parents[1]) for spec in found if spec and spec.origin})


def peers_variables(users: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of the other process: ours, offline, and no surprises.

    Args:
        users: the variables as the user set them. Of the way to wait, only that reaches the peers,
            who else have what their users have.
    """
    variables = {key: value for key, value in os.environ.items()
                 if key not in ('PYTHONPATH', *WAITING)}
    variables |= {key: users[key] for key in WAITING if key in users}
    return variables | {'YOLO_AUTOINSTALL': 'false', 'YOLO_OFFLINE': 'true', 'HF_HUB_OFFLINE': '1',
                        'YOLO_CONFIG_DIR': str(cache_folder())}


def waiting(variables: Mapping[str, str]) -> str:
    """Return in words how the threads of a process with these variables wait."""
    return ' '.join(f'{key}={variables[key]}' for key in WAITING
                    if key in variables) or "OpenMP's default"
