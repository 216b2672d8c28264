# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag for a detector and look at what it finds.

    ros2 launch anydepth_ros bag.launch.py bag:=my_bag image:=/camera/image_raw rviz:=true

Images are dropped where the detector is slower than the bag, as on a robot; `anydepth replay`
processes every one of them. All arguments of detector.launch.py can be given too.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

SHARE = get_package_share_directory('anydepth_ros')

ARGUMENTS = (
    DeclareLaunchArgument('bag', description='The bag to play: a folder, or one of its files.'),
    DeclareLaunchArgument('rate', default_value='1.0',
                          description='How much faster than it was recorded.'),
    DeclareLaunchArgument('delay', default_value='10.0',
                          description='Seconds until it starts: the detector has to load first.'),
    DeclareLaunchArgument('loop', default_value='false', choices=['true', 'false'],
                          description='Whether it starts again at its end; otherwise all ends.'),
    DeclareLaunchArgument('rviz', default_value='false', choices=['true', 'false'],
                          description='Whether RViz shows the debug image.'),
)


def play(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the player; time is the bag's, so that images are as old as they were."""
    bag, rate, delay, loop = (LaunchConfiguration(name).perform(context)
                              for name in ('bag', 'rate', 'delay', 'loop'))
    command = ['ros2', 'bag', 'play', bag, '--clock', '--rate', rate, '--delay', delay]
    if loop == 'true':
        command.append('--loop')
    return [ExecuteProcess(cmd=command, output='screen', on_exit=[Shutdown()])]


def generate_launch_description() -> LaunchDescription:
    """Return the detector, which puts the Fast DDS profile in force, the player, and RViz."""
    return LaunchDescription([
        *ARGUMENTS,
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(os.path.join(SHARE, 'launch', 'detector.launch.py')),
            launch_arguments={'use_sim_time': 'true'}.items()),
        OpaqueFunction(function=play),
        Node(package='rviz2', executable='rviz2', output='log',
             arguments=['-d', os.path.join(SHARE, 'config', 'detector.rviz')],
             parameters=[{'use_sim_time': True}],
             namespace=LaunchConfiguration('namespace'),
             remappings=[('/detector/debug_image', [LaunchConfiguration('name'), '/debug_image'])],
             condition=IfCondition(LaunchConfiguration('rviz'))),
    ])
