# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The executor beside a thread that computes in Python, and callbacks that raise."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from harness import ROOT

from anydepth_ros.spinning import FAULTS_IN_A_ROW, Faults


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


def test_a_callback_that_raises_is_told_once_and_ends_nothing(capsys):
    faults = Faults()

    def fail() -> None:
        int('no number')
    for _ in range(5 * FAULTS_IN_A_ROW):
        assert faults.survived(fail)
        assert faults.survived(lambda: None)
    assert capsys.readouterr().err.count("literal for int() with base 10: 'no number'") == 1
    results = [faults.survived(fail) for _ in range(FAULTS_IN_A_ROW)]
    assert results == [True] * (FAULTS_IN_A_ROW - 1) + [False]
