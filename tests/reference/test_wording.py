"""The words for entries, targets and differences."""

from __future__ import annotations

import pytest

from detaudit.model.lock import BEFORE, LockedTarget
from detaudit.reference.hold import Pair
from detaudit.reference.wording import described, shown, told, where
from tests.locks import entry, exact


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (entry(), "weights of Net.fc"),
        (entry(step=BEFORE), "initial weights of Net.fc"),
        (entry(layer="", what="loss"), "loss"),
        (exact(1), "buffers of Net.fc (integers)"),
        (exact(1, layer="Blobs (loader 1)", what="exact batch order"), "batch order of Blobs (loader 1)"),
    ],
)
def test_an_entry_is_named_in_a_few_words(one, words):
    assert described(one) == words


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (
            Pair(entry(), entry(size=0.02)),
            "the run differs from a.lock in the weights of Net.fc, by about 2.0e-02 (relative)",
        ),
        (Pair(exact(1), exact(2)), "the run differs from a.lock in the buffers of Net.fc (integers)"),
        (Pair(None, entry()), "the run has weights of Net.fc, a.lock does not"),
        (Pair(entry(), None), "a.lock has weights of Net.fc, the run does not"),
        (
            Pair(entry(count=3), entry(count=4)),
            "the run has 4 numbers in the weights of Net.fc, a.lock has 3",
        ),
    ],
)
def test_a_difference_is_told_in_a_sentence(pair, sentence):
    assert told(pair, "a.lock") == sentence


def test_what_was_there_before_the_first_step_is_told_as_step_0():
    origin = where(Pair(entry(step=BEFORE, phase="init"), entry("x", BEFORE, phase="init")), ("a", "1"))
    assert (origin.step, origin.phase, origin.event) == (0, "init", "initial weights of Net.fc")


def test_a_batch_is_of_no_layer():
    batch = entry(layer="Blobs (loader 1)", what="batch", phase="data")
    origin = where(Pair(batch, None), ("a", "1"))
    assert (origin.root, origin.module, origin.kind) == ("", None, "structure")


def test_a_target_is_shown_as_it_is_typed():
    assert shown(LockedTarget("train.py", ("--name", "a b"))) == "train.py -- --name 'a b'"
    assert shown(LockedTarget("model.py", (), 0)) == "model.py"
    assert shown(LockedTarget("model.py", (), 3)) == "model.py (seed 3)"
