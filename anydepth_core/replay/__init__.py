# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Offline detection: every image of a bag, a folder or a video, in order. No ROS needed."""
