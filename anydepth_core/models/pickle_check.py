# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""What a pickle would cost to read, found by following its program without making any object.

Even a pickle that may call nothing can stop whoever reads it: a tuple of a tuple of a tuple …,
each twice the one before it, takes forever to hash as a key of a dictionary, and so do many keys
made to have equal hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
import pickletools

from anydepth_core.errors import WeightsError

# A key may be a small tuple; a checkpoint's keys are text and small numbers.
MAX_KEY_WEIGHT = 16
# Keys whose hash a pickle's author can choose; equal hashes cost the square of this.
MAX_CHOSEN_KEYS = 1000
# The largest YOLO, twice in one file with its optimizer, has 180,000. Each may take 250 bytes.
MAX_OBJECTS = 500_000


class PickleCheck:
    """The pickle machine with a weight in place of every object.

    The weight of a tuple or frozen set is two more than the sum of its items'; that of a number
    beyond 64 bits is two; that of anything else, whose hash nobody can choose, is one.

    Raises:
        WeightsError: a pickle that would take too much time or memory.
        ValueError, TypeError, EOFError, LookupError: cut short or no pickle.
    """

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.stack: list[int] = []  # what was pushed since the last mark
        self.below: list[list[int]] = []  # what was pushed before each mark
        self.memo: dict[int, int] = {}
        self.chosen_keys = 0
        self.objects = 0
        for opcode, argument, _ in pickletools.genops(data):
            self._step(opcode, argument)

    def _step(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        name = opcode.name
        if name == 'MEMOIZE':
            self.memo[len(self.memo)] = self.stack[-1]
        elif name.endswith('PUT'):
            index = _index(argument)
            if index > self.size:  # the memo is an array
                raise WeightsError('built to exhaust the memory; nothing in it was executed')
            self.memo[index] = self.stack[-1]
        elif name.endswith('GET'):
            self.stack.append(self.memo[_index(argument)])
        elif name == 'MARK':
            self._count(1)
            self.below.append(self.stack)
            self.stack = []
        elif name == 'POP' and not self.stack:
            self.stack = self.below.pop()
        elif name == 'DUP':
            self.stack.append(self.stack[-1])
        else:
            items = self._take(opcode.stack_before)
            if name in ('SETITEM', 'SETITEMS', 'DICT'):
                self._hash(items[name == 'SETITEM'::2])
            elif name in ('ADDITEMS', 'FROZENSET'):
                self._hash(items)
            weight = 1
            if 'TUPLE' in name or name == 'FROZENSET':
                weight = min(2 + sum(items), MAX_KEY_WEIGHT + 1)
            elif isinstance(argument, int) and argument.bit_length() > 64:
                weight = 2
            self.stack += [weight] * len(opcode.stack_after)
            self._count(len(opcode.stack_after))

    def _take(self, before: Sequence[pickletools.StackObject]) -> list[int]:
        """Take an operation's operands from the stack; return them, or those above the mark."""
        count = len(before)
        if pickletools.markobject in before:
            items, self.stack = self.stack, self.below.pop()
            count = before.index(pickletools.markobject)
        else:
            items = self.stack[len(self.stack) - count:]
        if count > len(self.stack):
            raise ValueError('stack underflow')
        del self.stack[len(self.stack) - count:]
        return items

    def _count(self, made: int) -> None:
        """Raise WeightsError if these objects and those before them are more than any has."""
        self.objects += made
        if self.objects > MAX_OBJECTS:
            raise WeightsError('built to exhaust the memory; nothing in it was executed')

    def _hash(self, keys: Sequence[int]) -> None:
        """Raise WeightsError if these keys and those before them take too long to hash."""
        self.chosen_keys += sum(key > 1 for key in keys)
        if self.chosen_keys > MAX_CHOSEN_KEYS or max(keys, default=0) > MAX_KEY_WEIGHT:
            raise WeightsError('built to take forever to read; nothing in it was executed')


def _index(argument: object) -> int:
    if not isinstance(argument, int):
        raise TypeError('no memo index')
    return argument
