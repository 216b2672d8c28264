# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Fast DDS and big images: where the profile is that lets them pass, and whether it is in force.

Fast DDS gives two processes half a mebibyte of shared memory by default, and loses best-effort
images that are larger. config/fastdds_big_images.xml gives 32 MiB. The memory is the sender's: the
process that publishes the images needs the profile. No ROS here.
"""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
import sys
import sysconfig

VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
# The name that older releases read; they still do.
OLD_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
NAME = 'fastdds_big_images.xml'


def shared_file(relative: str) -> Path:
    """Return the path of a file that the package installs, such as 'config/detector.yaml'."""
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / relative).is_file():
        return checkout / relative
    # pip puts data elsewhere outside of a virtual environment: /usr/local on Debian, ~/.local.
    user = sysconfig.get_preferred_scheme('user')
    prefixes = [*os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep),
                sysconfig.get_path('data', user), sysconfig.get_path('data'), sys.prefix]
    candidates = [Path(p, 'share', 'anydepth_ros', relative) for p in prefixes if p]
    return next((path for path in candidates if path.is_file()), candidates[-1])


def profile_in_force(environment: Mapping[str, str] = os.environ) -> str:
    """Return the path of the profile that Fast DDS reads at start; empty: none."""
    return environment.get(VARIABLE) or environment.get(OLD_VARIABLE) or ''


def with_profile(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` with the shipped profile, unless it already names one."""
    found = dict(environment)
    if not profile_in_force(environment):
        found[VARIABLE] = str(shared_file(f'config/{NAME}'))
    return found


def state(rmw: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return one clause for the log: which profile this process runs with."""
    if 'fastrtps' not in rmw:
        return f'middleware {rmw}'
    profile = profile_in_force(environment)
    return f'Fast DDS profile {profile}' if profile else 'no Fast DDS profile'


def advice(rmw: str, topic: str) -> str:
    """Return what to do when images larger than the transport's buffers are lost."""
    if 'fastrtps' not in rmw:
        return (f'enlarge the socket buffers of {rmw} (net.core.rmem_max) on this machine, or '
                'lower the size or rate of the images')
    return (f'start the process that publishes {topic} with '
            f'{VARIABLE}={shared_file(f"config/{NAME}")}')
