"""The plugin as it is installed: loaded by its entry point, beside all others, with a cause to find."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.plugin.sessions import files, started

TESTS = """
    import numpy as np


    def train():
        import torch

        model = torch.nn.Linear(3, 2)
        noise = np.random.default_rng().normal(size=3)
        model(torch.as_tensor(noise, dtype=torch.float32)).sum().backward()


    def test_called(detaudit):
        detaudit.assert_reproducible(train)


    def test_unmarked():
        import torch

        torch.manual_seed(0)
        torch.nn.Linear(3, 2)(torch.ones(1, 3)).sum().backward()
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    folder = files(tmp_path_factory.mktemp("all"), pyproject="", test_it=TESTS)
    command = [
        str(Path(sys.executable).with_name("pytest")), "-n", "2", "-p", "randomly", "--reruns", "0", "--cov",
        "-rA", "--detaudit", "--junitxml", "out.xml", "--detaudit-report", "json:all.json",
    ]  # fmt: skip
    return started(command, folder, autoload=True)


pytestmark = pytest.mark.slow


def test_a_failure_shows_its_cause_its_line_and_what_to_do(ended):
    told = ended.about("test_called")
    line = 1 + ended.text("test_it.py").splitlines().index(
        "    noise = np.random.default_rng().normal(size=3)"
    )
    assert "cause             unseeded-numpy" in told
    assert f"test_it.py:{line} in train" in told
    assert "fix to try" in told
    assert ended.says("test_called") == f"Failed: not reproducible: unseeded-numpy at test_it.py:{line}"


def test_the_finding_is_in_the_xml_report(ended):
    cases = {case.get("name"): case for case in ET.fromstring(ended.text("out.xml")).iter("testcase")}  # noqa: S314 - ours
    assert "unseeded-numpy" in cases["test_called"].find("failure").get("message")


def test_workers_hand_over_what_they_found(ended):
    results = json.loads(ended.text("all.json"))["results"]
    found = {one["target"]["name"].partition("::")[2]: one["verdict"] for one in results}
    assert found == {"test_called": "not-reproducible", "test_unmarked": "reproducible"}
    assert "2 audits: 1 reproducible, 1 not reproducible" in ended.output


def test_all_else_is_as_without_audits(ended):
    assert ended.outcomes() == {"test_called": "FAILED", "test_unmarked": "PASSED"}
    assert ended.code == 1
