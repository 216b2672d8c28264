# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""How the executables start and end: signals first, then what takes seconds to import.

Standard library only, so that a signal in the first second finds its handler. Exit codes: 0 after
SIGINT or SIGTERM, 2 for what the user can mend (told in one line), 1 for a fault of the program.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import queue
import signal
import sys

from anydepth_core.runtime.cores import share_cores

BUG = 1
USER_ERROR = 2
SIGNALS = (signal.SIGINT, signal.SIGTERM)
WAKE_S = 0.2
# Of the C library's mallopt.
ARENA_MAX, ARENAS = -8, 2


class Stop:
    """The wish to end, from a signal or from the node; the first gives the exit code.

    Further signals change nothing, so that a launch file and a terminal that both send SIGINT do
    not break the clean-up.
    """

    def __init__(self) -> None:
        self.asked = False
        self._at_once = True
        # A SimpleQueue may be put to from a signal handler; an Event may deadlock there.
        self._codes: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in SIGNALS:
            signal.signal(number, lambda *_: self._on_signal())

    def ask(self, code: int) -> None:
        """Ask the process to end with `code`; from any thread or signal handler."""
        self.asked = True
        self._codes.put(code)

    def wait(self) -> int:
        """Block until somebody asks and return the exit code."""
        while True:
            # The system may hand a signal to another thread, which leaves this one asleep; and
            # Python runs the handler here only, as soon as this thread runs.
            with contextlib.suppress(queue.Empty):
                return self._codes.get(timeout=WAKE_S)

    def begin(self) -> None:
        """From now on a signal is a wish to end; before, it ends the process there and then."""
        self._at_once = False

    def _on_signal(self) -> None:
        if self._at_once:
            ignore_signals()
            sys.exit(0)
        self.ask(0)


def run(name: str, module: str) -> None:
    """Run the node that `make_node` in `module` makes, and exit.

    Args:
        name: of the executable, for messages.
        module: has `make_node(stop)`, which returns a node and may raise AnyDepthError.
    """
    stop = Stop()
    share_cores()
    share_heaps()
    make_node = importlib.import_module(module).make_node
    spin = importlib.import_module('anydepth_ros.spinning').spin
    stop.begin()
    code = spin(name, make_node, stop)
    ignore_signals()
    sys.stdout.flush()
    sys.stderr.flush()
    # All is freed. What Python and the middleware would do at their own end takes seconds, waits
    # for threads, and was seen to hang after a signal on a busy machine.
    os._exit(code)


def share_heaps() -> None:
    """Let threads share two heaps; call it before they are there.

    The C library would give each thread that loads a model a heap of its own, up to eight for each
    core, and pieces of every model that ever was would hold pages in all of them.
    """
    if 'MALLOC_ARENA_MAX' not in os.environ:
        with contextlib.suppress(AttributeError, OSError):  # glibc alone has it
            ctypes.CDLL(None).mallopt(ARENA_MAX, ARENAS)


def ignore_signals() -> None:
    """Let nothing change the exit code any more: at its end Python would restore the defaults."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def user_error(name: str, error: Exception) -> int:
    """Tell in one line what the user can mend and return the exit code for it."""
    print(f'{name}: error: {" ".join(str(error).split())}', file=sys.stderr, flush=True)
    return USER_ERROR
