# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 side of AnyDepth: the lifecycle node `detector`, the demo camera and the demo."""
