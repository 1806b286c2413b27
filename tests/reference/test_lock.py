"""A target held against a lock, and put into one; what its runs leave is made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detaudit.config import Settings, audit_options, lock_options
from detaudit.errors import LockError, UsageError
from detaudit.model.lock import VARIES
from detaudit.model.plan import TargetRef
from detaudit.model.result import ReferenceState, Verdict
from detaudit.model.trace import Level, Phase
from detaudit.reference import by_itself
from detaudit.reference.lock import audit_against_lock
from detaudit.reference.lock_file import EMPTY, parse, read_lock, text_of
from detaudit.reference.locking import LockState, make_lock
from detaudit.run.progress import Silence
from tests import results
from tests.locks import Runs

TRAIN = TargetRef("train.py")
LOCK = Path("detaudit.lock")


@pytest.fixture
def runs(monkeypatch, repository):
    """What the runs leave; the current folder is a repository with a script."""
    repository.commit("one", {"train.py": "lr = 1\n"})
    made = Runs()
    monkeypatch.setattr("detaudit.run.runs.execute", made)
    return made


@pytest.fixture
def lock(runs, repository):
    """Lock what the runs leave, and commit the lock."""

    def made(*coming, ref=TRAIN, **settings):
        runs.coming = list(coming) or [{}]
        before = read_lock(LOCK) if LOCK.exists() else EMPTY
        after, locked = make_lock(ref, audit_options(Settings(**settings)), before, LOCK, Silence())
        if after != before:
            LOCK.write_text(text_of(after))
            repository.commit("lock", {})
        return locked

    return made


@pytest.fixture
def check(runs):
    """Hold runs against the lock."""

    def checked(*coming, ref=TRAIN, **settings):
        runs.coming = list(coming) or [{}]
        runs.plans.clear()
        return audit_against_lock(ref, lock_options(Settings(**settings), LOCK), Silence())

    return checked


def test_an_unchanged_target_is_reproducible_after_one_run(lock, check, runs):
    assert lock().state is LockState.NEW
    result = check()
    (reference,) = result.references
    assert (result.verdict, reference.state, result.findings) == (
        Verdict.REPRODUCIBLE,
        ReferenceState.EQUAL,
        (),
    )
    assert (result.compared.pairs, result.compared.steps, result.compared.events) == (1, 3, 25)
    assert [(plan.runs, plan.steps, plan.sketches) for plan in runs.plans] == [(1, 3, True)]


def test_more_runs_are_all_held(lock, check, runs):
    lock()
    result = check(runs=4)
    assert (result.verdict, result.compared.pairs, runs.plans[0].runs) == (Verdict.REPRODUCIBLE, 3, 3)
    assert check({}, {}, {"weight": 0.1}, {}, runs=4).verdict is Verdict.NOT_REPRODUCIBLE


def test_a_changed_target_is_told_with_place_size_and_changed_lines(lock, check, repository):
    lock()
    repository.write("train.py", "lr = 2\n")
    result = check({"weight": 0.02})
    (reference,), (finding,) = result.references, result.findings
    assert (result.verdict, reference.state) == (Verdict.NOT_REPRODUCIBLE, ReferenceState.DIFFERS)
    assert (finding.id, finding.cause, finding.confirmed) == ("differs-from-lock", None, True)
    assert (finding.origin.step, finding.origin.phase, finding.origin.module) == (1, "optimizer", "conv")
    assert (
        finding.message
        == "the run differs from detaudit.lock in the weights of Net.conv, by about 2.0e-02 (relative)"
    )
    assert finding.site.line == 7
    assert finding.fix == "if the change is intended: `detaudit lock train.py`, and commit the lock"
    assert (reference.differing, reference.compared) == (2, 25)
    assert reference.relative == pytest.approx(0.0196, abs=1e-4)
    assert (reference.changed, reference.commit) == (("train.py:1",), repository.git("rev-parse", "HEAD"))
    assert result.extra_runs == 1


def test_the_command_that_locks_anew_has_the_targets_arguments(lock, check):
    ref = replace(TRAIN, args=("--lr", "a b"))
    lock(ref=ref)
    (finding,) = check({"weight": 0.02}, ref=ref).findings
    assert "`detaudit lock train.py -- --lr 'a b'`" in finding.fix


def test_where_no_line_changed_that_is_told(lock, check):
    lock()
    result = check({"weight": 0.02})
    assert "nothing-changed" in [notice.id for notice in result.notices]


def test_another_library_is_told_where_the_bits_differ_and_only_there(lock, check):
    lock()
    other = {"environment": {"numpy": "9.9"}}
    assert check(other).notices == ()
    told = {notice.id: notice.message for notice in check({**other, "weight": 0.02}).notices}
    assert told["noted-differs"].endswith("numpy: 2.4.6 there, 9.9 here")


def test_a_target_that_does_not_repeat_itself_is_audited_as_ever(lock, check, monkeypatch):
    lock()
    asked = []
    monkeypatch.setattr(by_itself, "audit_target", lambda *given: asked.append(given) or results.differing())
    result = check({"weight": 0.02}, {"weight": 0.03})
    (reference,) = result.references
    assert (result.verdict, reference.state) == (Verdict.NOT_REPRODUCIBLE, ReferenceState.NOT_COMPARABLE)
    assert result.findings == results.differing().findings
    assert (
        result.notices[0].message
        == "not held against detaudit.lock: two runs of the target differ from each other"
    )
    assert asked[0][1].steps == 3


def test_a_rare_fault_that_the_audit_misses_is_a_fault_all_the_same(lock, check, monkeypatch):
    lock()
    monkeypatch.setattr(by_itself, "audit_target", lambda *_: results.equal())
    result = check({"weight": 0.02}, {"weight": 0.03})
    assert (result.verdict, result.findings[0].rate) == (Verdict.NOT_REPRODUCIBLE, {"differs": 1, "pairs": 2})


def test_another_environment_is_not_comparable_and_its_keys_are_named(lock, check):
    lock()
    result = check({"environment": {"torch_threads": 8}, "weight": 0.02})
    (reference,) = result.references
    assert (result.verdict, reference.state) == (Verdict.UNVERIFIED, ReferenceState.NOT_COMPARABLE)
    assert (reference.environment, result.compared) == ({"threads": ("2", "8")}, None)
    assert result.reason == (
        "detaudit.lock holds for another environment: threads: 2 there, 8 here. `detaudit lock train.py` "
        "here adds this environment beside it; --tolerance 1e-5 compares the numbers"
    )
    assert "all 25 things have the same bits here" in check({"environment": {"torch_threads": 8}}).reason


@pytest.mark.parametrize(
    ("size", "verdict", "state"),
    [
        (3e-7, Verdict.REPRODUCIBLE, ReferenceState.WITHIN_TOLERANCE),
        (2e-2, Verdict.NOT_REPRODUCIBLE, ReferenceState.DIFFERS),
        (0.0, Verdict.REPRODUCIBLE, ReferenceState.EQUAL),
    ],
)
@pytest.mark.parametrize("threads", [2, 8])
def test_a_tolerance_compares_numbers_here_and_elsewhere(lock, check, *, size, verdict, state, threads):
    lock()
    result = check({"environment": {"torch_threads": threads}, "weight": size}, tolerance=1e-3)
    assert (result.verdict, result.references[0].state) == (verdict, state)
    if state is ReferenceState.WITHIN_TOLERANCE:
        assert result.notices[0].message.startswith(
            "the numbers are the same up to 3e-07 (estimated from sketches), but not the bits: 2 of"
        )


def test_where_only_updates_differ_beyond_the_tolerance_that_is_told(lock, check):
    lock()
    notices = [notice.id for notice in check({"weight": 2e-2}, tolerance=1e-3).notices]
    assert "only-the-update-differs" in notices
    notices = [notice.id for notice in check({"used": 2e-2, "weight": 2e-2}, tolerance=1e-3).notices]
    assert "only-the-update-differs" not in notices


def test_a_second_environment_stands_beside_the_first(lock, check):
    lock()
    assert lock({"environment": {"torch_threads": 8}, "weight": 0.02}).state is LockState.ADDED
    assert check().verdict is Verdict.REPRODUCIBLE
    assert check({"environment": {"torch_threads": 8}, "weight": 0.02}).verdict is Verdict.REPRODUCIBLE
    assert check({"environment": {"torch_threads": 8}}).verdict is Verdict.NOT_REPRODUCIBLE
    assert (
        "holds for 2 other environments; the nearest has"
        in check({"environment": {"torch_threads": 4}}).reason
    )


def test_a_run_with_fewer_steps_differs_and_one_that_is_to_have_fewer_does_not(lock, check, runs):
    lock()
    result = check({"steps": 2})
    assert result.references[0].difference == "structural"
    assert result.findings[0].message == "the run ends after 2 steps, detaudit.lock has more of them"
    assert result.findings[0].site is None
    assert check(steps=2).verdict is Verdict.REPRODUCIBLE
    assert runs.plans[0].steps == 2


def test_a_lock_says_nothing_about_another_target_or_other_arguments(lock, check, repository):
    lock()
    repository.write("other.py", "")
    with pytest.raises(LockError) as caught:
        check(ref=TargetRef("other.py"))
    assert caught.value.message == "detaudit.lock has nothing for other.py; it has train.py"
    assert caught.value.hint == "`detaudit lock other.py` adds it"
    with pytest.raises(LockError, match=r"nothing for train.py -- --fast; it has train.py"):
        check(ref=replace(TRAIN, args=("--fast",)))


def test_a_model_file_is_locked_with_its_seed(lock, check, repository):
    repository.write("model.py", "def make_model(): ...\ndef make_batches(): ...\n")
    ref = TargetRef("model.py")
    lock(ref=ref, seed=5)
    assert check(ref=ref, seed=5).verdict is Verdict.REPRODUCIBLE
    with pytest.raises(LockError, match=r"nothing for model.py; it has model.py \(seed 5\)"):
        check(ref=ref)


def test_the_level_of_the_lock_is_that_of_the_run(lock, check, runs):
    lock(level="step")
    check()
    assert runs.plans[0].level is Level.STEP
    with pytest.raises(LockError, match="at level step, not at level layer"):
        check(level="layer")


def test_operators_are_not_locked(lock):
    with pytest.raises(UsageError, match="a lock holds layers"):
        lock(level="op")


def test_a_target_that_fails_is_unverified_and_locks_nothing(lock, check):
    assert lock({"exit_code": 3}).state is LockState.FAILED
    assert not LOCK.exists()
    lock()
    result = check({"exit_code": 3})
    assert (result.verdict, result.references) == (Verdict.UNVERIFIED, ())
    assert "exit status 3" in result.reason
    assert "ValueError: no numbers" in result.notices[0].message


def test_a_target_without_steps_is_unverified_and_locks_nothing(lock, check):
    assert "completed no training step" in lock({"steps": 0}).reason
    lock()
    result = check({"steps": 0})
    assert (result.verdict, "completed no training step" in result.reason) == (Verdict.UNVERIFIED, True)


def test_a_target_whose_two_runs_differ_is_not_locked(lock):
    locked = lock({}, {"weight": 0.02})
    assert (locked.state, locked.block, LOCK.exists()) == (LockState.DIFFERS, None, False)
    assert "weight conv.weight differs after the step although its gradient agrees" in locked.reason
    assert locked.place == "train.py:7"


def test_locking_again_changes_nothing_where_nothing_changed(lock):
    lock()
    before = LOCK.read_text(), LOCK.stat().st_mtime_ns
    assert lock({"environment": {"numpy": "9.9"}}).state is LockState.UNCHANGED
    assert (LOCK.read_text(), LOCK.stat().st_mtime_ns) == before


def test_locking_a_change_replaces_what_was_there_and_keeps_the_rest(lock, repository):
    repository.write("other.py", "")
    lock(ref=TargetRef("other.py"))
    lock()
    other = LOCK.read_text().split("\n\n")[1]
    locked = lock({"weight": 0.02})
    assert (locked.state, locked.before.differing, locked.before.first.entry.step) == (
        LockState.UPDATED,
        2,
        1,
    )
    assert LOCK.read_text().split("\n\n")[1] == other
    assert len(parse(LOCK.read_text(), "x").blocks) == 2


def test_a_lock_keeps_its_number_of_steps(lock, runs):
    lock(steps=2)
    lock({"weight": 0.5})
    assert [plan.steps for plan in runs.plans] == [2, 2]
    assert lock(steps=3).block.steps == 3


def test_what_varies_without_reaching_a_number_is_not_held(lock, check):
    locked = lock({}, {"batch": 0.3})
    varying = [one.identity for one in locked.block.entries if one.digest == VARIES]
    assert locked.state is LockState.NEW
    assert {what for _, _, _, what in varying} == {"batch", "input"}
    assert check({"batch": 0.7}).verdict is Verdict.REPRODUCIBLE
    assert lock().state is LockState.UNCHANGED


def test_a_batch_that_does_not_vary_is_held(lock, check):
    lock()
    assert check({"batch": 0.7}).verdict is Verdict.NOT_REPRODUCIBLE


def test_a_damaged_lock_is_told_before_anything_runs(lock, check, runs):
    lock()
    LOCK.write_text(LOCK.read_text().replace("weights", "weighs", 1))
    with pytest.raises(LockError, match=r"detaudit.lock:\d+: "):
        check()
    assert runs.plans == []


def test_what_only_evaluations_show_keeps_a_target_out_of_the_lock_unless_the_training_is_asked_about(lock):
    assert lock({"shown": 1}, {"shown": 2}).state is LockState.DIFFERS
    locked = lock({"shown": 1}, {"shown": 2}, scope="training")
    assert locked.state is LockState.NEW
    assert {entry.phase for entry in locked.block.entries if entry.digest == VARIES} == {Phase.EVAL}


def test_an_evaluation_that_is_not_as_it_was_locked_counts_unless_the_training_is_asked_about(lock, check):
    lock({"shown": 1})
    assert check({"shown": 2}).verdict is Verdict.NOT_REPRODUCIBLE
    result = check({"shown": 2}, scope="training")
    assert (result.verdict, result.scope) == (Verdict.REPRODUCIBLE, "training")
    assert check({"shown": 1, "weight": 1e-3}, scope="training").verdict is Verdict.NOT_REPRODUCIBLE


def test_an_evaluation_that_is_not_made_any_more_counts_unless_the_training_is_asked_about(lock, check):
    lock({"shown": 1})
    assert check({}).verdict is Verdict.NOT_REPRODUCIBLE
    assert check({}, scope="training").verdict is Verdict.REPRODUCIBLE
