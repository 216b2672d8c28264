# Copyright 2026 The AnyDepth ROS Authors
# SPDX-License-Identifier: Apache-2.0
"""Slots, turns, jobs and the one worker. No ROS in it."""

from __future__ import annotations

from concurrent.futures import CancelledError
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from anydepth_ros.scheduler import Letter, Rank, Scheduler
from anydepth_ros.worker import Worker


@given(st.lists(st.booleans(), max_size=40))
def test_the_newest_item_wins_and_each_other_is_counted(puts):
    now = [0.0]
    scheduler: Scheduler[int] = Scheduler(lambda: now[0])
    slot = scheduler.slot('eye')
    taken, newest, waiting, put_at = [], None, False, 0.0
    for number, put in enumerate(puts):
        now[0] += 1.0
        if put:
            assert slot.put(number) == waiting
            newest, waiting, put_at = number, True, now[0]
        elif waiting:
            letter = scheduler.take(0)
            assert letter == Letter('eye', newest, now[0] - put_at)
            taken.append(newest)
            waiting = False
        else:
            assert scheduler.take(0) is None
    assert len(taken) + slot.replaced + waiting == sum(puts)
    assert taken == sorted(taken)


@pytest.mark.parametrize('priorities', [(1,), (1, 1), (3, 1), (1, 20, 5), (2, 3, 3, 3)])
def test_cameras_are_served_by_priority_and_none_starves(priorities):
    now = [0.0]
    scheduler: Scheduler[int] = Scheduler(lambda: now[0])
    slots = [scheduler.slot(str(i), lambda p=p: Rank(p)) for i, p in enumerate(priorities)]
    turns = [0] * len(slots)
    rounds = 20 * sum(priorities)
    for _ in range(rounds):
        now[0] += 0.1
        for slot in slots:
            slot.put(0)
        turns[int(scheduler.take(0).camera)] += 1
    for count, priority in zip(turns, priorities):
        assert abs(count - rounds * priority / sum(priorities)) <= 1


def test_a_camera_that_was_silent_gains_nothing_by_it():
    now = [0.0]
    scheduler: Scheduler[int] = Scheduler(lambda: now[0])
    slots = {name: scheduler.slot(name) for name in 'ab'}
    turns = []
    for round_ in range(200):
        now[0] += 0.1
        slots['a'].put(0)
        if round_ >= 100:
            slots['b'].put(0)
        turns.append(scheduler.take(0).camera)
    assert ''.join(turns[:100]) == 'a' * 100
    assert ''.join(turns[100:]) == 'ba' * 50


@settings(deadline=None)
@given(st.floats(0.5, 50), st.floats(0.01, 0.2))
def test_a_rate_limit_is_kept_on_average_and_nearly_reached(rate, period):
    now = [0.0]
    scheduler: Scheduler[float] = Scheduler(lambda: now[0])
    slot = scheduler.slot('', lambda: Rank(1, rate))
    taken = []
    while now[0] < 100 * max(period, 1 / rate):
        now[0] += period
        slot.put(now[0])
        if scheduler.take(0):
            taken.append(now[0])
    attainable = min(rate, 1 / period)
    assert len(taken) / now[0] <= rate * 1.01 + 1 / now[0]
    assert len(taken) / now[0] >= 0.95 * attainable


@pytest.mark.parametrize('rate', [0.001, 1e-10])  # the second is due after more than a lock waits
def test_a_changed_limit_is_felt_by_who_waits(rate):
    rank = [Rank(1, rate)]
    scheduler: Scheduler[int] = Scheduler()
    slot = scheduler.slot('', lambda: rank[0])
    slot.put(1)
    assert scheduler.take(0).item == 1
    slot.put(2)
    results: list[object] = []
    waiter = threading.Thread(target=lambda: results.append(scheduler.take()))
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    rank[0] = Rank()
    scheduler.wake()
    waiter.join(10)
    assert [each.item for each in results] == [2]


