"""What recording puts in place for a time is taken back, all of it."""

from __future__ import annotations

import types

import pytest

from detaudit.record.scope import RecordingScope


@pytest.fixture
def owner():
    return types.SimpleNamespace(there="before")


def test_what_was_replaced_comes_back(owner):
    scope = RecordingScope(lasting=False)
    scope.replace(owner, "there", "ours")
    assert owner.there == "ours"
    scope.end()
    assert owner.there == "before"


def test_what_was_not_there_is_gone_again(owner):
    scope = RecordingScope(lasting=False)
    scope.replace(owner, "new", "ours")
    scope.end()
    assert not hasattr(owner, "new")


def test_a_method_that_a_class_inherits_is_inherited_again():
    base = type("Base", (), {"act": lambda _: "base"})
    child = type("Child", (base,), {})
    scope = RecordingScope(lasting=False)
    scope.replace(child, "act", lambda _: "ours")
    assert child().act() == "ours"
    scope.end()
    assert "act" not in vars(child)
    assert child().act() == "base"


def test_what_was_replaced_twice_comes_back_as_it_was_first(owner):
    scope = RecordingScope(lasting=False)
    scope.replace(owner, "there", "once")
    scope.replace(owner, "there", "twice")
    scope.end()
    assert owner.there == "before"


def test_what_somebody_else_has_put_on_top_stays(owner):
    scope = RecordingScope(lasting=False)
    scope.replace(owner, "there", "ours")
    owner.there = "theirs"
    scope.end()
    assert owner.there == "theirs"


def test_undoing_goes_backwards():
    done = []
    scope = RecordingScope(lasting=False)
    scope.on_end(lambda: done.append("first"))
    scope.on_end(lambda: done.append("second"))
    scope.end()
    scope.end()
    assert done == ["second", "first"]


def test_a_lasting_scope_keeps_nothing_and_takes_nothing_back(owner):
    scope = RecordingScope()
    scope.replace(owner, "there", "ours")
    scope.end()
    assert owner.there == "ours"
    assert not scope._undo
