"""Events are matched by identity, not by position."""

from __future__ import annotations

import random

from detaudit.compare import align as align_module
from detaudit.compare.align import align
from detaudit.model.trace import Event, Kind, Phase, Place


def call(path, value, sequence=0):
    return Event(
        Place(Phase.FORWARD, Kind.MODULE, "Net", path, ""), None, sequence, b"in", str(value).encode()
    )


def shown(pairs):
    return [
        (pair.first and pair.first.outputs.decode(), pair.second and pair.second.outputs.decode())
        for pair in pairs
    ]


def test_every_event_of_both_runs_is_in_exactly_one_pair():
    chance = random.Random(3)
    for _ in range(300):
        ours = [call(chance.choice("ab"), chance.randrange(3)) for _ in range(chance.randrange(8))]
        theirs = [call(chance.choice("ab"), chance.randrange(3)) for _ in range(chance.randrange(8))]
        pairs = align(ours, theirs)
        assert sorted(id(pair.first) for pair in pairs if pair.first) == sorted(map(id, ours))
        assert sorted(id(pair.second) for pair in pairs if pair.second) == sorted(map(id, theirs))
        assert all(not pair.missing or pair.first is None or pair.second is None for pair in pairs)
        assert all(pair.missing or pair.first.place == pair.second.place for pair in pairs)


def test_the_order_is_that_of_the_first_run():
    pairs = align([call("a", 1), call("b", 2)], [call("b", 2), call("a", 1)])
    assert shown(pairs) == [("1", "1"), ("2", "2")]


def test_an_extra_occurrence_does_not_shift_those_behind_it():
    ours = [call("a", 1), call("a", 2), call("a", 3)]
    theirs = [call("a", 0), call("a", 1), call("a", 2), call("a", 3)]
    assert shown(align(ours, theirs)) == [(None, "0"), ("1", "1"), ("2", "2"), ("3", "3")]


def test_equal_counts_are_matched_by_occurrence_whatever_the_values():
    assert shown(align([call("a", 1), call("a", 2)], [call("a", 2), call("a", 3)])) == [
        ("1", "2"),
        ("2", "3"),
    ]


def test_beyond_the_limit_occurrences_are_matched_by_number(monkeypatch):
    monkeypatch.setattr(align_module, "MATCHING_LIMIT", 0)
    pairs = align([call("a", 1)], [call("a", 0), call("a", 1)])
    assert shown(pairs) == [("1", "0"), (None, "1")]


def test_in_a_common_gap_the_first_run_leads_unless_told_otherwise():
    ours, theirs = [call("x", 1), call("end", 9)], [call("y", 2), call("end", 9)]
    assert shown(align(ours, theirs)) == [("1", None), (None, "2"), ("9", "9")]
    assert shown(align(ours, theirs, second_leads=True)) == [(None, "2"), ("1", None), ("9", "9")]
