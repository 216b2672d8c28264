# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""docs/node.md says what the node does: its tables are made, its names are looked up."""

from __future__ import annotations

import re
import runpy

from harness import ROOT

from anydepth_ros.parameters import SPECS

PAGE = ROOT / 'docs' / 'node.md'
MAKER = runpy.run_path(str(ROOT / 'docs' / 'generate_node.py'))


def test_the_tables_are_those_of_the_node():
    page = PAGE.read_text()
    assert MAKER['filled'](page) == page, 'run: python docs/generate_node.py'
    for name in MAKER['TABLES']:
        assert page.count(f'<!-- {name} -->') == 1
    for spec in SPECS:
        assert f'\n| `{spec.name}` | `' in page


def test_every_finding_is_on_the_page():
    """A finding that is added to the node must be added to the examples of the maker."""
    source = (ROOT / 'anydepth_ros' / 'input_watch.py').read_text()
    kinds = set(re.findall(r"return '(\w+)', ", source)) - {'ok', 'waiting'}
    maker = (ROOT / 'docs' / 'generate_node.py').read_text()
    assert len(kinds) > 5
    assert kinds <= set(re.findall(r"'(\w+)': (?:replace|seen)", maker))


def test_topics_services_and_files_exist():
    page = PAGE.read_text()
    source = ''.join(path.read_text() for path in (ROOT / 'anydepth_ros').glob('*.py'))
    for name in re.findall(r'^\| `~/([\w/]+?)(?:/MODE)?` \|', page, re.MULTILINE):
        assert f"'~/{name}" in source or f"topic('{name}')" in source, name
    for name in re.findall(r'^\| `(\w+\.launch\.py)` \|', page, re.MULTILINE):
        assert (ROOT / 'launch' / name).is_file()
    assert page.count('.launch.py` |') == len(list((ROOT / 'launch').glob('*.launch.py')))
    for name in re.findall(r'`(config/[\w.]+)`', page):
        assert (ROOT / name).is_file()
