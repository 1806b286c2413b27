"""The README, the contributing guide and the pages: what they show is what detaudit takes and prints."""

from __future__ import annotations

import shlex
from itertools import chain

import pytest

from detaudit.cli.main import main
from tests.documents import (
    DOCUMENTS,
    ROOT,
    commands,
    fault_of,
    missing_files,
    missing_names,
    reports,
    unknown_options,
    without_numbers,
)

TEXTS = {name: path.read_text() for name, path in DOCUMENTS.items()}
SHOWN = [report for text in TEXTS.values() for report in reports(text)]
LONGEST_README = 220


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_that_is_shown_is_taken(name):
    assert [(one, fault) for one in commands(TEXTS[name]) if (fault := fault_of(one)) is not None] == []


def test_commands_are_found_wherever_they_stand():
    found = [*chain.from_iterable(map(commands, TEXTS.values()))]
    assert "detaudit check train.py -- --epochs 1" in found
    assert "detaudit check detaudit/examples/blobs.py" in found
    assert "detaudit check train.py --against origin/REF --markdown comment.md" in found
    assert "pytest --detaudit --detaudit-report markdown:audits.md" in found
    assert "detaudit explain NAME" in found


@pytest.mark.parametrize(
    "command",
    [
        "detaudit audit",
        "detaudit audit train.py",
        "detaudit check train.py --run 5",
        "detaudit check train.py --runs five",
        "detaudit check train.py --vary thread=1,2",
        "detaudit check train.py --vary threads=1",
        "detaudit check train.py --level module",
        "detaudit check --epochs 1",
        "detaudit diff a.trace",
        "detaudit diff a.trace b.trace -- --epochs 1",
        "detaudit explain axes",
        "pytest --detaudit-seed 1",
        "python -m tests.benchmarks.beauty",
    ],
)
def test_a_command_that_is_not_taken_is_found(command):
    assert fault_of(command) is not None


@pytest.mark.parametrize("name", TEXTS)
def test_every_option_file_and_function_that_is_named_exists(name):
    assert unknown_options(TEXTS[name]) == set()
    assert missing_files(TEXTS[name], DOCUMENTS[name].parent) == set()
    assert missing_names(TEXTS[name]) == set()


def test_an_option_a_file_and_a_function_that_do_not_exist_are_found():
    assert unknown_options("`--runs 3`, `--walks 3` and `--detaudit-walks`") == {
        "--walks",
        "--detaudit-walks",
    }
    assert missing_files("`tests/zoo`, `detaudit/zoo/x.py`", ROOT) == {"detaudit/zoo/x.py"}
    assert missing_files("[a](README.md), [b](READYOU.md)", ROOT) == {"READYOU.md"}
    assert missing_names("`detaudit/nested.py`: `refuse` and\n`rejoice` in `detaudit/nested.py`") == {
        "detaudit/nested.py: rejoice"
    }


def test_the_readme_stays_short():
    assert len(TEXTS["README.md"].splitlines()) <= LONGEST_README


@pytest.mark.parametrize("name", TEXTS)
def test_dashes_are_those_of_a_keyboard(name):
    assert TEXTS[name].isascii()


def test_the_readme_and_the_page_about_axes_show_reports():
    assert len(reports(TEXTS["README.md"])) == 2
    assert len(reports(TEXTS["vary.md"])) == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command.split("/")[-1] for command, _ in SHOWN])
def test_a_report_that_is_shown_is_what_is_printed(command, shown, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    program, *arguments = shlex.split(command)
    assert program == "detaudit"
    main(arguments)
    assert without_numbers(capsys.readouterr().out) == without_numbers(shown)


def test_a_report_with_another_word_is_found_and_other_numbers_are_not():
    (_, shown), *_ = reports(TEXTS["README.md"])
    assert without_numbers(shown.replace("200", "190").replace("step 0", "step 3")) == without_numbers(shown)
    for word in ("nondeterministic-op", "proof", "index_add", "scatter.py", "return sums"):
        assert word in shown
        assert without_numbers(shown.replace(word, "x")) != without_numbers(shown)
