# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Start one detector: `ros2 launch anydepth_ros detector.launch.py image:=/camera/image_raw`.

Include it once per detector, each with its own `name` or `namespace`. An argument that is left
empty leaves the value to the parameter file.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

CONFIG = os.path.join(get_package_share_directory('anydepth_ros'), 'config')
PROFILE_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
# Launch argument and parameter of the same name, with its type: YAML would make a number of '1'.
PARAMETERS = {'weights': str, 'depth': str, 'device': str, 'backend': str, 'precision': str,
              'autostart': bool}

ARGUMENTS = (
    DeclareLaunchArgument('image', default_value='image',
                          description='Topic with the raw images (sensor_msgs/Image).'),
    DeclareLaunchArgument('weights', default_value='',
                          description='Packaged name, or path of a .safetensors file.'),
    DeclareLaunchArgument('depth', default_value='',
                          description="Depth at start, such as 'full', 'base' or 'base+neck'."),
    DeclareLaunchArgument('device', default_value='',
                          description="'auto', 'cpu', 'cuda' or 'cuda:N'."),
    DeclareLaunchArgument('backend', default_value='', description="'auto' or 'torch'."),
    DeclareLaunchArgument('precision', default_value='',
                          description="'fp32', or 'fp16' and 'bf16' where the device has them."),
    DeclareLaunchArgument('autostart', default_value='', choices=['', 'true', 'false'],
                          description='Whether the node configures and activates itself.'),
    DeclareLaunchArgument('params_file', default_value=os.path.join(CONFIG, 'detector.yaml'),
                          description='YAML file with the parameters of the node.'),
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node.'),
    DeclareLaunchArgument('name', default_value='detector', description='Name of the node.'),
    DeclareLaunchArgument('log_level', default_value='info',
                          description='debug, info, warn, error or fatal.'),
    DeclareLaunchArgument('fastdds_profile',
                          default_value=os.path.join(CONFIG, 'fastdds_big_images.xml'),
                          description='Fast DDS profile for this and all later processes of the '
                                      f'launch; empty: none. {PROFILE_VARIABLE} goes first.'),
)


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the node, with the profile that lets images of camera size through Fast DDS."""
    values = {name: LaunchConfiguration(name).perform(context)
              for name in (*PARAMETERS, 'image', 'params_file', 'namespace', 'name', 'log_level',
                           'fastdds_profile')}
    given = {name: ParameterValue(values[name], value_type=kind)
             for name, kind in PARAMETERS.items() if values[name]}
    logger = '.'.join(filter(None, [*values['namespace'].split('/'), values['name']]))
    node = Node(
        package='anydepth_ros', executable='detector', output='screen', emulate_tty=True,
        name=values['name'], namespace=values['namespace'],
        parameters=[values['params_file'], given],
        remappings=[('image', values['image'])],
        ros_arguments=['--log-level', f'{logger}:={values["log_level"]}'])
    if not values['fastdds_profile'] or context.environment.get(PROFILE_VARIABLE):
        return [node]
    return [SetEnvironmentVariable(PROFILE_VARIABLE, values['fastdds_profile']), node]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the node."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
