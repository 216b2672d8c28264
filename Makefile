# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
#
#   make demo                     see the detector at work; SOURCE=… names a video, folder or camera
#   make test                     run all tests, on several cores; TESTS=test/core runs some, on one
#   make env                      only make the environment that the two above use
#
# PYTHON=python3.12 names another interpreter to build the environment with.

PYTHON ?= python3
export SOURCE
ENTER := $(PYTHON) config/environment/enter.py
# docs/decisions/0007
ALL_TESTS := --numprocesses=auto --maxprocesses=4 --dist=loadfile

.PHONY: demo test env
.DEFAULT_GOAL := demo

demo:
	@$(ENTER) -m anydepth_ros.demo

test:
	@$(ENTER) -m pytest $(or $(TESTS),$(ALL_TESTS))

env:
	@$(ENTER)
