# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Subcommands of `anydepth`: each module has `add_parser(subparsers)` and `run(args) -> int`.

A module imports what is slow (PyTorch, OpenCV) inside `run`, so that help appears at once.
"""
