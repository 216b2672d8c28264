# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What all tests have in common."""

from __future__ import annotations

import os

import pytest

# Several processes of tests share the cores, and two threads that sleep while they wait take
# twice as long as one for small networks (docs/decisions/0004). Read once, with PyTorch.
os.environ.setdefault('OMP_NUM_THREADS', '1')


@pytest.fixture(scope='session', autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Keep exported graphs out of the user's cache; processes that tests start inherit this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield
