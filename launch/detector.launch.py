# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Start one detector: `ros2 launch anydepth_ros detector.launch.py image:=/camera/image_raw`.

Several cameras share its model with `cameras:='front:=/front/image_raw left:=/left/image_raw'`.
Include it once per detector, each with its own `name` or `namespace`. An argument that is left
empty leaves the value to the parameter file.
"""

import os
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from anydepth_ros.transport import OLD_VARIABLE, VARIABLE, profile_in_force
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

CONFIG = os.path.join(get_package_share_directory('anydepth_ros'), 'config')
# Launch argument and parameter of the same name, with its type: YAML would make a number of '1'.
PARAMETERS = {'image_transport': str, 'weights': str, 'depth': str, 'mission_mode': str,
              'device': str, 'backend': str, 'precision': str, 'profile_on_start': bool,
              'autostart': bool, 'use_sim_time': bool}

ARGUMENTS = (
    DeclareLaunchArgument('image', default_value='image',
                          description='Topic with the images (sensor_msgs/Image).'),
    DeclareLaunchArgument('cameras', default_value='',
                          description='Several cameras instead: NAME:=TOPIC for each, with spaces '
                                      'between; their detections are on ~/NAME/detections.'),
    DeclareLaunchArgument('image_transport', default_value='',
                          description="'raw', or 'compressed' (JPEG or PNG on IMAGE/compressed)."),
    DeclareLaunchArgument('weights', default_value='',
                          description='Packaged name, or path of a .safetensors file.'),
    DeclareLaunchArgument('depth', default_value='',
                          description="Depth at start, such as 'full', 'base' or 'base+neck'."),
    DeclareLaunchArgument('mission_mode', default_value='',
                          description='Mission mode at start, such as those of '
                                      'config/mission_modes.yaml.'),
    DeclareLaunchArgument('device', default_value='',
                          description="'auto', 'cpu', 'cuda' or 'cuda:N'."),
    DeclareLaunchArgument('backend', default_value='',
                          description="'auto', 'torch', 'onnxruntime' or 'openvino'."),
    DeclareLaunchArgument('precision', default_value='',
                          description="'fp32', or 'fp16' and 'bf16' where the device has them."),
    DeclareLaunchArgument('profile_on_start', default_value='', choices=['', 'true', 'false'],
                          description='Whether the node measures a profile when it has none.'),
    DeclareLaunchArgument('autostart', default_value='', choices=['', 'true', 'false'],
                          description='Whether the node configures and activates itself.'),
    DeclareLaunchArgument('use_sim_time', default_value='', choices=['', 'true', 'false'],
                          description='Whether time is that of /clock, as when a bag is played.'),
    DeclareLaunchArgument('params_file', default_value=os.path.join(CONFIG, 'detector.yaml'),
                          description='YAML file with the parameters of the node.'),
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node.'),
    DeclareLaunchArgument('name', default_value='detector', description='Name of the node.'),
    DeclareLaunchArgument('log_level', default_value='info',
                          description='debug, info, warn, error or fatal.'),
    DeclareLaunchArgument('fastdds_profile',
                          default_value=os.path.join(CONFIG, 'fastdds_big_images.xml'),
                          description='Fast DDS profile for this and all later processes of the '
                                      f'launch; empty: none. {VARIABLE} goes first, '
                                      f'and so does {OLD_VARIABLE}.'),
)


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the node, with the profile that lets images of camera size through Fast DDS."""
    values = {name: LaunchConfiguration(name).perform(context)
              for name in (*PARAMETERS, 'image', 'cameras', 'params_file', 'namespace', 'name',
                           'log_level', 'fastdds_profile')}
    given: dict[str, Any] = {name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                             for name, kind in PARAMETERS.items() if values[name]}
    cameras = topics_of(values['cameras'])
    if cameras:
        given['cameras'] = list(cameras)
    remappings = [(f'{name}/image', topic) for name, topic in cameras.items()]
    logger = '.'.join(filter(None, [*values['namespace'].split('/'), values['name']]))
    node = Node(
        package='anydepth_ros', executable='detector', output='screen', emulate_tty=True,
        name=values['name'], namespace=values['namespace'],
        parameters=[values['params_file'], given],
        remappings=remappings or [('image', values['image'])],
        ros_arguments=['--log-level', f'{logger}:={values["log_level"]}'])
    if profile_in_force(context.environment) or not values['fastdds_profile']:
        return [node]
    return [SetEnvironmentVariable(VARIABLE, values['fastdds_profile']), node]


def topics_of(text: str) -> dict[str, str]:
    """Return the topic of each camera that the argument `cameras` names.

    Raises:
        ValueError: a word is not NAME:=TOPIC; launch shows the message.
    """
    pairs = [word.partition(':=') for word in text.split()]
    for name, _, topic in pairs:
        if not (name and topic):
            raise ValueError(f'cameras: {name!r} is not NAME:=TOPIC such as front:=/front/image')
    return {name: topic for name, _, topic in pairs}


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the node."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
