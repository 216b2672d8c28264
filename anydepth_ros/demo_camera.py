# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The executable `demo_camera`: a node `camera` that publishes pictures where no camera is.

    ros2 run anydepth_ros demo_camera --ros-args -p source:=/data/drive.mp4 -p rate_hz:=15.0

The parameter `source` is 'scenes' (built in), a folder of images, a video file, or a camera (its
number or device). A source that cannot be read is told in one line; the exit code is 2.
"""

from __future__ import annotations

import os

from anydepth_ros.executable import run


def main() -> None:
    """Run the node until SIGINT or SIGTERM."""
    # What OpenCV warns of when it cannot open a camera is in our own error.
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'ERROR')
    run('demo_camera', 'anydepth_ros.camera_node')


if __name__ == '__main__':
    main()
