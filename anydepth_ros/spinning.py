# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a node, spins it until somebody asks for the end, and takes it apart in order."""

from __future__ import annotations

from collections.abc import Callable
import faulthandler
import os
import sys
import threading
import time
import traceback
from typing import Any, Protocol

import rclpy
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from anydepth_core.errors import AnyDepthError
from anydepth_ros.executable import BUG, Stop, user_error

# Transitions, parameters with services, and what a slow one of them must not hold up; images are
# taken by `receiver.Receiver`.
THREADS = 4
# A launch file waits five seconds before it becomes rude.
PATIENCE_S = 4.0
FAILED_WAITS = 20  # in a row
# How soon to look again whether a thread has begun a callback.
BEGIN_S = 0.0002


class Spinnable(Protocol):
    """A node that frees what it holds, threads first, before it is destroyed."""

    def close(self) -> None:
        """Free everything; called once, after the last callback."""

    def destroy_node(self) -> None:
        """As in rclpy."""


class PatientExecutor(MultiThreadedExecutor):
    """Waits until a callback has begun before it looks for the next.

    rclpy up to Kilted does not (mended by ros2/rclpy#1547): it finds the callback again, thousands
    of times a second, and holds Python's lock, which the thread that should begin it needs, and
    the network between any two of its layers.
    """

    def __init__(self, num_threads: int) -> None:
        super().__init__(num_threads)
        self._handed_over: Any = None
        self.failed_waits = 0

    def wait_for_ready_callbacks(self, *args: Any, **kwargs: Any) -> Any:
        """Return the next task, its entity and its node, as in rclpy."""
        task = self._handed_over
        while task and not task.executing() and not task.done():
            time.sleep(BEGIN_S)
        self.failed_waits += 1
        found = super().wait_for_ready_callbacks(*args, **kwargs)
        self.failed_waits = 0
        self._handed_over = found[0]
        return found


def spin(name: str, make_node: Callable[[Stop], Spinnable], stop: Stop) -> int:
    """Run one node to its end and return the exit code.

    Args:
        name: of the executable, for messages.
        make_node: may raise AnyDepthError.
        stop: asked by signals or by the node.
    """
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy has no common class for malformed --ros-args
        return user_error(name, error)
    try:
        if not hasattr(Node, 'add_pre_set_parameters_callback'):
            raise AnyDepthError('this ROS 2 is too old: Jazzy or newer is needed')
        node = make_node(stop)
    except AnyDepthError as error:
        rclpy.try_shutdown()
        return user_error(name, error)
    assert isinstance(node, Node)
    executor = PatientExecutor(THREADS)
    executor.add_node(node)
    spinner = threading.Thread(target=_spin, args=(executor, stop), name='executor')
    spinner.start()
    code = stop.wait()
    # The last resort, in C: also a thread that ends while it holds Python's lock is left behind.
    faulthandler.dump_traceback_later(2 * PATIENCE_S, exit=True)
    ending = threading.Thread(target=_end, args=(node, executor, spinner), daemon=True)
    ending.start()
    ending.join(PATIENCE_S)
    if ending.is_alive():
        # A model is being loaded: that cannot be broken off, and nothing of it is worth keeping.
        os._exit(code)
    return code


def _end(node: Spinnable, executor: PatientExecutor, spinner: threading.Thread) -> None:
    """Let the callbacks in progress end, then free everything in order."""
    executor.create_task(_nothing)  # its end ends `spin_once`, which `wake` does not
    spinner.join()
    # rclpy destroys what a callback in progress still needs at its end: let all end before.
    executor._executor.shutdown()
    executor.shutdown()
    node.close()
    node.destroy_node()
    rclpy.try_shutdown()


def _nothing() -> None:
    """Be something to do."""


def _spin(executor: PatientExecutor, stop: Stop) -> None:
    """Run callbacks until the end, or until even waiting for them fails.

    rclpy hands on what a callback raises, and raises itself at requests that are malformed, such
    as a parameter of a type that does not exist: no reason for a robot to lose its eyes, however
    many of them come.
    """
    faults = Faults()
    while not stop.asked:
        if not _survived(executor, faults):
            print('the executor cannot wait any more; this process ends', file=sys.stderr,
                  flush=True)
            stop.ask(BUG)


def _survived(executor: PatientExecutor, faults: Faults) -> bool:
    """Spin once; return False when nothing works any more."""
    try:
        executor.spin_once()
    except Exception as error:
        faults.tell(error)
        return executor.failed_waits < FAILED_WAITS
    return True


class Faults:
    """What callbacks raised: told in full, once per kind, while the others go on."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, error: Exception) -> None:
        """Tell it, if it is the first of its kind."""
        kind = f'{type(error).__name__} at {traceback.extract_tb(error.__traceback__)[-1]}'
        if kind not in self._told:
            self._told.add(kind)
            words = ''.join(traceback.format_exception(error))
            print(f'a callback failed (told once); the node goes on:\n{words}', file=sys.stderr,
                  flush=True)
