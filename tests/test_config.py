"""Settings: defaults, then the file, then the environment, then the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from detaudit.config import Settings, audit_options, defaults, resolve, run_options
from detaudit.diagnose.options import AuditOptions
from detaudit.errors import UsageError
from detaudit.options import OPTIONS
from detaudit.run.options import RunOptions


def settings(folder, text=None, environment=None, **given):
    if text is not None:
        (folder / "pyproject.toml").write_text(text)
    return resolve(given, folder=folder, environment=environment or {})


def table(*lines):
    return "\n".join(["[tool.detaudit]", *lines])


def refused(folder, text=None, environment=None, **given):
    with pytest.raises(UsageError) as caught:
        settings(folder, text, environment, **given)
    return caught.value


def test_every_setting_is_an_option_and_the_other_way_round():
    assert sorted(defaults()) == sorted(option.name for option in OPTIONS)


def test_without_anything_there_are_the_defaults(tmp_path):
    assert settings(tmp_path) == Settings()


def test_the_more_specific_wins(tmp_path):
    text = table("runs = 3", "seed = 3", "jobs = 3", 'level = "op"')
    found = settings(tmp_path, text, {"DETAUDIT_SEED": "4", "DETAUDIT_JOBS": "4"}, jobs="5", runs=None)
    assert (found.runs, found.seed, found.jobs, found.level) == (3, 4, "5", "op")


def test_the_nearest_file_with_a_table_counts(tmp_path):
    (tmp_path / "pyproject.toml").write_text(table("runs = 7"))
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[tool.other]\n")
    assert resolve({}, folder=inner, environment={}).runs == 7
    (tmp_path / "a" / "pyproject.toml").write_text(table("runs = 8"))
    assert resolve({}, folder=inner, environment={}).runs == 8


def test_an_audit_gets_every_setting_that_it_has_an_option_for():
    given = {"runs": 3, "seed": 4, "level": "op", "keep": Path("k"), "fix": Path("f"), "budget": "9s"}
    assert audit_options(Settings(**given, lock=Path("l"), json="-")) == AuditOptions(**given)
    assert run_options(Settings(**given)) == RunOptions(seed=4, level="op", keep=Path("k"))


def test_what_is_no_setting_is_left_out(tmp_path):
    assert settings(tmp_path, target="train.py", verb="check") == Settings()


def test_paths_in_a_file_are_relative_to_it(tmp_path):
    found = settings(tmp_path, table('keep = "traces"', 'json = "-"'))
    assert (found.keep, found.json) == (tmp_path.resolve() / "traces", "-")


def test_paths_elsewhere_are_as_given(tmp_path):
    found = settings(tmp_path, keep="traces", repro="scripts", fix="copies")
    assert (found.keep, found.repro, found.fix) == (Path("traces"), Path("scripts"), Path("copies"))
    assert settings(tmp_path, environment={"DETAUDIT_JSON": "r.json"}).json == "r.json"


def test_a_whole_number_does_for_a_number_of_seconds(tmp_path):
    assert settings(tmp_path, table("timeout = 5")).timeout == 5.0


@pytest.mark.parametrize(("text", "found"), [("0", False), ("false", False), ("1", True), ("True", True)])
def test_a_switch_in_the_environment_is_a_number_or_a_word(tmp_path, text, found):
    assert settings(tmp_path, environment={"DETAUDIT_DIAGNOSE": text}).diagnose is found


def test_a_switch_in_a_file_is_true_or_false_and_the_command_line_wins(tmp_path):
    assert settings(tmp_path, table("diagnose = false")).diagnose is False
    assert settings(tmp_path, diagnose=True).diagnose is True


def test_an_unknown_key_names_file_key_and_nearest(tmp_path):
    error = refused(tmp_path, table("rnus = 3"))
    assert str(tmp_path / "pyproject.toml") in error.message
    assert "'rnus'" in error.message
    assert error.hint == "did you mean runs?"


def test_an_unknown_key_that_resembles_none_lists_all(tmp_path):
    assert "jobs, json, junit, keep" in refused(tmp_path, table("zzzzzz = 3")).hint


def test_an_unknown_variable_names_the_nearest(tmp_path):
    assert refused(tmp_path, environment={"DETAUDIT_RUN": "3"}).hint == "did you mean DETAUDIT_RUNS?"


def test_variables_of_detaudit_itself_and_of_others_are_left_alone(tmp_path):
    environment = {"DETAUDIT_SESSION": "x", "DETAUDIT_DEBUG": "1", "DETAUDIT_INTERNAL_X": "y", "OTHER": "z"}
    assert settings(tmp_path, environment={**environment, "DETAUDIT_RUNS": ""}) == Settings()


@pytest.mark.parametrize(
    "line",
    [
        "runs = 1",
        'runs = "3"',
        "runs = 2.5",
        "runs = true",
        "seed = -1",
        "seed = 4294967296",
        "jobs = 0",
        "steps = 0",
        "timeout = 0",
        "timeout = nan",
        "timeout = inf",
        'level = "deep"',
        "level = 3",
        'keep = ""',
        "diagnose = 0",
        'diagnose = "false"',
        "fix = true",
    ],
)
def test_what_is_not_possible_in_a_file_is_refused(tmp_path, line):
    error = refused(tmp_path, table(line))
    assert error.slug == "configuration-invalid"
    assert line.split(maxsplit=1)[0] in error.message
    assert error.hint.startswith("give ")


@pytest.mark.parametrize(
    ("variable", "text"),
    [("RUNS", "many"), ("RUNS", "1"), ("TIMEOUT", "nan"), ("LEVEL", "x"), ("DIAGNOSE", "no")],
)
def test_what_is_not_possible_in_the_environment_is_refused(tmp_path, variable, text):
    error = refused(tmp_path, environment={f"DETAUDIT_{variable}": text})
    assert f"DETAUDIT_{variable}" in error.message


def test_what_is_not_possible_on_the_command_line_is_refused(tmp_path):
    assert "--runs" in refused(tmp_path, runs=1).message


@pytest.mark.parametrize("text", ["[tool.detaudit", "[tool]\ndetaudit = 5"])
def test_a_file_that_cannot_be_read_is_told(tmp_path, text):
    error = refused(tmp_path, text)
    assert error.slug in {"configuration-unreadable", "configuration-invalid"}
    assert str(tmp_path) in error.message


@pytest.mark.parametrize(
    ("value", "text"),
    [("all", "all"), ("clock, hash-seed", "clock,hash-seed"), (["clock", "hash-seed"], "clock,hash-seed")],
)
def test_perturbations_are_a_list_of_names(tmp_path, value, text):
    assert settings(tmp_path, perturb=value).perturb == text


def test_an_unknown_perturbation_is_refused_with_the_nearest(tmp_path):
    assert "did you mean file-order?" in str(refused(tmp_path, perturb="clock,file-ordr").hint)
    refused(tmp_path, table("perturb = []"))
    refused(tmp_path, table("perturb = 3"))
    refused(tmp_path, perturb="clock,")
