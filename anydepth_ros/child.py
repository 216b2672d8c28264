# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that never outlive the one that started them. No ROS here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import ctypes
import json
from pathlib import Path
import signal
import subprocess
import sys

from anydepth_core.errors import AnyDepthError
from anydepth_ros.executable import USER_ERROR

LAST_LINES = 12
SET_PARENT_DEATH_SIGNAL = 1


def ros_arguments(**parameters: str | float) -> list[str]:
    """Return the words that give a node these parameters, whatever their values look like."""
    return ['--ros-args', *(word for name, value in parameters.items()
                            for word in ('-p', f'{name}:={_quoted(value)}'))]


def _quoted(value: str | float) -> str:
    """Return a value as YAML reads it back unchanged: '0' is the name of a camera here."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else json.dumps(value)


class ChildError(AnyDepthError):
    """A process that ended by itself; the message has its last lines."""


class Child:
    """One of the project's executables in a process of its own, its output in a file."""

    def __init__(self, name: str, module: str, arguments: Sequence[str],
                 environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        root = str(Path(__file__).resolve().parents[1])
        paths = [root, environment.get('PYTHONPATH', '')]
        with log.open('w') as output:
            # An own session: Ctrl-C reaches the parent alone, which then ends its children.
            self._process = subprocess.Popen(
                [sys.executable, '-m', module, *arguments], stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env={**environment, 'PYTHONPATH': ':'.join(filter(None, paths))},
                preexec_fn=_end_with_parent)  # noqa: PLW1509 (started before any thread)

    def require_alive(self) -> None:
        """Do nothing while the process runs.

        Raises:
            AnyDepthError: it has ended because of something the user can mend.
            ChildError: it has ended otherwise.
        """
        code = self._process.poll()
        if code == USER_ERROR:
            raise AnyDepthError(f'{self.name}: {self.last_lines(1)}')
        if code is not None:
            raise ChildError(f'{self.name} ended by itself with exit code {code}; its last '
                             f'lines:\n{self.last_lines()}')

    def last_lines(self, count: int = LAST_LINES) -> str:
        """Return the end of what it wrote."""
        return '\n'.join(self.log.read_text(errors='replace').splitlines()[-count:])

    def stop(self, patience_s: float = 15.0) -> int:
        """End it as Ctrl-C would, harder if it does not listen, and return its exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
            try:
                return self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
        return self._process.wait()


def _end_with_parent() -> None:
    """Let the kernel end this process when its parent is killed."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
