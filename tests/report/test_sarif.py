"""The findings as SARIF, held against the schema of the standard.

`sarif-2.1.0-rtm.5.json` is the JSON schema of SARIF 2.1.0 (OASIS), unchanged, as it is in the npm package
`@microsoft/sarif-matcher-utils` 1.0.0-beta.0, whose licence is MIT. No package for Python has it.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from detaudit.model.result import FaultScope, TargetSummary
from detaudit.model.trace import Site
from detaudit.pages.page import causes, other_findings, page
from detaudit.report.sarif import render_sarif
from tests.results import changed, differing, equal, finding, reference, unverified

SCHEMA = json.loads(Path(__file__).with_name("sarif-2.1.0-rtm.5.json").read_text())


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    """Work in a folder of a repository."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    return tmp_path


def run_of(*results):
    """Render, validate, and return the only run."""
    document = json.loads(render_sarif(results))
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft4Validator)
    (run,) = document["runs"]
    return run


def result_of(**changes):
    (result,) = run_of(differing(**changes))["results"]
    return result


def print_of(**changes):
    return result_of(**changes)["partialFingerprints"]["detaudit/v1"]


def file_of(file):
    (location,) = result_of(site=Site(str(file), 3, "f", "x"))["locations"]
    return location["physicalLocation"]["artifactLocation"]


def test_the_schema_is_one_that_can_fail():
    document = json.loads(render_sarif([differing()]))
    document["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError, match="'fatal' is not one of"):
        jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft4Validator)


def test_the_cause_is_the_rule_and_the_site_the_location():
    result = differing(cause="unseeded-numpy", confirmed=True, message="numpy draws", fix="seed it")
    run = run_of(result)
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["shortDescription"]["text"]) == (
        "unseeded-numpy",
        page("unseeded-numpy").summary,
    )
    assert rule["help"]["markdown"] == page("unseeded-numpy").text
    (found,) = run["results"]
    assert (found["ruleId"], found["ruleIndex"], found["level"]) == ("unseeded-numpy", 0, "error")
    assert found["message"]["text"] == "numpy draws (train.py --epochs 3); what to do: seed it"
    (location,) = found["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "sub/train.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 22, "snippet": {"text": "x = self.conv1(x)"}},
    }
    (other,) = found["relatedLocations"]
    assert other["physicalLocation"]["region"]["startLine"] == 30


@pytest.mark.parametrize("cause", causes())
def test_every_cause_makes_a_valid_rule(cause):
    assert run_of(differing(cause=cause))["tool"]["driver"]["rules"][0]["id"] == cause


@pytest.mark.parametrize("label", other_findings())
def test_what_is_found_along_an_axis_is_a_rule_with_its_page(label):
    found = replace(finding(), id=label, cause=None)
    (rule,) = run_of(replace(differing(), findings=(found,)))["tool"]["driver"]["rules"]
    assert (rule["id"], rule["help"]["text"]) == (label, page(label).text)


def test_a_cause_of_a_newer_version_is_a_rule_all_the_same():
    (rule,) = run_of(differing(cause="gamma-rays"))["tool"]["driver"]["rules"]
    assert rule["id"] == "gamma-rays"


def test_what_has_no_cause_has_a_rule_of_its_own():
    rules = [one["ruleId"] for one in run_of(differing(), changed(reference()))["results"]]
    assert rules == ["difference", "differs-from-lock"]
    bare = replace(changed(reference(kind="commit", name="main")), findings=())
    assert [one["ruleId"] for one in run_of(bare)["results"]] == ["differs-from-commit"]


def test_a_change_is_told_with_its_size():
    (found,) = run_of(changed(reference(changed=("model.py:3-5",))))["results"]
    assert "lock: detaudit.lock: numeric difference; 12 of 40 things differ" in found["message"]["text"]
    assert "changed since: model.py:3-5" in found["message"]["text"]


def test_rules_are_listed_once_and_pointed_to():
    two = replace(differing(), findings=(finding(cause="wall-clock"), finding(cause="hash-order")))
    run = run_of(two, differing(cause="wall-clock"))
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["hash-order", "wall-clock"]
    assert [one["ruleIndex"] for one in run["results"]] == [1, 0, 1]


