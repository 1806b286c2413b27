"""What is made to vary inside a run, and what from outside: each change does change something."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import thread as pools
from pathlib import Path

import numpy as np
import pytest

from detaudit import options
from detaudit.model.plan import Intervention, RunPlan, Target, TargetKind
from detaudit.model.trace import Level
from detaudit.run import launch
from detaudit.run.command import environment_of
from detaudit.sources import clock, files, memory, threads
from detaudit.sources.catalogue import BY_NAME
from detaudit.sources.ledger import Ledger
from detaudit.sources.taps import Taps

NAMES = ["a", "b", "c", "d", "e"]
NOTHING = "nothing"


class Anywhere:
    """Every line is the user's."""

    def here(self):
        return b""

    def asked_by_program(self, frame, *, through_standard=False):
        del frame, through_standard
        return True


def taps_varying(source, amount):
    return Taps(Anywhere(), Ledger(), perturbed=(Intervention(source, amount=amount),))


def plan_varying(source, amount, target=None):
    target = target or Target(TargetKind.SCRIPT, "train.py", path=Path("train.py"))
    return RunPlan(target, 1, Level.LAYER, 0, perturbed=(Intervention(source, amount=amount),))


@pytest.mark.parametrize(
    ("amount", "same"), [(files.REVERSED, False), (files.SHUFFLED, False), (NOTHING, True)]
)
def test_a_listing_has_the_same_names_in_another_order(amount, same, tmp_path, monkeypatch):
    for name in NAMES:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    taps = taps_varying(files.NAME, amount)
    listed = files._names(taps)(os.listdir)
    entries = [entry.name for entry in files._entries(taps)(os.scandir, ".")]
    assert sorted(listed) == NAMES == sorted(entries)
    assert (listed == os.listdir()) is same  # noqa: PTH208 - it is the order of this function
    assert (entries == [entry.name for entry in os.scandir()]) is same


@pytest.mark.parametrize("name", ["time", "perf_counter", "monotonic"])
def test_only_the_time_of_day_is_shifted(name):
    taps = taps_varying(clock.NAME, clock.FORWARD)
    read = clock._seconds(taps, clock._Clock(0.1), name, 0.0)
    days = (read(getattr(time, name)) - getattr(time, name)()) / 86_400
    assert days == pytest.approx(400 if name == "time" else 0, abs=0.001)


def test_the_calendar_is_shifted_as_well():
    taps = taps_varying(clock.NAME, clock.FORWARD)
    held = clock._Clock(0.1)
    today = clock._day(taps, held)(dt.date.today)
    now = clock._moment(taps, held, "now")(dt.datetime.now)
    local = clock._calendar(taps, held, "localtime", 0)(time.localtime)
    assert (today - dt.date.today()).days == 400  # noqa: DTZ011 - as the program does
    assert (now - dt.datetime.now()).days in {399, 400}  # noqa: DTZ005 - as the program does
    assert local.tm_yday != time.localtime().tm_yday


def test_a_moment_that_the_program_names_itself_is_not_shifted():
    taps = taps_varying(clock.NAME, clock.FORWARD)
    assert clock._calendar(taps, clock._Clock(0.1), "gmtime", 0)(time.gmtime, 0).tm_year == 1970


def test_a_fast_clock_goes_ten_times_as_far():
    taps = taps_varying(clock.NAME, clock.FAST)
    read = clock._seconds(taps, clock._Clock(0.1), "perf_counter", 0.0)
    first, second = (read(lambda moment=moment: moment) for moment in (1e6, 1e6 + 3))
    assert second - first == pytest.approx(30)


@pytest.mark.parametrize(("amount", "filled"), [("large", True), ("middling", True), (None, False)])
def test_fresh_arrays_are_filled(amount, filled):
    array = np.zeros(3)
    memory._fill(array, amount)
    assert bool(np.isnan(array[0]) or array[0] > 1e6) is filled


def test_what_the_program_made_of_integers_is_left_to_the_allocator():
    array = np.zeros(3, dtype=int)
    memory._fill(array, "large")
    assert not array.any()


@pytest.mark.parametrize(("amount", "expected"), [("jitter", 1), (None, 0)])
def test_threads_and_tasks_of_pools_begin_later(amount, expected, monkeypatch):
    slept = []
    monkeypatch.setattr(threads, "_sleep", slept.append)
    taps = Taps(Anywhere(), Ledger()) if amount is None else taps_varying(threads.NAME, amount)
    thread = threading.Thread(target=lambda: None)
    threads._delay(taps, thread)
    thread.start()
    thread.join()
    assert len(slept) == expected
    assert all(0 <= seconds < threads.LONGEST_DELAY for seconds in slept)


def test_a_delayed_task_gives_what_it_gave(monkeypatch):
    slept = []
    monkeypatch.setattr(threads, "_sleep", slept.append)
    # Put back after the test: the tap stays for the life of a process.
    monkeypatch.setattr(ThreadPoolExecutor, "submit", ThreadPoolExecutor.submit)
    threads._tap_tasks(taps_varying(threads.NAME, "jitter"), pools)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(pow, [2, 3], [3, 2])) == [8, 9]
    assert len(slept) == 2


@pytest.mark.parametrize(
    ("source", "amount", "variable"),
    [
        ("hash-seed", "another", "PYTHONHASHSEED"),
        ("addresses", "moved", "PYTHONMALLOC"),
        ("fresh-memory", "large", "MALLOC_PERTURB_"),
        ("threads", "1", "OMP_NUM_THREADS"),
        ("locale-and-time-zone", "C, Kiritimati", "TZ"),
        ("environment", "renamed", "USER"),
    ],
)
def test_a_change_from_outside_reaches_the_environment(source, amount, variable, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, "0")
    environment = environment_of(plan_varying(source, amount), tmp_path)
    assert environment[variable] == BY_NAME[source].perturbation(amount).environment[variable] != "0"


def test_a_program_that_is_run_elsewhere_is_still_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "lib")
    module = Target(TargetKind.MODULE, "-m app", import_name="app")
    plan = plan_varying("working-directory", "empty", module)
    assert launch._working_directory(plan, tmp_path) == tmp_path / "elsewhere"
    paths = environment_of(plan, tmp_path)["PYTHONPATH"].split(os.pathsep)
    assert paths[1:] == [str(tmp_path / "lib"), str(tmp_path)]
    script = plan_varying("working-directory", "empty")
    assert launch._from_anywhere(script).target.path == tmp_path / "train.py"


def test_what_is_not_varied_runs_where_it_was(tmp_path):
    plan = plan_varying("environment", "renamed")
    assert launch._working_directory(plan, tmp_path) is None
    assert launch._from_anywhere(plan) is plan


def test_every_source_that_can_vary_can_be_asked_for():
    assert sorted(options.PERTURBATIONS) == sorted(name for name, one in BY_NAME.items() if one.perturbed_by)
