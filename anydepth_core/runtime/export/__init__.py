# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Models as ONNX files: one file for all depths, or one depth alone."""
