"""Perturbing: what changes the numbers of a program whose plain runs agree, and what does not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from detaudit.diagnose.audit import audit
from detaudit.diagnose.options import AuditOptions
from detaudit.diagnose.perturb import PerturbResult, chosen
from detaudit.model.plan import TargetRef
from detaudit.model.result import PerturbedRun, Verdict
from detaudit.run.progress import Silence
from tests.results import equal

# No optimizer: importing what torch.optim needs would double the time of each process.
TRAIN = """
def train(numbers):
    torch.manual_seed(0)
    model = torch.nn.Linear(len(numbers), 1)
    for _ in range(2):
        model.zero_grad()
        model(torch.tensor([numbers])).sum().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad

"""
FRAGILE = f"""
import os
import time
import torch
{TRAIN}
names = os.listdir("data")
day = time.localtime().tm_yday
user = os.environ.get("USER", "")
words = list({{"red", "green", "blue", "black", "white"}})
torch.manual_seed(1)
total = torch.randn(1_000_000).sum().item()
numbers = [float(ord(name)) / 100 for name in names] + [float(len(word)) / 10 for word in words]
train([*numbers, day / 100, len(user) / 10, total])
"""
STURDY = f"""
import os
import time
import torch
{TRAIN}
names = sorted(os.listdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")))
print(time.localtime().tm_yday, os.environ.get("USER", ""))
words = sorted({{"red", "green", "blue", "black", "white"}})
numbers = [float(ord(name)) / 100 for name in names] + [float(len(word)) / 10 for word in words]
train(numbers)
"""
MEMORY = f"""
import torch
{TRAIN}
memory = torch.empty(16_000_000)
{{filled}}
train([float(memory[5])])
"""


@pytest.fixture
def perturbed(tmp_path, monkeypatch):
    """Audit a program in a folder with five files, with another user than the changed one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "me")
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    Path("data").mkdir()
    for name in "abcde":
        Path("data", name).touch()

    def audited(program, names):
        Path("program.py").write_text(textwrap.dedent(program))
        return audit(TargetRef("program.py"), AuditOptions(perturb=names), Silence())

    return audited


@pytest.mark.usefixtures("forked")
def test_each_change_that_breaks_a_program_is_told_with_its_line(perturbed):
    result = perturbed(FRAGILE, "file-order,environment,working-directory")
    lines = {finding.cause: finding.site.code for finding in result.findings}

    assert lines == {
        "fs-order": 'names = os.listdir("data")',
        "env-dependence": 'user = os.environ.get("USER", "")',
    }
    check_findings(result)
    notices = {notice.id: notice.message for notice in result.notices}
    assert "could not run elsewhere" in notices["perturbed-run-failed"]
    assert {"number of threads", "order of files in folders"} <= set(result.compared.not_varied)
    assert {one.source: one.result for one in result.perturbed} == {
        "file-order": "differs",
        "environment": "differs",
        "working-directory": "failed",
    }


@pytest.mark.slow
def test_memory_that_is_read_before_it_is_written_is_told_with_its_line(perturbed):
    """In fresh processes: how memory is handed out is settled when they start."""
    result = perturbed(MEMORY.format(filled=""), "fresh-memory")

    (finding,) = result.findings
    assert (finding.cause, finding.site.code) == ("uninitialized-memory", "memory = torch.empty(16_000_000)")
    check_findings(result)
    assert [one.result for one in result.perturbed] == ["differs"]


def check_findings(result):
    """All of them have the proof that they came with the change and stayed away without."""
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert all(
        finding.confirmed and finding.rate == {"differs": 2, "pairs": 2} for finding in result.findings
    )
    assert all("2 plain runs are equal; with " in finding.message for finding in result.findings)


@pytest.mark.usefixtures("forked")
def test_a_program_that_depends_on_none_of_it_stays_reproducible(perturbed):
    result = perturbed(STURDY, "file-order,clock")
    told = next(notice.message for notice in result.notices if notice.id == "perturbed")

    assert result.verdict is Verdict.REPRODUCIBLE, [finding.message for finding in result.findings]
    assert all(words in told for words in ("reverse order", "400 days ahead"))
    assert "order of files in folders" not in result.compared.not_varied


@pytest.mark.slow
def test_memory_that_is_written_before_it_is_read_stays_reproducible(perturbed):
    result = perturbed(MEMORY.format(filled="memory.zero_()"), "fresh-memory")

    assert result.verdict is Verdict.REPRODUCIBLE, [finding.message for finding in result.findings]
    assert "content of fresh memory" not in result.compared.not_varied


def test_what_stayed_equal_is_no_longer_called_not_varied():
    tried = (PerturbedRun("threads", "changed", "equal"), PerturbedRun("file-order", "changed", "differs"))
    assert PerturbResult(tried=tried).put_into(equal()).compared.not_varied == ("device",)
    assert PerturbResult(tried=tried[1:]).put_into(equal()).compared == equal().compared


def test_a_source_of_which_one_change_failed_is_still_not_varied():
    tried = (PerturbedRun("threads", "changed", "equal"), PerturbedRun("threads", "changed", "failed"))
    assert "number of threads" in PerturbResult(tried=tried).put_into(equal()).compared.not_varied


def test_all_leaves_out_the_hash_seed_where_every_run_has_its_own(monkeypatch):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    assert "hash-seed" not in chosen("all")
    assert chosen("hash-seed,clock") == ("hash-seed", "clock")
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    assert "hash-seed" in chosen("all")
    assert chosen(None) == ()
