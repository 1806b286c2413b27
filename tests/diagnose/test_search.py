"""The search for guilty sources, on programs that are made up: which sources make runs differ is given."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from detaudit.diagnose import search as search_module
from detaudit.diagnose.parting import Parting
from detaudit.diagnose.search import Search
from detaudit.diagnose.trials import SourceTrial
from detaudit.diagnose.zoom import Closer
from detaudit.model.ledger import Act, EntryPair, Fact, LedgerEntry, Whose
from detaudit.model.result import Comparison, Divergence, DivergenceKind
from detaudit.model.trace import Event, Kind, Level, Phase, Place, StreamRole
from detaudit.sources.catalogue import SOURCES

DRAWS = {"numpy-random": "numpy.random.rand", "python-random": "random.random", "torch-random": "aten.rand"}


def entry(source, step):
    fact = Fact(Act.DRAWS, Whose.GLOBAL_UNSEEDED) if source in DRAWS else Fact(Act.READS)
    what = (source, DRAWS.get(source, source), fact, "data", None, bytes(8))
    return LedgerEntry(1, step, "MainThread", True, step * 100, *what, 1, 1, b"", "")  # noqa: FBT003 - in the main thread


def pair(source, step):
    first, second = entry(source, step), entry(source, step)
    object.__setattr__(second, "digest", b"other")
    return EntryPair("main", StreamRole.MAIN, first, second)


def comparison(step):
    event = Event(Place(Phase.DATA, Kind.INPUT, "Net", "", ""), None, step * 100 + 50, None, bytes(16))
    divergence = Divergence(DivergenceKind.VALUE, "main", step, event, event, origin=True)
    return Comparison(
        ("1", "2"),
        Level.LAYER,
        9,
        9,
        equal=False,
        first=divergence,
        others=(),
        harmless=(),
        generators=(),
        affected=None,
    )


class Program:
    """A program in which each guilty source makes the runs part in its step; stands in for a laboratory."""

    def __init__(self, **guilty):
        self.guilty = {name.replace("_", "-"): step for name, step in guilty.items()}
        self.noise = []
        self.rare = set()
        """Sources that make no more than every second pair of runs differ."""
        self.longest_tick = 1e9
        """With a clock that goes faster than this, the training is over before it begins."""
        self.trials = []
        self.leftovers, self.operations = frozenset(), set()
        self.case = SimpleNamespace(started=0.0, steady=False)

    def first_step(self, held):
        return min((step for name, step in self.guilty.items() if name not in held), default=None)

    def ledgers(self):
        known = {source.name for source in SOURCES}
        seen = [*self.guilty.items(), *self.noise]
        return tuple(pair(name, step) for name, step in seen if name in known)

    def hold(self, held, pairs, _why="", _steps=None, *, likely=False):  # noqa: ARG002 - as a laboratory
        names = {one.source for one in held}
        self.trials.append(names)
        if any(one.source == "clock" and float(one.amount or 0) > self.longest_tick for one in held):
            return SourceTrial(held, 0, 0, failed="run 1 completed no training step")
        step = self.first_step(names)
        seldom = pairs == 1 and {name for name in self.guilty if name not in names} <= self.rare
        if step is None or seldom:
            return SourceTrial(held, pairs, pairs, ledgers=self.ledgers())
        return SourceTrial(held, 1, 0, comparison(step), self.ledgers())


@pytest.fixture
def solve(monkeypatch):
    def look(_case, parting, _hooked, _held=()):
        return Closer(parting, comparison=parting.coarse, ledgers=solve.program.ledgers())

    monkeypatch.setattr(search_module, "look_closer", look)

    def solve(program):
        solve.program = program
        found = Search(program, {"clock": "1.0"})
        first = comparison(program.first_step(set()))
        parting = Parting(first, 2, 2)
        found.run(Closer(parting, comparison=first, ledgers=program.ledgers()), first, 6, 6)
        return found

    return solve


def names(found):
    return {fault.source.name for fault in found.faults}


def test_one_fault_that_the_ledger_shows_takes_one_trial(solve):
    program = Program(numpy_random=0)
    found = solve(program)
    assert names(found) == {"numpy-random"}
    assert found.settled is not None
    assert program.trials == [{"numpy-random"}]


def test_a_fault_hidden_behind_another_is_found(solve):
    assert names(solve(Program(numpy_random=0, clock=3))) == {"numpy-random", "clock"}


def test_two_faults_in_one_place_are_found(solve):
    assert names(solve(Program(numpy_random=2, os_entropy=2))) == {"numpy-random", "os-entropy"}


def test_three_faults_are_found(solve):
    program = Program(numpy_random=0, hash_seed=1, file_order=4)
    assert names(solve(program)) == {"numpy-random", "hash-seed", "file-order"}


def test_a_fault_that_shows_in_every_second_pair_is_not_dropped(solve):
    """One pair that is equal without it, by chance, does not acquit a source."""
    program = Program(numpy_random=0, clock=3)
    program.rare = {"clock"}
    assert names(solve(program)) == {"numpy-random", "clock"}


def test_a_clock_that_ends_the_training_before_it_begins_is_held_slower(solve):
    program = Program(clock=3)
    program.longest_tick = 0.1
    assert names(solve(program)) == {"clock"}


def test_a_source_that_was_not_seen_is_not_named_because_the_runs_part_elsewhere(solve):
    """Where runs part changes by itself in some programs; the order of strings is not blamed for it."""
    program = Program(hash_seed=1, somewhere_else=5)
    program.ledgers = tuple
    assert "hash-seed" not in names(solve(program))


def test_a_source_that_is_read_and_does_no_harm_is_not_named(solve):
    program = Program(file_order=1)
    program.noise = [("numpy-random", 0), ("clock", 1), ("os-entropy", 0)]
    assert names(solve(program)) == {"file-order"}


@pytest.mark.parametrize("steady", [False, True])
def test_where_each_side_repeats_itself_nothing_that_acts_by_chance_is_tried_alone(solve, steady):
    program = Program(somewhere_else=1)
    program.case.steady = steady
    solve(program)
    alone = {source for held in program.trials if len(held) == 1 for source in held}
    by_chance = {one.name for one in SOURCES if one.suspicion.by_chance}
    assert bool(by_chance & alone) != steady
    assert "hash-seed" in alone


def test_what_no_source_explains_is_left_unexplained(solve):
    program = Program(somewhere_else=1)
    found = solve(program)
    assert found.faults == []
    assert found.settled is None
    assert found.failures
    assert {source.name for source in SOURCES} - {"kernel-threads"} in program.trials
