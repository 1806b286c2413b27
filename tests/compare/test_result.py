"""Comparisons turned into answers."""

from __future__ import annotations

import pytest

from detaudit.compare import compare
from detaudit.compare.enough_runs import bound
from detaudit.compare.result import diff_result, final_digest, not_varied
from detaudit.model.result import Verdict
from detaudit.model.trace import StreamRole
from detaudit.trace.reader import TraceReader
from tests.traces import (
    TraceBuilder,
    batch,
    gradient,
    model_input,
    module,
    operator,
    text,
    training_step,
    weight,
)


@pytest.fixture
def answer():
    """Close two traces with the given headers and give the answer of `diff`."""

    def answer(first, second, ours=None, theirs=None):
        with (
            TraceReader(first.close(**ours or {})) as one,
            TraceReader(second.close(**theirs or {})) as other,
        ):
            return diff_result(one, other, compare(one, other))

    return answer


def fill(run, steps=3, change_from=99, **changes):
    for step in range(steps):
        run.step(*training_step(step, **(changes if step >= change_from else {})))


def test_equal_runs_are_reproducible(runs, answer):
    for run in runs:
        fill(run)
    result = answer(*runs)
    assert (result.verdict, result.reason, result.findings) == (Verdict.REPRODUCIBLE, None, ())
    assert result.runs[0].final_digest == result.runs[1].final_digest
    assert result.compared.bound == {"confidence": 0.95, "agreement_at_least": 0.05}
    assert (result.target.kind, result.target.name) == ("trace", "train.py")


def test_different_runs_are_not(runs, answer):
    fill(runs[0])
    fill(runs[1], change_from=1, conv="x", weight="x")
    result = answer(*runs)
    (finding,) = result.findings
    assert (result.verdict, finding.cause, finding.confirmed) == (Verdict.NOT_REPRODUCIBLE, None, False)
    assert (finding.origin.step, finding.origin.phase, finding.origin.module) == (1, "forward", "conv")
    assert (finding.site.file, finding.site.line) == ("train.py", 5)
    assert finding.rate == {"differs": 1, "pairs": 1}
    assert result.runs[0].final_digest != result.runs[1].final_digest


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"finished": False}, "did not end"),
        ({"exit_code": 5}, "exit code 5"),
        ({"problems": ["a full disk"]}, "a full disk"),
    ],
)
def test_a_run_with_a_shortcoming_is_unverified(runs, answer, header, words):
    for run in runs:
        fill(run)
    result = answer(*runs, theirs=header)
    assert result.verdict is Verdict.UNVERIFIED
    assert "run 2" in result.reason
    assert words in result.reason


def test_runs_without_a_step_are_unverified(runs, answer):
    for run in runs:
        run.step(batch(1), complete=False)
    result = answer(*runs)
    assert result.verdict is Verdict.UNVERIFIED
    assert "no training step" in result.reason


def test_empty_runs_are_unverified(runs, answer):
    assert answer(*runs).verdict is Verdict.UNVERIFIED


def test_a_cut_run_that_differs_already_says_so(runs, answer):
    fill(runs[0])
    fill(runs[1], change_from=1, conv="x")
    assert "already differ" in answer(*runs, theirs={"finished": False}).reason


def test_a_cut_run_is_not_said_to_differ_for_what_it_lacks(runs, answer):
    fill(runs[0], steps=5)
    fill(runs[1], steps=3)
    result = answer(*runs, theirs={"finished": False})
    assert result.verdict is Verdict.UNVERIFIED
    assert "differ" not in result.reason


def test_other_conditions_are_a_notice(runs, answer):
    for run in runs:
        fill(run)
    result = answer(*runs, theirs={"environment": {"torch": "2.12.0", "flags": {"a": 1}}})
    (notice,) = result.notices
    assert "torch: 2.13.0 / 2.12.0" in notice.message
    assert "flags.a: absent / 1" in notice.message


def test_differences_that_reach_nothing_are_notices(runs, answer):
    for run, name, state in zip(runs, ("a", "b"), ("aa", "bb"), strict=True):
        run.step(*training_step(0), text(name), generators="numpy=00")
        run.step(*training_step(1), generators="numpy=" + state)
    fill(runs[1], steps=0)
    runs[1].step(module("conv", 1, 1, "eval"), complete=False)
    result = answer(*runs)
    assert result.verdict is Verdict.REPRODUCIBLE
    assert [notice.id for notice in result.notices] == [
        "batch-text-differs",
        "harmless-difference",
        "generator-differs",
    ]


