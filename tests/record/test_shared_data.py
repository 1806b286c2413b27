"""Tensors that threads change and read in turns: both sides are noted, at their lines."""

from __future__ import annotations

import threading

import torch

from detaudit.model.ledger import Act
from detaudit.record.draws import DrawWatch
from detaudit.record.schema import make_plan
from detaudit.record.shared_data import SharedData
from detaudit.record.sites import Sites
from detaudit.sources.ledger import Ledger
from detaudit.sources.taps import Taps


def accesses(*turns):
    """What is noted where threads (by name) read or write one tensor, or another, in this order."""
    taps = Taps(Sites(), Ledger())
    shared, tensors = SharedData(taps), {name: torch.zeros(3) for name in "ab"}
    queues = {thread: [] for thread, *_ in turns}
    for thread, act, name in turns:
        read, written = ([tensors[name]], []) if act == "reads" else ([], [tensors[name]])
        in_thread(queues, thread, lambda read=read, written=written: shared.accessed("op", read, written))
    return [entry.fact.act for _, entry in taps.ledger.take()]


def in_thread(queues, name, work):
    """Do something in a thread of that name, one and the same each time; `main` is this one."""
    if name == "main":
        work()
        return
    if not queues[name]:
        queues[name] = [threading.Event(), [], threading.Event()]
        threading.Thread(target=serve, args=queues[name], daemon=True).start()
    begin, jobs, done = queues[name]
    jobs.append(work)
    begin.set()
    assert done.wait(10)
    done.clear()


def serve(begin, jobs, done):
    while begin.wait(10):
        begin.clear()
        jobs.pop()()
        done.set()


def test_a_thread_that_changes_what_the_main_thread_reads_is_noted_with_it():
    noted = accesses(("side", "writes", "a"), ("main", "reads", "a"), ("side", "writes", "a"))
    assert noted == [Act.WRITES_SHARED_DATA_BESIDE, Act.READS_SHARED_DATA]


def test_a_thread_that_reads_what_the_main_thread_changes_is_noted_with_it():
    noted = accesses(("main", "writes", "a"), ("side", "reads", "a"), ("main", "writes", "a"))
    assert set(noted) == {Act.WRITES_SHARED_DATA, Act.READS_SHARED_DATA_BESIDE}


def test_what_is_handed_over_once_is_not_noted():
    assert accesses(("side", "writes", "a"), ("main", "reads", "a"), ("main", "writes", "a")) == []


def test_threads_that_change_tensors_of_their_own_are_not_noted():
    assert accesses(*[("main", "writes", "a"), ("side", "writes", "b")] * 3) == []


def test_threads_that_only_read_are_not_noted():
    written = ("main", "writes", "a")
    assert accesses(written, *[("main", "reads", "a"), ("side", "reads", "a")] * 3)[2:] == []


def test_operators_are_only_followed_once_the_program_has_threads():
    taps = Taps(Sites(), Ledger())
    draws, followed = DrawWatch(taps), []
    draws._shared.accessed = lambda *_: followed.append(1)  # type: ignore[method-assign]  # to see whether it is asked
    plan = make_plan(torch.ops.aten.add_.Tensor)
    for taps.several_threads in (False, True):
        draws.after(plan, (torch.zeros(2), torch.ones(2)), {}, None)
    assert followed == [1]
