"""The first answer: what it says, at any width, with and without colour."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.result import FaultScope, Notice, Origin
from detaudit.model.trace import Site
from detaudit.report.summary import bound_in_words, summarize
from detaudit.report.terminal import LOG_WIDTH, print_result, printable
from tests.results import compared, differing, equal, finding, unverified


class Screen(io.StringIO):
    """A stream that says whether it is a terminal, and in which encoding."""

    def __init__(self, *, terminal=False, encoding="utf-8"):
        super().__init__()
        self.terminal = terminal
        self.name_of_encoding = encoding

    def isatty(self):
        return self.terminal

    @property
    def encoding(self):
        return self.name_of_encoding


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """Keep what the tests' own terminal says out of them."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown(result, width=None, **screen):
    file = Screen(**screen)
    print_result(result, file, width=width)
    return file.getvalue()


def test_a_difference_is_told_in_about_ten_lines():
    text = shown(differing())
    assert len(text.splitlines()) <= 12
    lines = text.splitlines()
    assert lines[0] == "NOT REPRODUCIBLE  train.py --epochs 3"
    assert "runs 1 and 2, step 3, forward, module conv1 of Net" in text
    assert "the output of module conv1 differs although its inputs agree" in text
    assert "train.py:22 in forward" in text
    assert "x = self.conv1(x)" in text
    assert "12 weights and 9 modules, from step 3 on" in text
    assert "1 of 1 pair of runs differ" in text


def test_a_cause_is_not_invented():
    assert "not diagnosed" in shown(differing())
    text = shown(differing(cause="unseeded-numpy", confirmed=True, fix="seed it"))
    assert "unseeded-numpy: " in text
    assert "seed it" in text
    assert "not confirmed" not in text
    assert "unseeded-numpy (not confirmed)" in shown(differing(cause="unseeded-numpy"))


def test_a_proof_says_what_was_held_fixed_and_how_many_pairs_were_equal_with_and_without():
    counts = {"equal_pairs": 3, "pairs": 3, "without_equal_pairs": 0, "without_pairs": 6}
    evidence = Evidence(EvidenceKind.CONTROL, control="clock", held="the clock", **counts)
    proved = differing(cause="wall-clock", confirmed=True, evidence=(evidence,))
    text = " ".join(shown(proved).split())
    assert (
        "with the clock held fixed, and nothing else, 3 of 3 pairs of runs are equal; without, 0 of 6" in text
    )
    assert "held fixed" not in shown(differing(cause="wall-clock", evidence=(evidence,)))


def test_equal_runs_are_told_with_their_bound():
    text = " ".join(shown(equal()).split())
    assert text.startswith("REPRODUCIBLE train.py")
    assert "2 runs, every number the same: 12 steps, 3456 events, level layer" in text
    assert "a fault that shows in more than 95% of pairs of runs (with 95% confidence)" in text
    assert "number of threads" in text


def test_the_bound_shrinks_with_the_pairs_and_advice_ends_when_taken():
    assert "more than 42%" in bound_in_words(compared(pairs=10))
    assert "--runs" in bound_in_words(compared(pairs=9))
    assert "--runs" not in bound_in_words(compared(pairs=10))


def test_unverified_says_why():
    text = shown(unverified())
    assert text.startswith("UNVERIFIED")
    assert "run 2 ended with exit code 5" in text
    assert "REPRODUCIBLE" not in text


def test_a_structural_difference_without_reach_says_so():
    assert "nothing that both runs have" in shown(
        differing(affects=type(differing().findings[0].affects)(0, 0, 3))
    )


def test_what_a_failed_run_has_written_keeps_its_lines():
    written = 'run 1 wrote:\nTraceback\n  File "train.py", line 3\nValueError: no data'

    text = shown(unverified(Notice("target-stderr", written)))

    assert "notice            run 1 wrote:\n" in text
    assert "\\x0a" not in text
    assert [line.strip() for line in text.splitlines()].count("ValueError: no data") == 1


def test_only_the_first_notices_are_shown():
    text = shown(differing("one", "two", "three", "four", "five"))
    assert "three" in text
    assert "four" not in text
    assert "2 more notices" in text


@pytest.mark.parametrize("width", [20, 40, 59, 60, 80, 200])
def test_lines_fit_the_width_and_lose_nothing(width):
    result = differing("a notice of several words", cause="unseeded-numpy", fix="call np.random.seed(0)")
    text = shown(result, width=width)
    assert max(map(len, text.splitlines())) <= width
    letters = "".join(text.split())
    for line in summarize(result):
        assert "".join(line.text.split()) in letters


def test_no_line_ends_in_blanks():
    assert all(line == line.rstrip() for line in shown(differing()).splitlines())


def test_a_log_has_a_fixed_width_and_no_colour(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    text = shown(equal())
    assert "\x1b" not in text
    assert 90 < max(map(len, text.splitlines())) <= LOG_WIDTH


def test_a_terminal_has_colour_and_the_same_words():
    import re

    text = shown(differing(), width=100, terminal=True)
    assert "\x1b[" in text
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == shown(differing(), width=100)


def test_no_color_is_obeyed(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31" not in shown(differing(), width=100, terminal=True)
    assert "31m" not in shown(differing(), width=100, terminal=True)


def test_names_cannot_command_the_terminal():
    origin = Origin(("1", "2"), 3, "forward", "\x1b[2J[bold]m[/bold]", None, "", root="Net")
    text = shown(differing(origin=origin, site=Site("a\rb.py", 1, "f\n", "x\x07")))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\x07" not in text
    assert "\\x1b[2J[bold]m[/bold]" in text


def test_what_the_encoding_lacks_is_escaped():
    text = shown(differing("größer \udcff"), encoding="ascii")
    assert text.isascii()
    assert "gr\\xf6\\xdfer" in text
    assert printable("größer", "utf-8") == "größer"


def test_where_only_evaluations_differ_the_first_line_says_that_the_training_is_the_same():
    text = shown(differing(scope=FaultScope.EVALUATION))
    assert text.startswith("NOT REPRODUCIBLE (evaluation only: the training is the same)  train.py")
    assert "the same losses, gradients and weights in all 12 steps" in text
    assert "evaluation only" not in shown(differing())


def test_one_fault_in_the_training_and_the_first_line_says_nothing_of_evaluations():
    both = replace(differing(), findings=(finding(scope=FaultScope.EVALUATION), finding()))
    text = shown(both)
    assert text.startswith("NOT REPRODUCIBLE  train.py")
    assert text.count("only what is evaluated or shown, not the training") == 1


def test_steps_that_were_asked_for_are_told_beside_the_training_that_is_the_same():
    result = differing(scope=FaultScope.EVALUATION)
    assert "in all 12 steps (--steps ended the runs there)" in limited_to(12, result)


def test_steps_that_were_asked_for_are_told_beside_the_verdict_where_they_ended_the_runs():
    assert "12 steps (--steps ended the runs there), " in limited_to(12, equal())
    assert "--steps" not in limited_to(100, equal())


def limited_to(steps, result):
    """Show a result of runs that were to end after so many steps, in one line."""
    runs = [replace(run, steps=12, conditions={"steps": steps}) for run in result.runs]
    return " ".join(shown(replace(result, runs=tuple(runs))).split())


def test_an_answer_about_the_training_alone_says_so():
    text = shown(replace(equal(), scope="training"))
    assert text.startswith("REPRODUCIBLE (training only: evaluations were left out of account)  train.py")
    assert "every number of the training the same" in text
    assert "training" not in shown(equal())
