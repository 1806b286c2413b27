"""Threads whose schedule is held: how they interleave is the same each time, whatever they wait for."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

HEAD = """
import json, sys
sys.path.insert(0, {folder!r})
from detaudit.model.plan import Intervention
from detaudit.record.sites import Sites
from detaudit.sources.catalogue import put_taps
taps = put_taps(Sites(), {held})
"""
HELD = "(Intervention('thread-schedule', amount='{patience}'),)"
TAIL = """
gave_up = [e.shown for _, e in taps.ledger.take() if e.fact.act == "gives up"]
print(json.dumps({"value": value, "gave_up": gave_up}))
"""
TIMES = 20

USES = {
    "lock": """
        def work(n):
            for i in range(3):
                with lock:
                    seen.append((n, i))
                    pause()
        lock = threading.Lock()
        run(work, 3)
    """,
    "reentrant-lock": """
        def work(n):
            with lock, lock:
                pause()
                seen.append(n)
        lock = threading.RLock()
        run(work, 4)
    """,
    "condition": """
        def work(n):
            with condition:
                while len(seen) % 3 != n:
                    condition.wait(5)
                seen.append(n)
                condition.notify_all()
            pause()
            seen.append(f"after {n}")
        condition = threading.Condition()
        run(work, 3)
    """,
    "event": """
        def work(n):
            while not event.wait(0.001):
                seen.append(n)
            seen.append(f"end {n}")
        event = threading.Event()
        threads = started(work, 2)
        for i in range(3):
            pause()
            seen.append("main")
        event.set()
        ended(threads)
    """,
    "semaphore": """
        def work(n):
            with two:
                pause()
                seen.append(n)
        two = threading.Semaphore(2)
        run(work, 5)
    """,
    "barrier": """
        def work(n):
            for _ in range(2):
                pause()
                barrier.wait()
                seen.append(n)
        barrier = threading.Barrier(3)
        run(work, 3)
    """,
    "queue": """
        def work(n):
            for i in range(4):
                pause()
                ready.put((n, i))
        ready = queue.Queue(2)
        threads = started(work, 3)
        for _ in range(12):
            seen.append(ready.get())
        ended(threads)
    """,
    "simple-queue": """
        def work(n):
            pause()
            ready.put(n)
        ready = queue.SimpleQueue()
        threads = started(work, 4)
        for _ in range(4):
            seen.append(ready.get())
        ended(threads)
    """,
    "get-nowait": """
        def work(n):
            for i in range(3):
                pause()
                ready.put(n)
        ready = queue.Queue()
        threads = started(work, 2)
        while len(seen) < 30:
            try:
                seen.append(ready.get_nowait())
            except queue.Empty:
                seen.append("nothing")
        ended(threads)
    """,
    "flag-in-a-loop": """
        def work(n):
            pause()
            event.set()
        event = threading.Event()
        threads = started(work, 1)
        while not event.is_set():
            seen.append("not yet")
        ended(threads)
        seen[:] = seen[:40]
    """,
    "as-completed": """
        def work(n):
            pause()
            return n
        with ThreadPoolExecutor(3) as pool:
            seen.extend(done.result() for done in as_completed([pool.submit(work, n) for n in range(8)]))
    """,
    "thread-pool": """
        def work(n):
            pause()
            return n
        with ThreadPool(3) as pool:
            seen.extend(pool.imap_unordered(work, range(8)))
    """,
    "asyncio": """
        def work(n):
            pause()
            return n
        async def main():
            for done in asyncio.as_completed([asyncio.to_thread(work, n) for n in range(6)]):
                seen.append(await done)
        asyncio.run(main())
    """,
    "join": """
        def work(n):
            pause()
            seen.append(n)
        threads = started(work, 3)
        for thread in threads:
            thread.join()
            seen.append("joined")
    """,
    "timer": """
        timer = threading.Timer(0.002, seen.append, ["timer"])
        timer.start()
        for i in range(4):
            time.sleep(0.001)
            seen.append(i)
        timer.join()
    """,
}
PROGRAM = """
import asyncio, queue, random, sys, threading, time
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing.pool import ThreadPool

sys.setswitchinterval(1e-6)

def pause():
    time.sleep(random.random() * 0.002)
    for _ in range(random.randrange(2000)):
        pass

def started(work, count):
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    return threads

