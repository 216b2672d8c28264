# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Start a camera driver and a detector on its images.

    ros2 launch anydepth_ros camera.launch.py package:=usb_cam executable:=usb_cam_node_exe

The driver publishes `image_raw` in the namespace `camera`; the detector is remapped to it. All
arguments of detector.launch.py can be given too.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

SHARE = get_package_share_directory('anydepth_ros')

ARGUMENTS = (
    DeclareLaunchArgument('package', default_value='v4l2_camera',
                          description='Package of the camera driver.'),
    DeclareLaunchArgument('executable', default_value='v4l2_camera_node',
                          description='Executable of the camera driver.'),
    DeclareLaunchArgument('camera', default_value='camera',
                          description='Namespace of the driver, below that of the detector.'),
    DeclareLaunchArgument('driver_topic', default_value='image_raw',
                          description='Topic of the images in that namespace.'),
    DeclareLaunchArgument('driver_params_file', default_value='',
                          description='YAML file with the parameters of the driver.'),
)


def start_driver(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the driver."""
    package, executable, camera, namespace, params_file = (
        LaunchConfiguration(name).perform(context) for name in
        ('package', 'executable', 'camera', 'namespace', 'driver_params_file'))
    return [Node(package=package, executable=executable, output='screen',
                 namespace='/'.join(filter(None, (namespace, camera))),
                 parameters=[params_file] if params_file else [])]


def generate_launch_description() -> LaunchDescription:
    """Return the detector, which puts the Fast DDS profile in force, then the driver."""
    topic = [LaunchConfiguration('camera'), '/', LaunchConfiguration('driver_topic')]
    return LaunchDescription([
        *ARGUMENTS,
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(os.path.join(SHARE, 'launch', 'detector.launch.py')),
            launch_arguments={'image': topic}.items()),
        OpaqueFunction(function=start_driver),
    ])
