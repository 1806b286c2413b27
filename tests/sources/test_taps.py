"""Taps in a process of their own: what they note, what they hold, and what they leave alone."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

from detaudit.model.ledger import Act, Whose

HEAD = """
import json, sys
sys.path.insert(0, {folder!r})
from detaudit.model.plan import Intervention
from detaudit.record.sites import Sites
from detaudit.run import heap  # before the taps, as in an audited run: what it draws is nobody's
from detaudit.sources.catalogue import put_taps
held = tuple(Intervention(name) for name in {held!r})
perturbed = tuple(Intervention(name, amount=amount) for name, amount in {perturbed!r})
taps = put_taps(Sites(), held, perturbed)
"""
TAIL = """
noted = [[e.source, e.operation, [e.fact.act, e.fact.whose], e.count] for _, e in taps.ledger.take()]
print(json.dumps({"noted": noted, "value": value}))
"""


def run(tmp_path, program, *held, perturbed=(), hash_seed="random"):
    """Run a program as a user's, with taps put before it; give what was noted, and its `value`."""
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    head = HEAD.format(folder=str(tmp_path), held=held, perturbed=perturbed)
    start = head + "from program import value\n" + TAIL
    command = [sys.executable, "-c", start]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


PROGRAMS = {
    "python-random": "import random\nvalue = [random.random(), random.Random().random()]",
    "numpy-random": (
        "import numpy as np\nvalue = [np.random.rand(), np.random.default_rng().random(), "
        "np.random.RandomState().rand()]"
    ),
    "os-entropy": (
        "import os, uuid, secrets, random\nvalue = [os.urandom(4).hex(), str(uuid.uuid4()), "
        "secrets.token_hex(3), random.SystemRandom().random()]"
    ),
    "clock": (
        "import time\nfrom datetime import datetime\n"
        "value = [time.time(), time.perf_counter(), str(datetime.now())]"
    ),
    "host-facts": "import os\nvalue = os.getpid()",
    "hash-seed": "value = [list({'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}), hash('x')]",
    "addresses": (
        "class Thing:\n    def __init__(self, n):\n        self.n = n\n"
        "kept = [bytearray(7919 * n) for n in range(9)]\nthings = [Thing(n) for n in range(40)]\n"
        "value = [id(things[0]), [thing.n for thing in set(things)]]"
    ),
}


@pytest.mark.parametrize("source", PROGRAMS)
def test_a_source_gives_the_same_twice_when_held_and_is_noted(tmp_path, source):
    first, second = (run(tmp_path, PROGRAMS[source], source) for _ in range(2))
    assert first["value"] == second["value"]
    assert source in {entry[0] for entry in first["noted"]}


@pytest.mark.parametrize("source", PROGRAMS)
def test_a_source_that_is_not_held_gives_something_else_each_time(tmp_path, source):
    assert run(tmp_path, PROGRAMS[source])["value"] != run(tmp_path, PROGRAMS[source])["value"]


DRAWN_BY_WHAT_IS_CALLED = {
    "os-entropy": "import random\nvalue = random.SystemRandom().sample(range(10**6), 2)",
    "compiled-libraries": (
        "import sqlite3\ndatabase = sqlite3.connect(':memory:')\n"
        "value = database.execute('SELECT RANDOM(), hex(randomblob(4))').fetchall()"
    ),
    "python-random": "import random\nvalue = list(dict.fromkeys(random.random() for _ in range(2)))",
}


@pytest.mark.parametrize("source", DRAWN_BY_WHAT_IS_CALLED)
def test_what_is_drawn_within_a_call_that_is_watched_itself_is_held_and_noted(tmp_path, source):
    first, second = (run(tmp_path, DRAWN_BY_WHAT_IS_CALLED[source], source) for _ in range(2))
    assert first["value"] == second["value"]
    assert source in {entry[0] for entry in first["noted"]}
    assert run(tmp_path, DRAWN_BY_WHAT_IS_CALLED[source])["value"] != first["value"]


def test_seeded_generators_give_what_they_give_without_taps(tmp_path):
    program = """
        import random
        import numpy as np
        random.seed(3)
        np.random.seed(3)
        value = [random.random(), random.gauss(0, 1), np.random.normal(), np.random.RandomState(1).rand(),
                 np.random.default_rng(2).random(), list(np.random.permutation(5).tolist())]
    """
    plain = tmp_path / "plain.py"
    plain.write_text(textwrap.dedent(program) + "\nprint(repr(value))\n")
    expected = subprocess.run([sys.executable, str(plain)], capture_output=True, text=True, check=True)
    watched = run(tmp_path, program)
    assert repr(watched["value"]) == expected.stdout.strip()
    assert not [
        entry for entry in watched["noted"] if set(entry[2]) & {Act.SEEDS_BY_SYSTEM, Whose.GLOBAL_UNSEEDED}
    ]


