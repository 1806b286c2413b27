"""Where the plugin's settings come from, and what happens to those that are not possible."""

from __future__ import annotations

import pytest

from pytest_detaudit.ending import reports_of
from pytest_detaudit.settings import settings_for

PYPROJECT = """
[tool.detaudit]
runs = 3
seed = 5
update = true

[tool.pytest.ini_options]
detaudit_runs = "4"
"""


@pytest.fixture
def settings(pytester, monkeypatch):
    monkeypatch.delenv("CI", raising=False)

    def of(pyproject, *arguments):
        pytester.makepyprojecttoml(pyproject)
        return settings_for(pytester.parseconfig(*arguments))

    return of


def test_the_command_line_comes_before_the_ini_file(settings):
    assert settings(PYPROJECT, "--detaudit-runs=5").runs == 5


def test_the_ini_file_comes_before_the_table_of_detaudit(settings):
    assert settings(PYPROJECT).runs == 4


def test_the_table_of_detaudit_comes_before_the_default(settings):
    assert settings("[tool.detaudit]\nruns = 3\n").runs == 3


def test_without_any_of_them_the_default_holds(settings):
    assert settings("").runs == 2


def test_what_only_the_table_says_is_kept(settings):
    found = settings(PYPROJECT, "--detaudit-level=step")
    assert (found.seed, found.update, found.level) == (5, True, "step")


def test_an_update_can_be_asked_for_on_the_command_line(settings):
    assert settings("", "--detaudit-update").update
    assert not settings("").update


def test_an_ini_file_says_yes_and_no_in_words(settings):
    assert not settings('[tool.pytest.ini_options]\ndetaudit_update = "false"\n').update


def test_reports_of_the_command_line_go_where_pytest_was_started(settings, pytester):
    found = settings(
        "", "--rootdir=..", "--detaudit-report=json:a.json,junit:b.xml", "--detaudit-report=sarif:-"
    )
    assert list(reports_of(found, pytester.path.parent)) == [
        ("json", str(pytester.path / "a.json")),
        ("junit", str(pytester.path / "b.xml")),
        ("sarif", "-"),
    ]


def test_reports_of_the_ini_file_go_to_the_root(settings, pytester):
    found = settings('[tool.pytest.ini_options]\ndetaudit_report = ["json:a.json", "markdown:b.md"]\n')
    assert list(reports_of(found, pytester.path)) == [
        ("json", str(pytester.path / "a.json")),
        ("markdown", str(pytester.path / "b.md")),
    ]


WRONG = {
    "--detaudit-runs=1": "runs: 1 is not possible",
    "--detaudit-runs=many": "--detaudit-runs: 'many' is not possible",
    "--detaudit-level=layers": "give one of auto, step, layer, op",
    "--detaudit-scope=evaluation": "give one of all, training",
    "--detaudit-report=pdf:out.pdf": "with one of json, markdown, junit, sarif",
    "--detaudit-report=json": "'json' is not possible as a report",
    "--detaudit-report=json:nowhere/out.json": "there is no folder",
    "--detaudit-report=json:a,junit:a": "more than one report goes to",
}


@pytest.mark.parametrize("argument", WRONG)
def test_what_is_not_possible_on_the_command_line_ends_the_session_before_a_test_runs(pytester, argument):
    pytester.makepyfile("def test_it():\n    print('has run')\n")
    ended = pytester.runpytest_inprocess("-rA", "-p", "no:randomly", argument)
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines([f"*{WRONG[argument]}*"])
    assert "has run" not in ended.stdout.str()


@pytest.mark.parametrize("key", ['detaudit_runs = "1"', 'detaudit_level = "all"'])
def test_what_is_not_possible_in_a_file_ends_a_session_that_audits(pytester, key):
    pytester.makepyfile("def test_it():\n    print('has run')\n")
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{key}\n")
    ended = pytester.runpytest_inprocess("-p", "no:randomly", "--detaudit")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*is not possible*"])


def test_what_is_not_possible_in_a_file_is_nothing_to_a_session_that_asks_for_nothing(pytester):
    pytester.makepyfile("def test_it():\n    pass\n")
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\ndetaudit_runs = "1"\n')
    assert pytester.runpytest_inprocess("-p", "no:randomly").ret == pytest.ExitCode.OK


def test_an_unknown_key_is_named_with_the_nearest_one(pytester):
    pytester.makepyfile("def test_it():\n    pass\n")
    pytester.makepyprojecttoml("[tool.detaudit]\nrunz = 3\n")
    ended = pytester.runpytest_inprocess("-p", "no:randomly", "--detaudit")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*did you mean runs?*"])


@pytest.mark.parametrize("arguments", [["--detaudit-report=json:-"], ["--detaudit-report=junit:-"]])
def test_a_report_is_written_even_if_nothing_was_audited(pytester, arguments):
    pytester.makepyfile("def test_it():\n    pass\n")
    ended = pytester.runpytest_inprocess("-p", "no:randomly", *arguments)
    assert ended.ret == pytest.ExitCode.OK
    assert '"results": []' in ended.stdout.str() or "<testsuites" in ended.stdout.str()


def test_the_training_alone_can_be_asked_about_wherever_settings_are_made(settings):
    assert settings("", "--detaudit-scope=training").scope == "training"
    assert settings('[tool.pytest.ini_options]\ndetaudit_scope = "training"\n').scope == "training"
    assert settings('[tool.detaudit]\nscope = "training"\n').scope == "training"
    assert settings("").scope == "all"
