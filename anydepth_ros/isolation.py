# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""A corner of the machine where ROS processes meet nobody else: an own domain, this machine only.

No ROS here. The demo and the tests use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import socket
import tempfile
from typing import IO

from anydepth_core.errors import AnyDepthError
from anydepth_ros.transport import with_profile

# Above 101 the ports of DDS run into those that the system gives to others.
DOMAINS = range(1, 102)


@contextmanager
def isolated(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield `environment` with a domain that nobody else uses until the context ends.

    The profile for big images is put in force too, unless the environment names one.

    Raises:
        AnyDepthError: all domains are taken.
    """
    lock, domain = _take_domain()
    with lock:
        yield with_profile({**environment, 'ROS_DOMAIN_ID': str(domain),
                            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'})


def _take_domain() -> tuple[IO[str], int]:
    folder = Path(tempfile.gettempdir(), f'anydepth-domains-{os.getuid()}')
    folder.mkdir(mode=0o700, exist_ok=True)
    # Each process starts at another one: a domain just left may still have a process ending in it.
    start = os.getpid()
    for step in range(len(DOMAINS)):
        domain = DOMAINS[(start + step) % len(DOMAINS)]
        lock = (folder / str(domain)).open('w')
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        if _is_free(domain):
            return lock, domain
        lock.close()
    raise AnyDepthError('every ROS domain from 1 to 101 is in use on this machine')


def _is_free(domain: int) -> bool:
    """Return whether no DDS participant listens on the first port of the domain."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(('', 7400 + 250 * domain + 10))
        except OSError:
            return False
    return True
