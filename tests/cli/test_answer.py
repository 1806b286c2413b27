"""The reports that all verbs offer: where they go, and what is refused."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from detaudit.model.codec import result_to_json
from detaudit.report.formats import FORMATS
from detaudit.report.json_ import render_json
from tests.results import differing, equal, unverified

BEGINNINGS = {"json": "{", "markdown": "<!-- detaudit -->", "junit": "<?xml", "sarif": "{"}


@pytest.fixture(autouse=True)
def saved(tmp_path, monkeypatch):
    """A saved result, and no workflow around."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "r.json").write_text(result_to_json(differing(), "0.1.0"))
    return tmp_path


@pytest.mark.parametrize("verb", ["check", "diff", "report"])
def test_every_verb_that_answers_has_every_report(command, verb):
    _, out, _ = command(verb, "--help")
    assert all(f"--{name}" in out for name in (*FORMATS, "github"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_goes_to_a_file_and_text_to_standard_output(command, saved, name):
    code, out, err = command("report", "r.json", f"--{name}", "out")
    assert (code, err) == (1, "")
    assert out.startswith("NOT REPRODUCIBLE")
    assert (saved / "out").read_text().startswith(BEGINNINGS[name])


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_on_standard_output_is_alone_there(command, name):
    code, out, err = command("report", "r.json", f"--{name}", "-")
    assert (code, err) == (1, "")
    assert out.startswith(BEGINNINGS[name])


@pytest.mark.usefixtures("traces")
def test_diff_writes_all_reports_at_once(command, saved):
    options = [word for name in FORMATS for word in (f"--{name}", f"out.{name}")]
    code, out, _ = command("diff", "a.trace", "other.trace", *options, "--github")
    assert code == 1
    assert "\n::error file=" in out
    assert json.loads((saved / "out.sarif").read_text())["runs"][0]["results"]
    assert ET.parse(saved / "out.junit").getroot().get("failures") == "1"  # noqa: S314 - our own


def test_annotations_stand_beside_the_text(command):
    _, out, _ = command("report", "r.json", "--github")
    assert out.startswith("NOT REPRODUCIBLE")
    assert out.splitlines()[-1].startswith("::error file=")
    assert "::" not in command("report", "r.json")[1]


def test_annotations_come_with_a_part_of_the_jobs_summary(command, saved, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(saved / "summary.md"))
    command("report", "r.json")
    assert not (saved / "summary.md").exists()
    command("report", "r.json", "--github")
    assert "### Not reproducible" in (saved / "summary.md").read_text()


@pytest.mark.parametrize(
    "options",
    [["--json", "-", "--sarif", "-"], ["--github", "--junit", "-"], ["--json", "x", "--sarif", "./x"]],
)
def test_two_reports_in_one_place_are_refused_before_the_work(command, options):
    code, out, err = command("report", "missing.json", *options)
    assert (code, out) == (2, "")
    assert "[output-twice]" in err
    assert "  hint: " in err


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_that_cannot_be_written_is_told_before_the_work(command, name):
    code, out, err = command("report", "missing.json", f"--{name}", "none/out")
    assert (code, out) == (2, "")
    assert "[output-unwritable]" in err


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([equal(), equal()], 0),
        ([equal(), unverified()], 2),
        ([unverified(), differing(), equal()], 1),
        ([equal()], 0),
    ],
)
def test_a_session_of_pytest_is_shown_again_with_the_exit_code_of_its_gravest_verdict(
    command, saved, results, code
):
    text = render_json(results)
    (saved / "session.json").write_text(text)
    ended, out, err = command("report", "session.json")
    assert (ended, err) == (code, "")
    assert out.count("train.py --epochs 3") == len(results)
    assert command("report", "session.json", "--json", "-") == (code, text, "")