def test_unverified_is_no_clean_result():
    run = run_of(unverified(), equal())
    assert run["results"] == []
    bad, good = run["invocations"]
    assert bad["executionSuccessful"] is False
    (told,) = bad["toolExecutionNotifications"]
    assert (told["level"], told["message"]["text"]) == (
        "error",
        "run 2 ended with exit code 5",
    )
    assert good["executionSuccessful"] is True
    assert good["properties"] == {"target": "train.py --epochs 3", "verdict": "reproducible"}


def test_what_is_not_explained_is_told():
    (invocation,) = run_of(differing())["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "more of it"


def test_paths_are_relative_to_the_repository_and_quoted(repository):
    inside = {"uri": "sub/my%20model%25.py", "uriBaseId": "%SRCROOT%"}
    assert file_of(repository / "sub" / "my model%.py") == inside
    assert file_of("my model%.py") == inside
    assert file_of("/elsewhere/site packages/x.py") == {"uri": "file:///elsewhere/site%20packages/x.py"}
    assert file_of("<string>") == {"uri": "%3Cstring%3E"}


def test_without_a_repository_paths_are_relative_to_the_current_folder(repository):
    (repository / ".git").rmdir()
    assert file_of("train.py") == {"uri": "train.py", "uriBaseId": "%SRCROOT%"}


def test_a_work_tree_of_git_is_a_repository(repository, monkeypatch):
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(repository)]
    (repository / ".git").rmdir()
    for words in (
        ["init", "-q"],
        ["commit", "-q", "--allow-empty", "-m", "x"],
        ["worktree", "add", "-q", "w"],
    ):
        subprocess.run([*command, *words], check=True, capture_output=True)
    (repository / "w" / "deep").mkdir()
    monkeypatch.chdir(repository / "w" / "deep")
    assert file_of("train.py")["uri"] == "deep/train.py"


def test_a_fingerprint_does_not_change_when_lines_move():
    site = Site("train.py", 22, "forward", "x = self.conv1(x)")
    assert print_of(site=site) == print_of(site=replace(site, line=900), message="other words", fix="x")


@pytest.mark.parametrize(
    "change", [{"file": "other.py"}, {"function": "backward"}, {"code": "x = self.conv2(x)"}]
)
def test_a_fingerprint_changes_with_the_place(change):
    site = Site("train.py", 22, "forward", "x = self.conv1(x)")
    assert print_of(site=site) != print_of(site=replace(site, **change))


def test_a_fingerprint_changes_with_the_cause():
    assert print_of() != print_of(cause="wall-clock")


def test_a_fingerprint_is_the_same_from_another_checkout(repository, monkeypatch):
    def here():
        return print_of(site=Site(str(Path.cwd() / "train.py"), 1, "f", "x"))

    first = here()
    other = repository / "elsewhere"
    (other / ".git").mkdir(parents=True)
    (other / "sub").mkdir()
    monkeypatch.chdir(other / "sub")
    assert here() == first


def test_findings_at_one_line_have_different_fingerprints():
    prints = [
        one["partialFingerprints"]["detaudit/v1"] for one in run_of(differing(), differing())["results"]
    ]
    assert len(set(prints)) == 2


def test_where_no_line_is_known_the_target_is_the_place():
    Path("train.py").touch()
    (location,) = result_of(site=None)["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "sub/train.py"
    callable_ = replace(differing(site=None), target=TargetSummary("callable", "pkg.mod:train", ()))
    (location,) = run_of(callable_)["results"][0]["locations"]
    assert location == {"logicalLocations": [{"fullyQualifiedName": "pkg.mod:train"}]}


def test_what_no_viewer_should_obey_is_made_visible():
    found = result_of(message="\x1b[2J\udcff", site=Site("a\udcff\n.py", 0, "f\n", "x\x07"))
    assert "\\x1b[2J\\xdcff" in found["message"]["text"]
    (location,) = found["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "sub/a%FF%0A.py"
    assert location["physicalLocation"]["region"] == {"startLine": 1, "snippet": {"text": "x\\x07"}}


@pytest.mark.parametrize("scope", FaultScope)
def test_what_a_fault_reaches_is_told(scope):
    (run,) = json.loads(render_sarif([differing(scope=scope)]))["runs"]
    assert [one["properties"]["scope"] for one in run["results"]] == [scope.value]