def ended(threads):
    for thread in threads:
        thread.join()

def run(work, count):
    ended(started(work, count))

def once():
    seen = []
{use}
    return seen

value = [once() for _ in range({times})]
"""


def run(tmp_path, program, *, held, patience="20"):
    """Run a program in a process of its own; give its `value`, and why its threads stopped taking turns."""
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    schedule = HELD.format(patience=patience) if held else "()"
    start = HEAD.format(folder=str(tmp_path), held=schedule) + "from program import value\n" + TAIL
    command = [sys.executable, "-c", start]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def repeated(tmp_path, use, *, held):
    """How often a use of threads came out in how many ways."""
    body = textwrap.indent(textwrap.dedent(use), "    ")
    ended = run(tmp_path, PROGRAM.replace("{use}", body).replace("{times}", str(TIMES)), held=held)
    assert ended["gave_up"] == []
    assert len(ended["value"]) == TIMES
    return len({json.dumps(one) for one in ended["value"]})


@pytest.mark.parametrize("name", USES)
def test_held_threads_interleave_in_one_way(tmp_path, name):
    assert repeated(tmp_path, USES[name], held=True) == 1


def test_threads_that_are_not_held_interleave_in_many_ways(tmp_path):
    """Otherwise the test above would show nothing."""
    assert all(repeated(tmp_path, USES[name], held=False) > 1 for name in ("queue", "as-completed", "lock"))


def test_a_time_limit_ends_a_wait_only_when_nobody_can_go_on(tmp_path):
    program = """
        import queue, threading
        ready, value = queue.Queue(), []
        def work():
            for _ in range(300_000):
                pass
            ready.put("made")
        thread = threading.Thread(target=work)
        thread.start()
        value.append(ready.get(timeout=0.0001))
        thread.join()
        try:
            ready.get(timeout=30)
        except queue.Empty:
            value.append("nobody left to give it")
    """
    assert run(tmp_path, program, held=True)["value"][0] == "made"


def test_what_another_process_gives_is_waited_for_in_real_time(tmp_path):
    program = """
        import multiprocessing, threading, time
        def child(answers):
            time.sleep(0.3)
            answers.put("from outside")
        context = multiprocessing.get_context("fork")
        answers, stop = context.Queue(), threading.Event()
        def watch():
            while not stop.wait(0.01):
                pass
        watcher = threading.Thread(target=watch)
        watcher.start()
        process = context.Process(target=child, args=(answers,))
        process.start()
        value = answers.get(timeout=60)
        process.join()
        stop.set()
        watcher.join()
    """
    ended = run(tmp_path, program, held=True)
    assert ended == {"value": "from outside", "gave_up": []}


def test_a_thread_that_never_waits_ends_the_order_and_the_run_says_so(tmp_path):
    program = """
        import threading, time
        shared = {}
        def work():
            time.sleep(0.01)
            shared["done"] = True
        thread = threading.Thread(target=work)
        thread.start()
        while "done" not in shared:
            pass
        value = "came to its end"
    """
    ended = run(tmp_path, program, held=True, patience="0.5")
    assert ended["value"] == "came to its end"
    assert len(ended["gave_up"]) == 1


def test_an_error_in_a_thread_and_a_fork_leave_the_others_in_order(tmp_path):
    program = """
        import os, threading
        threading.excepthook = lambda _: None
        value = []
        def fail():
            raise RuntimeError
        def fork():
            child = os.fork()
            if not child:
                thread = threading.Thread(target=value.append, args=("in the child",))
                thread.start()
                thread.join()
                os._exit(len(value))
            value.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        for function in (fail, fork):
            thread = threading.Thread(target=function)
            thread.start()
            thread.join()
    """
    assert run(tmp_path, program, held=True) == {"value": [1], "gave_up": []}


def test_threads_that_nobody_joins_still_come_to_their_end(tmp_path):
    (tmp_path / "ends.py").write_text(
        "import threading, time\nvalue = 0\n"
        "def work():\n    time.sleep(0.01)\n    print('worked', flush=True)\n"
        "threading.Thread(target=work).start()\n"
    )
    start = HEAD.format(folder=str(tmp_path), held=HELD.format(patience="20")) + "import ends\n"
    done = subprocess.run(
        [sys.executable, "-c", start], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "worked\n"), done.stderr
