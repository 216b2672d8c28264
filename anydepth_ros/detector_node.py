# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The executable `detector`: images in, detections out, at a depth that is a parameter.

    ros2 run anydepth_ros detector --ros-args -r image:=/camera/image_raw -p depth:=base

With `autostart` (the default) it configures and activates itself; if it cannot because of
something the user can mend, it says so in one line and ends with exit code 2. Without `autostart`
the transition is refused and the node lives on. A parameter value that can never be valid ends the
start in both cases.
"""

from __future__ import annotations

from anydepth_ros.executable import run


def main() -> None:
    """Run the node until SIGINT or SIGTERM."""
    run('detector', 'anydepth_ros.detector_lifecycle')


if __name__ == '__main__':
    main()
