"""Annotations for a GitHub workflow, taken apart again as its runner does."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from detaudit.errors import OutputError
from detaudit.model.result import TargetSummary
from detaudit.model.trace import Site
from detaudit.report.github import SUMMARY, append_summary, render_github
from tests.results import changed, differing, equal, finding, reference, unverified

COMMAND = re.compile(r"::(?P<level>[a-z]+) (?P<properties>.*?)::(?P<message>.*)")


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    """Work in a folder of a repository."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    monkeypatch.delenv(SUMMARY, raising=False)
    return tmp_path


def unescaped(text):
    for code, letter in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, letter)
    return text


def read(*results):
    """Level, properties and message of each command; every line must be one."""
    commands = []
    for line in render_github(results).split("\n")[:-1]:
        match = COMMAND.fullmatch(line)
        assert match, line
        pairs = (pair.partition("=") for pair in match["properties"].split(","))
        properties = {name: unescaped(value) for name, _, value in pairs}
        commands.append((match["level"], properties, unescaped(match["message"])))
    return commands


def test_a_fault_is_an_error_at_its_line():
    result = differing(cause="unseeded-numpy", confirmed=True, message="numpy draws", fix="seed it")
    ((level, properties, message),) = read(result)
    assert level == "error"
    assert properties == {
        "file": "sub/train.py",
        "line": "22",
        "title": "NOT REPRODUCIBLE: unseeded-numpy",
    }
    assert message.startswith("train.py --epochs 3\nfirst difference: runs 1 and 2, step 3")
    assert "cause: unseeded-numpy: numpy draws\n" in message
    assert "fix to try: seed it" in message
    assert "x = self.conv1(x)" not in message


def test_each_fault_has_its_annotation():
    two = replace(differing(), findings=(finding(cause="wall-clock"), finding(cause="hash-order")))
    titles = [properties["title"] for _, properties, _ in read(two)]
    assert titles == ["NOT REPRODUCIBLE: wall-clock", "NOT REPRODUCIBLE: hash-order"]


def test_a_reproducible_target_is_a_notice_and_an_unverified_one_an_error():
    (good, bad) = read(equal(), unverified())
    assert (good[0], good[1]) == ("notice", {"title": "REPRODUCIBLE"})
    assert (bad[0], bad[1]) == ("error", {"title": "UNVERIFIED"})
    assert "reason: run 2 ended with exit code 5" in bad[2]


def test_a_change_is_told_with_its_size():
    ((level, properties, message),) = read(changed(reference(changed=("model.py:3-5",))))
    assert (level, properties["title"]) == ("error", "CHANGED")
    assert "12 of 40 things differ" in message
    assert "changed since: model.py:3-5" in message


def test_a_line_outside_the_repository_is_named_in_the_text_only():
    ((_, properties, message),) = read(differing(site=Site("/elsewhere/x.py", 3, "f", "x")))
    assert "file" not in properties
    assert "at: /elsewhere/x.py:3 in f" in message


@pytest.mark.parametrize("text", ["a,b:c=d::e", "100%0A", "x\r\n::error ::y", "::stop-commands::x", "a\nb"])
def test_nothing_that_a_program_says_ends_or_begins_a_command(text):
    result = differing(cause="x", message=text, site=Site(f"{text}.py", 1, "f", "x"))
    ((_, properties, message),) = read(replace(result, target=TargetSummary("script", text, ())))
    plain = text.replace("\r", "\\x0d").replace("\n", "\\x0a")
    assert properties["file"] == f"sub/{plain}.py"
    assert set(properties) == {"file", "line", "title"}
    assert f"cause: x (not confirmed): {plain}" in message


def test_the_jobs_summary_is_added_to_and_not_replaced(repository, monkeypatch):
    path = repository / "summary.md"
    path.write_text("# An earlier step\n")
    monkeypatch.setenv(SUMMARY, str(path))
    append_summary([differing()])
    assert path.read_text().startswith("# An earlier step\n<!-- detaudit -->\n\n### Not reproducible: ")


def test_outside_a_workflow_there_is_no_summary(repository):
    append_summary([differing()])
    assert sorted(path.name for path in repository.rglob("*")) == [".git", "sub"]


def test_a_summary_that_cannot_be_written_is_a_clear_message(repository, monkeypatch):
    monkeypatch.setenv(SUMMARY, str(repository))
    with pytest.raises(OutputError, match=SUMMARY):
        append_summary([equal()])
