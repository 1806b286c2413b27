"""Patched copies of a target: what is written, what is left alone, and what runs of the copy say."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

import pytest

from detaudit.diagnose.audit import audit
from detaudit.diagnose.case import Case
from detaudit.diagnose.diagnosis import Diagnosis
from detaudit.diagnose.fixing import apply, fix, new_line, refuse_occupied
from detaudit.diagnose.options import AuditOptions
from detaudit.errors import OutputError
from detaudit.model.plan import RunPlan, Target, TargetKind, TargetRef
from detaudit.model.trace import Level, Site
from detaudit.run.progress import Silence
from detaudit.run.runs import Runs
from detaudit.targets.find import find_target
from tests.results import finding

# No optimizer: importing what torch.optim needs would double the time of each process.
UNSEEDED = """\
import os
import numpy as np
import torch
import helper
torch.manual_seed(0)
net = torch.nn.Linear(3, 1)
for step in range(3):
    noise = np.random.rand(4, 3)
    loss = net(helper.tensor(noise) + {more}).pow(2).mean()
    net.zero_grad(); loss.backward()
    with torch.no_grad(): [p.sub_(p.grad, alpha=0.1) for p in net.parameters()]
"""
HELPER = "import torch\ndef tensor(array): return torch.from_numpy(array).float()\n"

TWO_FAULTS = """\
import os
import random


def names(folder):
    return [name for name in os.listdir(folder)]


def noise():
    return random.random()
