# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What the machine draws and how hot it is, where the platform tells. Standard library only."""

from anydepth_core.runtime.energy.sensors import Sensors, open_sensors

__all__ = ['Sensors', 'open_sensors']
