# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
#
#   make demo                     see the detector at work; SOURCE=… names a video, folder or camera
#   make test                     run all tests; TESTS=test/core names some
#   make env                      only make the environment that the two above use
#
# PYTHON=python3.12 names another interpreter to build the environment with.

PYTHON ?= python3
export SOURCE
ENTER := $(PYTHON) config/environment/enter.py

.PHONY: demo test env
.DEFAULT_GOAL := demo

demo:
	@$(ENTER) -m anydepth_ros.demo

test:
	@$(ENTER) -m pytest $(TESTS)

env:
	@$(ENTER)
