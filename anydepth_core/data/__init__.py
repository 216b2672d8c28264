# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Data: COCO folders, transforms, and the built-in scenes."""
