"""Of several lines that use a source, the guilty one is proved: the source is held at that line alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from detaudit.diagnose.diagnosis import MOST_LINES, prove_line
from detaudit.diagnose.parting import Parting
from detaudit.diagnose.search import Search, SourceFault
from detaudit.diagnose.trials import SourceTrial
from detaudit.diagnose.zoom import Closer
from detaudit.model.ledger import Act, EntryPair, Fact, LedgerEntry
from detaudit.model.result import Comparison, Divergence, DivergenceKind
from detaudit.model.trace import Event, Kind, Level, Phase, Place, Site, StreamRole
from detaudit.sources.catalogue import BY_NAME


def key(line):
    return line.to_bytes(8, "big")


def pair(line, source="hash-seed"):
    site = Site("train.py", line, "<module>", "for name in names:")
    what = (source, "set", Fact(Act.ORDERS), "init", site, key(line))
    entries = [
        LedgerEntry(1, 0, "MainThread", True, line, *what, 1, 1, digest, "")  # noqa: FBT003 - in the main thread
        for digest in (b"a", b"b")
    ]
    return EntryPair("main", StreamRole.MAIN, *entries)


def comparison(step):
    place = Place(Phase.DATA, Kind.INPUT, "Net", "", "")
    event = Event(place, None, 1000, None, bytes(16))
    divergence = Divergence(DivergenceKind.VALUE, "main", step, event, event, origin=True)
    rest = {"others": (), "harmless": (), "generators": (), "affected": None}
    return Comparison(("1", "2"), Level.LAYER, 9, 9, equal=False, first=divergence, **rest)


class Program:
    """Runs are equal where the source is held at all guilty lines; else they part in step 0."""

    def __init__(self, *guilty):
        self.guilty = {key(line).hex() for line in guilty}
        self.trials = []

    def hold(self, held, pairs, _why="", _steps=None, *, likely=False):  # noqa: ARG002 - as a laboratory
        self.trials.append(set(held[0].sites))
        if self.guilty <= set(held[0].sites):
            return SourceTrial(held, pairs, pairs)
        return SourceTrial(held, 1, 0, comparison(0))


def lines_of(program, lines, source="hash-seed"):
    pairs = tuple(pair(line, source) for line in lines)
    closer = Closer(Parting(comparison(0), 2, 2), comparison=comparison(0), ledgers=pairs)
    fault = SourceFault(BY_NAME[source], closer, comparison(0), pairs, pairs, (0, 2))
    search = Search(program, faults=[fault])
    prove_line(search, fault)
    return [[one.entry.site.line for one in fault.pairs] for fault in search.faults]


@pytest.mark.parametrize("guilty", [3, 7, 12])
def test_the_guilty_line_of_several_is_found_wherever_it_stands(guilty):
    assert lines_of(Program(guilty), [3, 5, 7, 9, 12]) == [[guilty]]


def test_two_lines_that_are_guilty_together_are_both_kept():
    assert lines_of(Program(5, 9), [3, 5, 7, 9, 12]) == [[5, 9]]


def test_where_neither_the_likeliest_line_nor_the_others_explain_it_each_guilty_line_is_a_fault():
    assert sorted(lines_of(Program(3, 9), [9, 3, 5, 7])) == [[3], [9]]
    assert sorted(lines_of(Program(3, 5, 12), [3, 5, 7, 12])) == [[3], [5], [12]]


def test_where_no_line_explains_the_difference_all_stay():
    program = Program(99)
    assert lines_of(program, [3, 5, 7]) == [[3, 5, 7]]
    assert len(program.trials) == 3


@pytest.mark.parametrize(
    ("lines", "source"), [([3], "hash-seed"), (range(MOST_LINES + 1), "hash-seed"), ([3, 5], "clock")]
)
def test_nothing_is_run_for_a_single_line_too_many_or_a_source_that_cannot_be_held_at_lines(lines, source):
    program = SimpleNamespace(hold=lambda *_: pytest.fail("a trial was made"))
    assert lines_of(program, lines, source) == [list(lines)]
