"""What the first answer says of a lock, or of another commit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detaudit.model.result import Notice, ReferenceState, Verdict
from detaudit.report.terminal import text_of
from tests.results import changed, differing, equal, held, reference, unverified

EQUAL, NEAR = ReferenceState.EQUAL, ReferenceState.WITHIN_TOLERANCE
ELSEWHERE = ReferenceState.NOT_COMPARABLE
HASH = "3f2a1b4" + "0" * 33


def told(result):
    return " ".join(text_of(result).split())


def commit(state=ReferenceState.DIFFERS, **changes):
    return reference(state, **{"kind": "commit", "name": "main", "commit": HASH, **changes})


def test_a_run_that_equals_its_lock_is_unchanged():
    text = told(held(reference(EQUAL)))
    assert text.startswith("UNCHANGED train.py --epochs 3 lock detaudit.lock: the same bits in all 40 things")
    assert "compared 1 run and the lock: 12 steps" in text
    assert "a fault that shows in more than 95% of pairs of runs" in text
    assert "--runs 11" not in text
    assert "first difference" not in text


def test_without_a_reference_nothing_is_called_unchanged():
    assert told(equal()).startswith("REPRODUCIBLE")
    assert told(differing()).startswith("NOT REPRODUCIBLE")


def test_a_run_that_is_not_its_lock_is_changed_and_the_cause_is_not_asked_for():
    text = text_of(changed(reference(changed=("model.py:3-5", "train.py:7-7"))))
    assert len(text.splitlines()) <= 12
    joined = " ".join(text.split())
    assert joined.startswith("CHANGED train.py --epochs 3 lock detaudit.lock: numeric difference; ")
    assert "12 of 40 things differ, by about 3e-07 at most (relative)" in joined
    assert "changed since model.py:3-5, train.py:7-7" in joined
    assert "first difference step 0, forward, module fc1 of Net" in joined
    assert "train.py:7 in forward" in joined
    assert "what to do if the change is intended: `detaudit lock train.py`" in joined
    assert "not diagnosed" not in joined
    assert "REPRODUCIBLE" not in joined


def test_a_commit_is_named_with_its_hash_and_a_hash_once():
    text = told(held(commit(EQUAL)))
    assert "against main (3f2a1b4): the same bits" in text
    assert "compared the work tree and main: 12 steps" in text
    assert "against 3f2a1b4: the same bits" in told(held(commit(EQUAL, name="3f2a1b4")))


def test_a_structural_difference_names_the_layers_of_each_side():
    layers = tuple(f"Net.block{number}" for number in range(8))
    text = told(changed(commit(difference="structural", only_here=("Net.dropout",), only_there=layers)))
    assert "structural difference; only here: Net.dropout; only there: Net.block0" in text
    assert "Net.block4 and 3 more" in text
    assert "Net.block5" not in text


def test_nearness_is_told_with_its_tolerance_and_is_no_equality():
    near = reference(
        NEAR, differing=12, relative=3e-7, tolerance=1e-5, environment={"torch": ("2.11.0", "2.13.0")}
    )
    result = replace(held(near), notices=(Notice("within-tolerance", "same to 3e-7"),))
    text = told(result)
    assert text.startswith("UNCHANGED WITHIN TOLERANCE")
    assert "the same within the tolerance of 1e-05: 12 of 40 things differ, by about 3e-07 at most" in text
    assert "torch 2.13.0 here, 2.11.0 there" in text
    assert "notice" not in text
    assert "the same bits" not in text


def test_a_reference_that_cannot_be_compared_is_told_once():
    other = reference(ELSEWHERE, first=None, environment={"threads": ("8", "2")})
    text = told(replace(differing(), references=(other,)))
    assert text.startswith("NOT REPRODUCIBLE")
    assert "lock detaudit.lock: not comparable; threads 2 here, 8 there" in text
    assert "not comparable" not in told(replace(unverified(), references=(other,)))


def test_nothing_is_called_changed_or_unchanged_that_could_not_be_compared():
    other = reference(ELSEWHERE)
    assert told(replace(changed(other), findings=())).startswith("NOT REPRODUCIBLE")
    assert told(held(other, reference(EQUAL))).startswith("REPRODUCIBLE")


def test_one_reference_that_is_only_near_makes_the_whole_near():
    near = reference(NEAR, tolerance=1e-5)
    assert told(held(reference(EQUAL), near)).startswith("UNCHANGED WITHIN TOLERANCE")


def test_a_faulty_program_is_not_called_changed():
    both = replace(changed(reference()), findings=(*changed(reference()).findings, *differing().findings))
    assert told(both).startswith("NOT REPRODUCIBLE")


def test_a_difference_without_a_finding_is_told_by_its_reference():
    text = told(replace(changed(reference()), findings=()))
    assert text.startswith("CHANGED")
    assert "first difference step 0, forward, module fc1 of Net: the output of module fc1" in text


@pytest.mark.parametrize("state", list(ReferenceState))
def test_no_state_of_a_reference_turns_an_unverified_result_green(state):
    result = replace(unverified(), references=(reference(state),))
    assert result.verdict is Verdict.UNVERIFIED
    assert told(result).startswith("UNVERIFIED")
