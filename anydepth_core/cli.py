# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""The `anydepth` command.

Results go to stdout, messages for people to stderr. Exit status: 0 all went well, 2 the input or
the arguments are wrong (one line says how), 130 interrupted, 141 the reader of stdout went away.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import importlib
import os
import sys

from anydepth_core.errors import AnyDepthError
from anydepth_core.runtime.cores import share_cores

COMMANDS = ('convert', 'detect', 'doctor', 'export', 'models', 'profile', 'replay', 'scenes',
            'simulate', 'tables')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status."""
    args = build_parser().parse_args(arguments)
    share_cores()
    try:
        status = int(args.run(args))
        sys.stdout.flush()
        return status
    except AnyDepthError as error:
        print(f'anydepth: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('anydepth: interrupted', file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python flushes stdout once more at exit, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all subcommands; quick, as no command imports PyTorch for it."""
    parser = argparse.ArgumentParser(
        prog='anydepth', description='Object detection whose depth is chosen at run time.')
    subparsers = parser.add_subparsers(metavar='COMMAND', required=True)
    for name in COMMANDS:
        importlib.import_module(f'anydepth_core.commands.{name}').add_parser(subparsers)
    return parser
