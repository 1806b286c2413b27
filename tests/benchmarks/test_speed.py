"""The speed benchmark's arithmetic and its table, on figures made by hand. Nothing is timed."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.speed import __main__ as speed
from tests.benchmarks.speed.check import closer_runs
from tests.benchmarks.speed.long_trace import Difference, step_places, write_trace
from tests.benchmarks.speed.processes import CommandFailedError, Ended, timed, timed_with_memory
from tests.benchmarks.speed.rows import Bar, Row, interleaved, ratios, row_of
from tests.benchmarks.speed.scale import marks_from
from tests.benchmarks.speed.startup import BARE, BARS, rows_from
from tests.benchmarks.speed.table import as_markdown, as_text, machine, number, tally

FAST = Row("digest", "64 MiB: rate over raw", 0.95, 0.94, 0.96, Bar(0.9, at_least=True))
SLOW = Row("scale", "bytes per event", 85.21, 85.21, 85.21, Bar(60.0))
LIMIT = Row("digest", "copy", 1234.5, 1200.0, 1300.0)


def test_a_bar_holds_at_its_limit_and_not_beyond():
    assert [Bar(2.0).holds(value) for value in (1.9, 2.0, 2.1)] == [True, True, False]
    assert [Bar(2.0, at_least=True).holds(value) for value in (1.9, 2.0, 2.1)] == [False, True, True]
    assert [str(Bar(0.9, at_least=True)), str(Bar(60.0))] == ["≥ 0.9", "≤ 60"]


def test_a_row_is_the_median_with_its_quartiles_and_says_whether_its_bar_holds():
    row = row_of("part", "what", [3.0, 1.0, 2.0, 5.0, 4.0], Bar(2.5))
    assert (row.low, row.value, row.high, row.verdict) == (2.0, 3.0, 4.0, "short")
    assert row_of("part", "what", [7.0]) == Row("part", "what", 7.0, 7.0, 7.0)
    assert (FAST.verdict, SLOW.verdict, LIMIT.verdict) == ("holds", "short", "")


def test_actions_take_turns_and_every_second_round_goes_backwards():
    calls: list[str] = []
    seconds = interleaved([lambda: calls.append("a"), lambda: calls.append("b")], 2, repeats=2)
    assert "".join(calls) == "aabb" + "bbaa"
    assert [len(one) for one in seconds] == [2, 2]
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0512, "0.0512"), (1.0, "1.00"), (12.34, "12.3"), (100.0, "100"), (1234.5, "1234"), (-1.7, "-1.70")],
)
def test_figures_have_three_digits(value, shown):
    assert number(value) == shown


def test_the_table_has_a_row_for_each_figure():
    text = as_text([FAST, SLOW, LIMIT]).splitlines()
    assert [line.split()[0] for line in text] == ["part", "digest", "scale", "digest"]
    assert text[1].endswith("0.950  0.940 to 0.960  ≥ 0.9  holds")
    assert text[2].endswith("short")
    assert text[3].endswith("1200 to 1300")


def test_the_page_has_a_table_for_each_part_and_no_bars():
    text = as_markdown([FAST, SLOW, LIMIT])
    assert text.count("| what | value | quartiles |\n|---|--:|--:|\n") == 2
    assert "## Scale\n\n| what" in text
    assert text.endswith("| bytes per event | 85.2 | 85.2 to 85.2 |")
    assert "≤" not in text


def test_the_tally_names_what_is_short():
    assert tally([FAST, SLOW, LIMIT]) == "1 of 2 bars hold; short: scale: bytes per event"
    assert tally([FAST, LIMIT]) == "1 of 1 bars hold"


def test_the_machine_is_named_with_its_versions():
    assert all(word in machine() for word in ("cores", "torch", "xxhash", "Python"))


def test_a_part_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        speed.main(["--only", "digest,nonsense"])
    assert "no part nonsense; there are digest" in capsys.readouterr().err


def test_a_short_bar_is_no_failure(monkeypatch, capsys):
    monkeypatch.setattr(speed, "measure", lambda part, quick: [SLOW] if part == "scale" and quick else [])
    assert speed.main(["--only", "scale", "--quick", "--markdown"]) == 0
    assert "## Scale\n\n| what | value |" in capsys.readouterr().out


def test_a_command_that_ends_otherwise_than_it_should_gives_no_figure():
    assert timed([sys.executable, "-c", "print(7)"]).output == "7\n"
    assert timed([sys.executable, "-c", "exit(3)"], 3).seconds > 0
    with pytest.raises(CommandFailedError, match="status 3"):
        timed([sys.executable, "-c", "exit(3)"])


def test_memory_is_that_of_the_command():
    small, large = (timed_with_memory([sys.executable, "-c", f"b'x' * {size << 20}"])[1] for size in (0, 64))
    assert 50 < large - small < 80


def test_growth_counts_from_a_tenth_of_the_run():
    lines = [f"{second} {1024 * (500 if second < 9 else 100 + second)} 512000" for second in range(100)]
    marks = marks_from("\n".join(lines))
    assert (marks.growth, marks.span, marks.most[-1]) == (90.0, 99.0, 500.0)


def test_startup_is_told_over_a_bare_interpreter():
    names = [*BARS, "pytest with the plugin", "pytest without it"]
    rows = rows_from({BARE: [0.010, 0.010], **{name: [0.030, 0.050] for name in names}}, [0.001])
    shown = {row.what: (round(row.value, 3), row.verdict) for row in rows}
    assert shown["import detaudit, ms over python -c pass"] == (30.0, "holds")
    assert shown["import detaudit, over python -c pass"] == (4.0, "")
    assert shown["import of the plugin behind pytest, ms"] == (1.0, "holds")


def test_runs_that_look_closer_are_found_in_the_progress():
    progress = """\
detaudit: run 1 of 2 started, level layer
detaudit: run 1 of 2 ended: 240 steps in 23.1 s
detaudit: run 1 of 2 started, level op
detaudit: run 1 of 2 ended: 121 steps in 14.0 s
"""
    assert closer_runs(Ended(60.0, "", progress)) == [(121, 14.0)]


@pytest.mark.parametrize("difference", list(Difference))
def test_a_long_trace_is_one_that_diff_takes_and_differs_as_it_should(tmp_path, difference):
    from detaudit.compare import compare
    from detaudit.trace.reader import TraceReader

    first, second = tmp_path / "first.trace", tmp_path / "second.trace"
    assert write_trace(first, 3, Difference.NONE) == 3 * len(step_places()) == 300
    write_trace(second, 3, difference)
    with TraceReader(first) as ours, TraceReader(second) as theirs:
        found = compare(ours, theirs)
    assert (found.steps, found.events) == (3, 300)
    assert found.equal is (difference in {Difference.NONE, Difference.STRINGS})
    assert bool(found.harmless) is (difference is not Difference.NONE)
    first_step = {Difference.LAST_STEP: 2, Difference.EVERYTHING: 0}.get(difference)
    assert (None if found.first is None else found.first.step) == first_step
