# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The executor beside a thread that computes in Python, and callbacks that raise."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from harness import ROOT

from anydepth_ros.executable import BUG
from anydepth_ros.spinning import FAILED_WAITS, _spin


def test_each_callback_is_handed_over_once_although_another_thread_holds_the_lock(environment):
    script = textwrap.dedent("""
        import threading, time
        import rclpy
        from anydepth_ros.spinning import PatientExecutor

        handed, run = [], []

        class Counting(PatientExecutor):
            def wait_for_ready_callbacks(self, *args, **kwargs):
                found = super().wait_for_ready_callbacks(*args, **kwargs)
                handed.append(found)
                return found

        rclpy.init()
        node = rclpy.create_node('ticking')
        node.create_timer(0.02, lambda: run.append(time.monotonic()))
        executor = Counting(2)
        executor.add_node(node)
        end = time.monotonic() + 2.0

        def compute():
            while time.monotonic() < end:
                sum(range(100))

        threading.Thread(target=compute).start()
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
        print(len(run), len(handed), flush=True)
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
    """)
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True,
                          env={**environment, 'PYTHONPATH': str(ROOT)}, timeout=60, check=True)
    ran, handed = map(int, done.stdout.split())
    assert ran > 5
    assert handed <= ran + 2


class Stopping:
    """Asks for the end after a number of looks."""

    def __init__(self, looks):
        self.looks, self.code = looks, None

    @property
    def asked(self):
        self.looks -= 1
        return self.code is not None or self.looks < 0

    def ask(self, code):
        self.code = code


class Failing:
    """An executor whose callbacks raise, or that cannot even wait for them."""

    def __init__(self, waits):
        self.failed_waits, self.waits = 0, waits

    def spin_once(self):
        self.failed_waits += not self.waits
        int('no number')


def test_callbacks_that_raise_are_told_once_and_end_nothing(capsys):
    stop = Stopping(50 * FAILED_WAITS)
    _spin(Failing(waits=True), stop)
    assert stop.code is None
    assert capsys.readouterr().err.count("literal for int() with base 10: 'no number'") == 1


def test_an_executor_that_cannot_wait_ends_the_process(capsys):
    stop = Stopping(50 * FAILED_WAITS)
    _spin(Failing(waits=False), stop)
    assert stop.code == BUG
    assert 'this process ends' in capsys.readouterr().err