def test_sorted_sets_and_sets_of_one_element_are_not_noted(tmp_path):
    program = "value = [sorted({'a', 'b'}), list({'a'}), max({'a', 'b'}), len({'a', 'b'})]"
    assert run(tmp_path, program)["noted"] == []


def test_a_key_by_which_elements_are_equal_shows_the_order_of_a_set(tmp_path):
    """Sorting keeps the order of what is equal by the key, so sorting a set by one is no cure."""
    program = "value = [sorted({'a', 'b', 'cc'}, key=len), max({'a', 'b'}, key=len)]"
    assert run(tmp_path, program)["noted"] == [["hash-seed", "set", [Act.ORDERS, Whose.NONE], 2]]


def test_addresses_come_in_reverse_when_they_are_varied(tmp_path):
    program = """
        class Thing:
            pass
        things = [Thing() for _ in range(20)]
        by_address = sorted(things, key=id)
        value = [by_address[0] is min(things, key=object.__repr__), len({id(thing) for thing in things}),
                 sum(id(thing) == id(thing) for thing in things), list(set(things)) == list(set(things))]
    """
    plain = run(tmp_path, program)["value"]
    reverse = run(tmp_path, program, perturbed=(("addresses", "reversed"),))["value"]
    assert plain == [True, 20, 20, True]
    assert reverse == [False, 20, 20, True]


def test_listed_files_come_in_the_order_of_their_names_when_held(tmp_path):
    program = """
        import os, tempfile
        with tempfile.TemporaryDirectory() as folder:
            for name in "qwertyuiop":
                open(os.path.join(folder, name), "w").close()
            value = [os.listdir(folder), [entry.name for entry in os.scandir(folder)]]
    """
    assert run(tmp_path, program, "file-order")["value"] == [sorted("qwertyuiop")] * 2


def test_folders_that_are_only_deleted_are_not_noted(tmp_path):
    """A temporary folder lists itself to delete what is in it; the order of that reaches no number."""
    program = """
        import os, shutil, tempfile
        value = None
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "a", "b"))
        shutil.rmtree(tempfile.mkdtemp())
    """
    assert "file-order" not in {entry[0] for entry in run(tmp_path, program)["noted"]}


def test_results_come_in_the_order_of_submission_when_held(tmp_path):
    program = """
        import time
        from concurrent.futures import ThreadPoolExecutor, as_completed
        def work(n):
            time.sleep(0.05 * (3 - n))
            return n
        with ThreadPoolExecutor(3) as pool:
            value = [future.result() for future in as_completed([pool.submit(work, n) for n in range(3)])]
    """
    assert run(tmp_path, program, "completion-order")["value"] == [0, 1, 2]
    assert run(tmp_path, program)["value"] == [2, 1, 0]


def test_what_python_itself_reads_is_not_noted(tmp_path):
    program = "import tempfile, threading, queue\nthreading.Event().wait(0.01)\nvalue = queue.Queue().qsize()"
    noted = run(tmp_path, program)["noted"]
    assert {entry[1] for entry in noted} <= {"threading.Event.wait", "queue.Queue.qsize"}


def test_both_who_watch_one_function_learn_that_the_program_calls_it(tmp_path):
    program = """
        from multiprocessing.pool import ThreadPool
        def work(number):
            return number
        with ThreadPool(2) as pool:
            value = sorted(pool.imap_unordered(work, range(3)))
    """
    noted = [(source, operation) for source, operation, *_ in run(tmp_path, program)["noted"]]
    assert ("completion-order", "multiprocessing.Pool.imap_unordered") in noted
    assert ("thread-schedule", "work") in noted


def test_a_data_set_of_a_library_that_a_loader_reads_works_for_the_program(tmp_path):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "rows.py").write_text(
        "import random\nclass Rows(list):\n"
        "    def __getitem__(self, number):\n        return random.Random().random()\n"
    )
    program = f"""
        import sys
        sys.path.append({str(folder)!r})
        from rows import Rows
        from torch.utils.data import DataLoader
        value = [batch.tolist() for batch in DataLoader(Rows([1, 2]))]
    """
    first, second = (run(tmp_path, program, "python-random") for _ in range(2))
    assert first["value"] == second["value"]
    assert run(tmp_path, program)["value"] != first["value"]


def test_a_second_query_that_draws_runs_while_the_first_is_under_way_with_the_library_held(tmp_path):
    program = """
        from sqlite3.dbapi2 import connect
        database = connect(":memory:")
        database.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3);")
        first = database.execute("SELECT n, random() FROM t")
        value = [first.fetchone(), database.execute("SELECT random()").fetchone(), first.fetchone()]
    """
    first, second = (run(tmp_path, program, "compiled-libraries") for _ in range(2))
    assert first["value"] == second["value"]
    assert run(tmp_path, program)["value"] != first["value"]
