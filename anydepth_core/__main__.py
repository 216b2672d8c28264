# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m anydepth_core` is the `anydepth` command."""

import sys

from anydepth_core.cli import main

if __name__ == '__main__':
    sys.exit(main())