"""


def fault(path, cause, line, symbol=None):
    """A finding whose line is in a file."""
    return finding(id=cause, cause=cause, confirmed=True, site=Site(str(path), line, "f"), symbol=symbol)


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Write a script, and a module that it imports, to the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        Path("helper.py").write_text(HELPER)
        path = tmp_path / "train.py"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def fixed(tmp_path):
    """Patch a script for some findings, and run the copy."""

    def run(path, *findings, target=None):
        target = target or find_target(TargetRef(str(path)))
        case = Case(RunPlan(target, 2, Level.LAYER, 0), Runs(tmp_path / "runs", Silence()))
        case.folder.mkdir()
        diagnosis, notices = fix(case, Diagnosis(tuple(findings)), Path("copy"))
        return diagnosis.findings, [(notice.id, notice.message) for notice in notices], case

    return run


@pytest.mark.slow
def test_an_unseeded_script_becomes_reproducible_and_stays_as_it_is(train, fixed):
    """The copy finds the modules of the original, and the patch makes the original what the copy is."""
    path = train(UNSEEDED.format(more="0"))
    before, left = path.read_bytes(), sorted(path.parent.iterdir())
    (found,), notices, case = fixed(path, fault(path, "unseeded-numpy", 9, "numpy.random.rand"))

    assert notices == [("patched", "the patched copy copy/train.py is reproducible: 2 runs are equal")]
    assert found.evidence[-1].as_dict() == {
        "kind": "patch",
        "patched": "copy/train.py",
        "patch": "copy/train.py.patch",
        "reproducible": True,
        "pairs": 1,
    }
    assert len(found.evidence) == 2
    assert case.extra_runs == 2
    assert path.read_bytes() == before
    assert {*path.parent.iterdir()} - {*left} <= {
        path.parent / name for name in ("copy", "runs", "__pycache__")
    }
    subprocess.run(["patch", "-p1", "-i", "copy/train.py.patch"], check=True, capture_output=True)  # noqa: S607 - whichever patch there is
    assert path.read_bytes() == Path("copy/train.py").read_bytes() != before


@pytest.mark.slow
def test_a_fault_without_a_mechanical_change_is_left_and_told(train, fixed):
    """One of two faults is patched: the copy runs, and is found to be still not reproducible."""
    path = train(UNSEEDED.format(more="os.urandom(1)[0] + os.urandom(1)[0]"))
    faults = fault(path, "os-entropy", 10, "os.urandom"), fault(path, "unseeded-numpy", 9)
    (entropy, numpy), notices, _ = fixed(path, *faults)

    assert notices == [
        ("patched", "the patched copy copy/train.py is still not reproducible: 2 runs differ"),
        ("not-patched", "no patch for os-entropy on line 10: the change is not a mechanical one"),
    ]
    assert entropy == faults[0]
    assert numpy.evidence[-1].details["reproducible"] is False


def test_a_copy_that_fails_is_not_called_reproducible(train, fixed):
    """A copy is another file: what depends on its name may fail."""
    path = train("import random\nimport torch\nassert 'copy' not in __file__\nprint(random.random())\n")
    (found,), notices, _ = fixed(path, fault(path, "unseeded-python", 4, "random.random"))

    assert found.evidence[-1].details["reproducible"] is None
    assert "could not be checked: run 1 ended with exit status 1" in notices[0][1]


def test_lines_are_found_again_behind_what_was_put_in(train, tmp_path):
    """Seeding comes in at the head of the file: the second fault is some lines further down then."""
    path = train(TWO_FAULTS)
    copy = tmp_path / "copy.py"
    copy.write_text(TWO_FAULTS)
    faults = (
        fault(path, "unseeded-python", 10, "random.random"),
        fault(path, "fs-order", 6, "os.listdir"),
        fault(path, "wall-clock", 6),
        fault(path, "unseeded-python", 10, "random.random"),
    )
    patched, left = apply(path, copy, faults)

    assert patched == [faults[0], faults[1], faults[3]]
    assert left == ["no patch for wall-clock on line 6: the change is not a mechanical one"]
    assert "sorted(os.listdir(folder))" in copy.read_text()
    assert copy.read_text().count("random.seed(0)") == 1
    assert path.read_text() == TWO_FAULTS


def test_a_draw_in_another_file_is_seeded_from_the_target(train, tmp_path):
    """A seed in the script reaches what its modules draw; a generator of their own it does not."""
    path = train(TWO_FAULTS)
    copy = tmp_path / "copy.py"
    copy.write_text(TWO_FAULTS)
    drawn = fault("lib.py", "unseeded-numpy", 6, "numpy.random.rand")
    own = fault("lib.py", "unseeded-numpy", 6, "numpy.random.Generator.normal")

    assert apply(path, copy, (drawn, own)) == (
        [drawn],
        ["no patch for unseeded-numpy: its line is in another file, lib.py:6"],
    )
    assert "random.seed(0)" in copy.read_text()


@pytest.mark.parametrize(
    ("new", "lines"),
    [
        ("a\nb\nc", [1, 2, 3]),
        ("x\ny\na\nb\nc", [3, 4, 5]),
        ("a\nb changed\nnew\nc", [1, 2, 4]),
        ("a\nc", [1, 1, 2]),
    ],
)
def test_a_line_has_its_place_in_a_later_version(new, lines):
    assert [new_line("a\nb\nc", new, line) for line in (1, 2, 3)] == lines
    assert new_line("a\nb\nc", new, 0) == 0


def test_a_line_in_another_file_is_told(train, fixed):
    """Only the target is patched, and nothing is written where nothing is changed."""
    path = train(TWO_FAULTS)
    faults = fault("lib.py", "fs-order", 6, "os.listdir"), fault(path, None, 6)
    found, notices, case = fixed(path, *faults)

    assert found == faults
    assert notices == [
        ("not-patched", "no patch for fs-order: its line is in another file, lib.py:6"),
        ("not-patched", "no patch for a difference without a known cause"),
    ]
    assert case.extra_runs == 0
    assert not Path("copy").exists()


def test_a_module_is_not_patched(train, fixed):
    """Its file is a part of a package, and a copy would not be."""
    path = train(TWO_FAULTS)
    module = Target(TargetKind.MODULE, "-m train", import_name="train")
    _, notices, _ = fixed(path, fault(path, "fs-order", 6), target=module)

    assert notices == [
        ("not-patched", "no patched copy: only a target that is named by its file can be patched")
    ]


@pytest.mark.parametrize("name", ["train.py", "train.py.patch"])
def test_what_is_there_already_is_not_written_over(train, tmp_path, name):
    """Above all not the user's own file: it is told before the audit."""
    path = train(TWO_FAULTS)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / name).write_text("mine")
    settings = AuditOptions(fix=tmp_path / "copy")

    with pytest.raises(OutputError, match=f"copy/{name} exists already"):
        audit(TargetRef(str(path)), settings, Silence())
    with pytest.raises(OutputError, match=r"train\.py exists already"):
        refuse_occupied(find_target(TargetRef("train.py")), Path())
    assert (tmp_path / "copy" / name).read_text() == "mine"


def test_the_ends_of_lines_stay(train, tmp_path):
    """Of a file with carriage returns, and of one without an end to its last line."""
    path, copy = train(""), tmp_path / "copy.py"
    for file in (path, copy):
        file.write_bytes(textwrap.dedent(TWO_FAULTS).strip().replace("\n", "\r\n").encode())
    apply(path, copy, (fault(path, "fs-order", 6), fault(path, "unseeded-python", 10)))

    assert b"\n" not in copy.read_bytes().replace(b"\r\n", b"")
    assert not copy.read_bytes().endswith(b"\n")
