"""Progress: a line now and then in a log, moving lines on a terminal."""

from __future__ import annotations

import io
import sys

from detaudit.cli.progress import LiveProgress, PlainProgress, progress_on_stderr


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


def drive(progress):
    progress.run_started("1", 2, "layer")
    for second in range(31):
        progress.run_stepped("1", second, float(second))
    progress.note("looking closer")
    progress.run_ended("1", 31, 31.04)


def test_a_log_gets_a_line_every_ten_seconds():
    file = io.StringIO()
    drive(PlainProgress(file))
    assert file.getvalue().splitlines() == [
        "detaudit: run 1 of 2 started, level layer",
        "detaudit: run 1 of 2: 10 steps in 10 s",
        "detaudit: run 1 of 2: 20 steps in 20 s",
        "detaudit: run 1 of 2: 30 steps in 30 s",
        "detaudit: looking closer",
        "detaudit: run 1 of 2 ended: 31 steps in 31.0 s",
    ]


def test_what_is_no_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_on_stderr() as progress:
        assert isinstance(progress, PlainProgress)


def test_a_terminal_gets_moving_lines(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_on_stderr() as progress:
        assert isinstance(progress, LiveProgress)
        drive(progress)
        progress.run_started("1", 1, "op")
        progress.run_ended("1", 1, 1.0)
    assert "looking closer" in sys.stderr.getvalue()
    assert "run 1 of 2, level layer" in sys.stderr.getvalue()
