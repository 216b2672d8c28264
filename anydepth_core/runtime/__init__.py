# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Running a detector: images in, detections out, at a depth chosen per call.

Nothing is imported here, so that what needs no PyTorch (drawing, reading images) loads without it.
"""
