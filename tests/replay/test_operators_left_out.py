"""Operators that cannot be compared, or say nothing about the arithmetic: each is said to be so."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch
from torch.nn import functional

from detaudit.replay.operators import keep_step as operator_values
from tests.replay.operator_runs import numbers, with_threads


def test_drawn_numbers_are_not_judged(exchanged):
    """Dropout draws other numbers in the second run: that is not the operator's arithmetic."""

    def dropped(seed):
        def program():
            torch.manual_seed(seed)
            functional.dropout(numbers(50).detach(), 0.5)

        return program

    answers = exchanged(dropped(1), dropped(2))
    assert not answers.changed
    assert any(one.drawn for one in answers.kept.values())


def test_operators_of_one_side_only_are_said(exchanged):
    """An operator that one of the runs does not call is said to be so, and the rest is compared."""

    def program(function):
        return lambda: function(numbers(40).detach()).add(1)

    answers = exchanged(program(torch.sin), program(torch.cos))
    assert (answers.missing, answers.alone) == (["aten.sin.default"], ["aten.cos.default"])
    assert "aten.add.Tensor" in {answers.operator(number) for number in answers.answers}


def test_an_operator_without_an_implementation_is_said(exchanged):
    """An operator that the second side cannot carry out is named with the reason; the others are compared."""

    def program(dtype):
        def called():
            value = numbers(4, 4).detach().to(dtype)
            value.add(1)
            with contextlib.suppress(NotImplementedError):
                torch.special.erfcx(value)

        return called

    answers = exchanged(program(torch.float32), program(torch.bfloat16))
    assert set(answers.with_key("why")) == {"aten.special_erfcx.default"}
    assert answers.with_key("why")["aten.special_erfcx.default"].startswith("there is no implementation: ")
    assert "aten.add.Tensor" in {answers.operator(number) for number in answers.answers}


def test_values_beyond_the_limit_are_compared_by_their_digests(exchanged, monkeypatch):
    """Where values take too much room it is said, and what differs all the same is still seen."""
    monkeypatch.setattr(operator_values, "MOST_BYTES", 100)
    program = with_threads(1, lambda: functional.mish(numbers((1 << 20) + 16).detach()))
    other = with_threads(2, lambda: functional.mish(numbers((1 << 20) + 16).detach()))
    answers = exchanged(program, other)
    assert "more than" in answers.with_key("why")["aten.mish.default"]
    assert answers.changed == {"aten.mish.default": None}


def test_what_repeats_otherwise_by_itself_is_said(exchanged):
    """A kernel that races gives other bits from call to call, and is not taken for a steady change."""

    def program():
        torch.set_num_threads(8)
        index = torch.arange(60000) % 64
        torch.zeros(64, 8).index_put_([index], numbers(60000, 8).detach(), accumulate=True)

    answers = exchanged(program)
    assert answers.with_key("unsteady") == {"aten.index_put_.default": True}


def test_other_threads_are_said_and_not_compared(exchanged):
    """Operators in a thread that the program starts have no fixed order: that they are left out is said."""
    import threading

    def program():
        thread = threading.Thread(target=lambda: torch.ones(3).add(1))
        thread.start()
        thread.join()
        torch.ones(3).sub(1)

    answers = exchanged(program)
    assert set(answers.problems) == {"operators in threads that the program starts are not compared"}
    assert "aten.add.Tensor" not in {one.identity.operator for one in answers.kept.values()}


def test_what_cannot_be_written_is_said_and_the_program_goes_on(exchanged, tmp_path):
    """A folder that cannot be used ends no program: the trace says that operators could not be compared."""
    (Path(tmp_path) / "values").write_text("in the way")
    ended = []
    answers = exchanged(lambda: ended.append(torch.ones(2).add(1)))
    assert len(ended) == 2
    assert answers.problems[0].startswith("operators cannot be compared: ")