def test_a_turn_given_back_does_not_count():
    now = [0.0]
    scheduler: Scheduler[int] = Scheduler(lambda: now[0])
    slot = scheduler.slot('', lambda: Rank(rate_limit_hz=2.0))
    for at, given_back in ((0.0, False), (0.6, True), (0.7, False)):
        now[0] = at
        slot.put(1)
        assert scheduler.take(0) is not None
        if given_back:
            slot.give_back()
    slot.put(1)
    assert scheduler.take(0) is None
    now[0] = 1.3
    assert scheduler.take(0) is not None


def test_closing_wakes_the_one_who_waits_and_takes_nothing_in():
    scheduler: Scheduler[int] = Scheduler()
    slot = scheduler.slot('')
    results: list[object] = []
    waiter = threading.Thread(target=lambda: results.append(scheduler.take()))
    waiter.start()
    scheduler.close()
    waiter.join(10)
    assert results == [None]
    assert not slot.put(1) and scheduler.take(0) is None
    with pytest.raises(CancelledError):
        scheduler.call(lambda: 1)


def test_more_takes_without_waiting_what_matches_and_is_due():
    now = [0.0]
    scheduler: Scheduler[int] = Scheduler(lambda: now[0])
    slots = {name: scheduler.slot(name, lambda rate=rate: Rank(1, rate))
             for name, rate in {'a': 0, 'b': 0, 'slow': 1.0, 'c': 0}.items()}
    assert scheduler.more(lambda *_: True, 9) == []
    for slot in slots.values():
        slot.put(1)
    assert {letter.camera for letter in scheduler.more(lambda *_: True, 9)} == set(slots)
    now[0] = 0.5  # the slow one is not due
    for name, slot in slots.items():
        slot.put(ord(name[0]))
    found = scheduler.more(lambda name, item: item != ord('b'), 1)
    found += scheduler.more(lambda name, item: item != ord('b'), 9)
    assert [letter.camera for letter in found] == ['a', 'c'] and found[0].item == ord('a')
    assert scheduler.take(0).camera == 'b'


def test_discarding_counts_nothing():
    scheduler: Scheduler[int] = Scheduler()
    slot = scheduler.slot('')
    slot.put(1)
    slot.discard()
    assert scheduler.take(0) is None and slot.replaced == 0 and not slot.put(2)


def test_a_worker_survives_what_it_cannot_process_and_does_jobs_between():
    scheduler: Scheduler[int] = Scheduler()
    slot = scheduler.slot('')
    done, told = threading.Semaphore(0), []

    def process(letter):
        if letter.item == 0:
            raise ValueError('nought')
        done.release()

    def report(letter, error):
        told.append((letter.item, str(error)))
        done.release()
    worker = Worker(scheduler, process, report)
    for item in (0, 1):
        slot.put(item)
        assert done.acquire(timeout=10)
    assert scheduler.call(lambda: threading.current_thread().name) == 'anydepth-inference'
    with pytest.raises(ZeroDivisionError):
        scheduler.call(lambda: 1 // 0)
    worker.close()
    assert told == [(0, 'nought')]
    assert not any(t.name == 'anydepth-inference' for t in threading.enumerate())


def test_jobs_and_images_take_turns():
    scheduler: Scheduler[int] = Scheduler()
    slot = scheduler.slot('')
    callers = [threading.Thread(target=scheduler.call, args=(lambda: None,)) for _ in range(3)]
    for caller in callers:
        caller.start()
    while len(scheduler._jobs) < 3:
        time.sleep(0.001)
    kinds = []
    for number in range(6):
        slot.put(number)
        turn = scheduler.take(0)
        kinds.append(type(turn).__name__)
        if not isinstance(turn, Letter):
            turn.run()
    for caller in callers:
        caller.join(10)
    assert kinds == ['Job', 'Letter'] * 3