def test_a_generator_that_nothing_draws_from_is_no_notice(runs, answer):
    for run, state in zip(runs, ("aa", "bb"), strict=True):
        run.step(*training_step(0), generators="numpy=" + state)
    assert answer(*runs).notices == ()


def test_final_weights_of_optimizers_that_take_turns_all_count(tmp_path):
    digests = []
    for number, value in enumerate((1, 1, 2)):
        run = TraceBuilder(tmp_path / str(number))
        run.step(weight("g.weight", value))
        run.step(weight("d.weight", 5))
        with TraceReader(run.close()) as reader:
            digests.append(final_digest(reader))
    assert digests[0] == digests[1] != digests[2]


def test_final_weights_of_a_child_count_where_the_main_thread_has_none(tmp_path):
    run = TraceBuilder(tmp_path / "run")
    run.step(batch(1))
    run.step(weight("w", 1), stream=("child", "main", StreamRole.PROCESS))
    with TraceReader(run.close()) as reader:
        assert final_digest(reader) is not None


def test_a_run_without_weights_has_no_final_digest(tmp_path):
    run = TraceBuilder(tmp_path / "run")
    run.step(batch(1))
    with TraceReader(run.close()) as reader:
        assert final_digest(reader) is None


def test_the_bound_follows_from_the_pairs():
    assert bound(0)["agreement_at_least"] == 0
    assert bound(10)["agreement_at_least"] == pytest.approx(0.580, abs=1e-3)


def test_a_fixed_hash_seed_was_not_varied():
    assert "hash seed" in not_varied([{"hash_seed": "0"}, {"hash_seed": "0"}])
    assert "hash seed" not in not_varied([{"hash_seed": "random"}] * 2)
    assert "hash seed" not in not_varied([{}, {}])
    assert "hash seed" not in not_varied([{"hash_seed": "0"}, {"hash_seed": "1"}])


MESSAGES = {
    "the output of module conv differs although its inputs agree": (
        module("conv", 1, 1),
        module("conv", 1, 2),
    ),
    "the output of module Net differs although its inputs agree": (module("", 1, 1), module("", 1, 2)),
    "the input of module conv differs and everything recorded before it agrees": (
        module("conv", 1, 1),
        module("conv", 2, 2),
    ),
    "the input of Net differs and everything recorded before it agrees": (model_input(1), model_input(2)),
    "the batch from the DataLoader differs": (batch(1), batch(2)),
    "the gradient of fc.weight differs and everything": (gradient("fc.weight", 1), gradient("fc.weight", 2)),
    "the gradient of fc.weight as the optimizer uses it differs although it agreed when it arrived": (
        gradient("fc.weight", 1, kind="grad-used", phase="optimizer"),
        gradient("fc.weight", 2, kind="grad-used", phase="optimizer"),
    ),
    "the weight fc.weight differs after the step although its gradient agrees": (
        weight("fc.weight", 1),
        weight("fc.weight", 2),
    ),
    "the initial value of weight fc.weight differs": (
        weight("fc.weight", 1, phase="init"),
        weight("fc.weight", 2, phase="init"),
    ),
    "the result of operator aten::rand differs although": (
        operator("aten::rand", None, 1),
        operator("aten::rand", None, 2),
    ),
    "run 2 has an evaluation pass in step 0 that run 1 does not have there": (
        None,
        module("conv", 1, 1, "eval"),
    ),
    "run 1 has a call of module conv in step 0 that run 2 does not have there": (module("conv", 1, 1), None),
    "run 2 has a gradient of fc.weight in step 0 that run 1 does not have there": (
        None,
        gradient("fc.weight", 1),
    ),
}


@pytest.mark.parametrize("words", MESSAGES)
def test_a_difference_is_told_in_plain_words(runs, answer, words):
    changed = {"weight": "x", "state": "x"}
    for number, run in enumerate(runs):
        event = MESSAGES[words][number]
        run.step(*([] if event is None else [event]), *training_step(0, **(changed if number else {})))
    assert words in answer(*runs).findings[0].message


def test_one_more_step_is_told_in_plain_words(runs, answer):
    fill(runs[0], steps=2)
    fill(runs[1], steps=3)
    assert answer(*runs).findings[0].message == "run 2 goes on to step 2, which run 1 does not complete"


@pytest.mark.parametrize("pairs", [1, 2, 10])
def test_a_fault_that_sends_a_run_its_own_way_hides_no_more_often_than_the_bound_allows(pairs):
    """All pairs share the first run: where it takes the common way, the others are alike too."""
    agreement = bound(pairs)["agreement_at_least"]
    common = agreement**0.5
    assert common ** (pairs + 1) <= 0.05 + 1e-9
    assert (common + 0.01) ** (pairs + 1) > 0.05
