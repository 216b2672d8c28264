# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Start one detector for several cameras, which share its model.

    ros2 launch anydepth_ros cameras.launch.py cameras:='front:=/front/image_raw rear:=/rear/image'
    ros2 param set /detector front.depth base

Every camera has topics (~/front/detections) and live parameters (front.depth) of its own. All
arguments of detector.launch.py can be given too.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription

SHARE = get_package_share_directory('anydepth_ros')


def generate_launch_description() -> LaunchDescription:
    """Return the detector with two cameras, if no others are named."""
    return LaunchDescription([
        DeclareLaunchArgument('cameras',
                              default_value='front:=front/image_raw rear:=rear/image_raw',
                              description='NAME:=TOPIC of each camera, with spaces between.'),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(
            os.path.join(SHARE, 'launch', 'detector.launch.py'))),
    ])
