# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Data: the built-in scenes, COCO and YOLO-txt sets, augmentation, batches, and examination."""
