# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a domain of its own for each test, a tiny model with random weights, processes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
import os
from pathlib import Path
import sys

import pytest

pytest.importorskip('rclpy', reason='these tests talk to real nodes')

sys.path.insert(0, str(Path(__file__).parent))

from harness import Camera, Peer, Process, untrained

from anydepth_ros.isolation import isolated
from anydepth_ros.transport import with_profile

TIMEOUT_S = 400
LOG_SHOWN = 4000  # characters
# Fast DDS reads it once in the life of this process.
os.environ.update(with_profile({}), ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that start processes longer: a busy machine is not what they are to find."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker('timeout'):
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test what the processes that still run have written."""
    report = yield
    if report.failed:
        for process in Process.running:
            report.sections.append((f'written to {process.log}', process.text[-LOG_SHOWN:]))
    return report


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a weights file of a tiny model that was never trained."""
    return untrained(tmp_path_factory.mktemp('weights') / 'tiny.safetensors')


@pytest.fixture(scope='session')
def slow_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same of a model that takes much longer than a camera for an image."""
    return untrained(tmp_path_factory.mktemp('weights') / 'slow.safetensors', 'anydepth-yolo-n',
                     640)


@pytest.fixture(scope='module')
def environment() -> Iterator[dict[str, str]]:
    """Yield an environment with a domain that no other test uses meanwhile."""
    with isolated(os.environ) as found:
        yield found


@pytest.fixture(scope='module')
def peer(environment: dict[str, str]) -> Iterator[Peer]:
    """Yield a node of this process in that domain."""
    node = Peer(int(environment['ROS_DOMAIN_ID']))
    yield node
    node.close()


Start = Callable[..., Process]


@pytest.fixture(scope='module')
def start(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory,
          weights: Path) -> Iterator[Start]:
    """Yield a function that starts an executable; whatever it started is gone afterwards."""
    processes: list[Process] = []

    def start_one(module: str = 'detector_node', *arguments: str,
                  env: dict[str, str] | None = None, **parameters: object) -> Process:
        if module == 'detector_node':
            parameters.setdefault('weights', weights)
        words = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
        log = tmp_path_factory.mktemp('process') / 'log.txt'
        process = Process(f'anydepth_ros.{module}', env or environment, log,
                          '--ros-args', *arguments, *words)
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        process.kill()


@pytest.fixture(scope='module')
def camera(detector: Process, peer: Peer) -> Camera:
    """Return a camera before the node that a module has as `detector`, which starts at full."""
    detector.wait_text('active at depth full')
    return Camera(peer)
