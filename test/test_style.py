# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The rules of CONTRIBUTING.md that a machine can check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
import re
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]
HEADER = '# Copyright 2026 The AnyDepth ROS Authors\n# SPDX-License-Identifier: Apache-2.0\n'
FOLDERS = ('anydepth_core', 'anydepth_ros', 'config', 'launch', 'test', 'training')
MODULES = [ROOT / 'setup.py', *(path for folder in FOLDERS
                                for path in sorted((ROOT / folder).rglob('*.py')))]
PAGES = [*sorted(ROOT.glob('*.md')), *sorted(ROOT.glob('*.rst')),
         *sorted((ROOT / 'docs').rglob('*.md'))]
# Names of other works for what this project calls a depth, `full` and `base`. A line may quote
# them to say what "the paper" calls something.
FOREIGN_WORDS = re.compile(r'\b(super|base|sub)[-_]?nets?\b|skip(pable)?[-_ ](stage|block|path)s?',
                           re.IGNORECASE)
# Pure logic: tested without a network library, and in the case of the node without ROS 2.
PURE = {
    'anydepth_core/depth.py': {'torch', 'numpy'},
    'anydepth_core/errors.py': {'torch', 'numpy'},
    'anydepth_core/detections.py': {'torch'},
    'anydepth_core/runtime/budget.py': {'torch', 'numpy'},
    'anydepth_core/runtime/policy': {'torch', 'numpy'},
    'anydepth_core/runtime/profile.py': {'torch', 'numpy'},
}


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full names of all modules that a tree imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize('path', MODULES, ids=named)
def test_module_is_headed_documented_and_small(path: Path) -> None:
    text = path.read_text(encoding='utf-8')
    assert text.startswith(HEADER), 'the first two lines are the copyright and the licence'
    tree = ast.parse(text)
    assert ast.get_docstring(tree), 'a module says what it is for'
    assert len(text.splitlines()) <= 400, 'split this module'
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f'split {node.name}: {length} lines'


@pytest.mark.parametrize('path', [path for path in MODULES if 'test' not in path.parts], ids=named)
def test_imports_point_inward(path: Path) -> None:
    """anydepth_core knows no ROS 2, and the modules listed in PURE no network library."""
    name, forbidden = named(path), set()
    if name.startswith('anydepth_core/'):
        forbidden |= {'rclpy', 'anydepth_ros', 'vision_msgs', 'sensor_msgs', 'ament_index_python'}
    for prefix, libraries in PURE.items():
        if name.startswith(prefix):
            forbidden |= libraries
    found = {module.partition('.')[0] for module in imported(ast.parse(path.read_text('utf-8')))}
    assert not found & forbidden


@pytest.mark.parametrize('module', ['anydepth_core.depth', 'anydepth_core.detections'])
def test_pure_module_loads_without_torch(module: str) -> None:
    """What a pure module imports must be pure too."""
    code = f'import sys, {module}; sys.exit("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize('path', MODULES + PAGES, ids=named)
def test_words_are_the_projects_own(path: Path) -> None:
    if path == Path(__file__):
        return
    lines = enumerate(path.read_text(encoding='utf-8').splitlines(), 1)
    foreign = [f'{number}: {line.strip()}' for number, line in lines
               if FOREIGN_WORDS.search(line) and 'paper' not in line]
    assert not foreign


@pytest.mark.parametrize('tool', [['ruff', 'check'], ['mypy']], ids=['ruff', 'mypy'])
def test_tool_finds_nothing(tool: list[str]) -> None:
    result = subprocess.run([sys.executable, '-m', *tool], cwd=ROOT, check=False,
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
