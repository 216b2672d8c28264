# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Start the demo camera and a detector: `ros2 launch anydepth_ros demo.launch.py`."""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

SHARE = get_package_share_directory('anydepth_ros')


def generate_launch_description() -> LaunchDescription:
    """Return the detector, which puts the Fast DDS profile in force, the camera, and RViz."""
    source, rate, image, namespace, name = map(
        LaunchConfiguration, ('source', 'rate_hz', 'image', 'namespace', 'name'))
    return LaunchDescription([
        DeclareLaunchArgument('source', default_value='scenes',
                              description="'scenes', a folder of images, a video file, or the "
                                          'number or device of a camera.'),
        DeclareLaunchArgument('rate_hz', default_value='30.0',
                              description='Pictures per second.'),
        DeclareLaunchArgument('rviz', default_value='false', choices=['true', 'false'],
                              description='Whether RViz shows the debug image.'),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(os.path.join(SHARE, 'launch', 'detector.launch.py'))),
        Node(package='anydepth_ros', executable='demo_camera', output='screen', emulate_tty=True,
             namespace=namespace, remappings=[('image', image)],
             parameters=[{'source': ParameterValue(source, value_type=str),
                          'rate_hz': ParameterValue(rate, value_type=float)}]),
        Node(package='rviz2', executable='rviz2', output='log',
             arguments=['-d', os.path.join(SHARE, 'config', 'detector.rviz')],
             namespace=namespace,
             remappings=[('/detector/debug_image', [name, '/debug_image'])],
             condition=IfCondition(LaunchConfiguration('rviz'))),
    ])
