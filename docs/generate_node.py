# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the tables of docs/node.md anew: `python docs/generate_node.py`.

They are made from what the node itself uses. A table stands between the lines `<!-- NAME -->` and
`<!-- end -->`. A test holds the page to this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
import json
from pathlib import Path
import re

from anydepth_ros.input_watch import (
    COMPRESSED_TYPE,
    GRACE_S,
    SILENT_S,
    SLOW_IMAGES,
    InputView,
    InputWatch,
    Publisher,
)
from anydepth_ros.mission_modes import load
from anydepth_ros.parameters import BY_NAME, DEPTHS, SPECS, Spec
from anydepth_ros.transport import NAME, shared_file
from anydepth_ros.unused_gpu import unused_gpu

PAGE = Path(__file__).with_name('node.md')
BLOCK = re.compile(r'(<!-- (\w+) -->\n).*?(<!-- end -->)', re.DOTALL)


def parameters(kept: Callable[[Spec], bool]) -> str:
    """Return a table of the parameters of some kind."""
    return table(('parameter', 'default', 'meaning', 'valid'), (
        (f'`{spec.name}`', f'`{json.dumps(spec.default)}`', spec.description, valid(spec))
        for spec in SPECS if kept(spec)))


def valid(spec: Spec) -> str:
    """Return what a parameter may be, in words."""
    if spec.low is not None and spec.high is not None:
        return f'{spec.low:g} to {spec.high:.0f}'
    if spec.constraints == DEPTHS:
        return 'as for `depth`'
    return spec.valid or {bool: 'true, false'}.get(type(spec.default), '')


def mission_modes() -> str:
    """Return a table of the packaged modes, with what they set to other than its default."""
    modes = load(shared_file('config/mission_modes.yaml')).values()
    return table(('mode', 'for', 'sets'), (
        (f'`{mode.name}`', mode.description,
         ', '.join(f'`{name}: {value}`' for name, value in mode.settings.items()
                   if value != BY_NAME[name].default))
        for mode in modes))


def findings() -> str:
    """Return a list of what the node says of its input, from the very code that says it."""
    seen = InputView(GRACE_S + SILENT_S, '/image', [Publisher('/camera')])
    coming = replace(seen, received=SLOW_IMAGES, processed=SLOW_IMAGES)
    views = {
        'no_publisher': replace(seen, publishers=()),
        'remapped': replace(seen, publishers=(), other_topics=['/camera/image_raw']),
        'compressed': replace(seen, publishers=(), compressed=True),
        'other_type': replace(seen, publishers=[Publisher('/camera', COMPRESSED_TYPE)]),
        'qos': replace(seen, publishers=[Publisher('/camera', incompatible='reliability')]),
        'silent': seen,
        'lost': replace(coming, lost=2 * SLOW_IMAGES),
        'zero_stamp': replace(coming, zero_stamp=True),
        'future_stamp': replace(coming, ahead_s=3.0),
        'no_clock': replace(coming, clock_stands=True),
        'other_time': replace(coming, refused=1, max_age_ms=100.0, ahead_s=-86400.0),
        'stale': replace(coming, refused=1, max_age_ms=100.0),
        'slow': replace(coming, dropped=SLOW_IMAGES),
    }
    profile = str(shared_file(f'config/{NAME}'))
    texts = [InputWatch(0.0).look(view).text.replace(profile, f'…/config/{NAME}')
             for view in views.values()]
    texts += [unused_gpu('cpu', ['cuda'], []), unused_gpu('cpu', ['cpu'], ['/dev/nvidia0'])]
    return ''.join(f'* {text}\n' for text in texts)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    def line(cells: Iterable[str]) -> str:
        return '| ' + ' | '.join(cell.replace('|', r'\|') for cell in cells) + ' |\n'
    names = tuple(header)
    return line(names) + '|---' * len(names) + '|\n' + ''.join(map(line, rows))


TABLES: dict[str, Callable[[], str]] = {
    'live': lambda: parameters(lambda spec: not spec.read_only),
    'start': lambda: parameters(lambda spec: spec.read_only),
    'modes': mission_modes,
    'findings': findings,
}


def filled(page: str) -> str:
    """Return the page with its tables made anew."""
    return BLOCK.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], page)


if __name__ == '__main__':
    PAGE.write_text(filled(PAGE.read_text(encoding='utf-8')), encoding='utf-8')
