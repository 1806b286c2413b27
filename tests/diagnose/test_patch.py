"""Proposed changes of a user's file: what is edited, what stays, and the diff that is shown."""

import ast
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from detaudit.diagnose.fixing import diff, propose

LISTING = "import os\nfiles = os.listdir('.')\n"


def test_a_file_is_left_as_it_is(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(LISTING)
    assert propose(path, "fs-order", 2, None) != LISTING
    assert path.read_text() == LISTING


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_comments_and_odd_spacing_stay(tmp_path, newline):
    lines = ["import  torch # needed", "", "x=torch.rand( 3 )   # draw", "if x is None :pass", ""]
    path = tmp_path / "train.py"
    path.write_bytes(newline.join(lines).encode())
    expected = newline.join([lines[0], "", "torch.manual_seed(0)", *lines[1:]])
    assert propose(path, "unseeded-torch", 3, None) == expected


def test_positions_count_characters_and_not_bytes(tmp_path):
    path = tmp_path / "train.py"
    path.write_text('import os\nname, files = "größe ∑", os.listdir("Ä")\n', encoding="utf-8")
    new = propose(path, "fs-order", 2, None)
    assert new == 'import os\nname, files = "größe ∑", sorted(os.listdir("Ä"))\n'


@pytest.mark.parametrize(
    ("content", "cause", "line"),
    [
        (b"import os\nfiles = os.listdir(\n", "fs-order", 2),
        ("# -*- coding: latin-1 -*-\nimport os\nos.listdir('\xe4')\n".encode("latin-1"), "fs-order", 3),
        (LISTING.encode(), "fs-order", 1),
        (LISTING.encode(), "fs-order", 99),
        (LISTING.encode(), "thread-race", 2),
        (LISTING.encode(), "no-such-cause", 2),
        (b"", "fs-order", 1),
    ],
    ids=["no Python", "no UTF-8", "another line", "no such line", "no mechanical fix", "no cause", "empty"],
)
def test_what_cannot_be_changed_gives_nothing(tmp_path, content, cause, line):
    path = tmp_path / "train.py"
    path.write_bytes(content)
    assert propose(path, cause, line, None) is None


def test_a_missing_file_gives_nothing(tmp_path):
    assert propose(tmp_path / "gone.py", "unseeded-torch", 1, None) is None


@pytest.mark.parametrize("tool", [["git", "apply"], ["patch", "-p1"]], ids=["git", "patch"])
@pytest.mark.parametrize("name", ["train.py", "the folder/train it.py"])
@pytest.mark.parametrize(
    "content", [LISTING, LISTING.rstrip("\n"), LISTING.replace("\n", "\r\n") + "\x0c\r\n"]
)
def test_the_diff_can_be_applied(tmp_path, monkeypatch, tool, name, content):
    if shutil.which(tool[0]) is None:
        pytest.skip(f"no {tool[0]} here")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode())
    new = propose(path, "fs-order", 2, None)
    options = ["--binary"] if tool[0] == "patch" else []
    subprocess.run([*tool, *options], input=diff(path, new).encode(), check=True, capture_output=True)
    assert path.read_bytes() == new.encode()


def test_a_diff_names_the_file_as_seen_from_its_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "code" / "train.py"
    path.parent.mkdir()
    path.write_text(LISTING)
    new = propose(path, "fs-order", 2, None)
    assert diff(path, new).startswith("--- a/code/train.py\n+++ b/code/train.py\n@@ -1,2 +1,2 @@\n")
    assert diff(path, new, root=path.parent).startswith("--- a/train.py\n")
    assert diff(path, new, root=tmp_path / "elsewhere").startswith("--- a/train.py\n")
    assert diff(path, LISTING) == ""


@pytest.mark.parametrize(
    "cause", ["unseeded-numpy", "seed-order", "fs-order", "hash-order", "worker-seeding"]
)
def test_a_cause_that_does_not_fit_the_line_makes_nothing_fail(cause):
    for program in sorted((Path(__file__).parents[1] / "zoo").glob("*.py")):
        for line in range(1, len(program.read_text().splitlines()), 19):
            new = propose(program, cause, line, None)
            ast.parse(new or "")


def example(before, after):
    return textwrap.dedent(before).lstrip("\n"), textwrap.dedent(after).lstrip("\n")


HEADS = {
    "a docstring and imports": example(
        '''
        """Train."""

        from __future__ import annotations

        import torch  # here too
        from torch import nn

        model = nn.Linear(2, 2)  # guilty
        ''',
        '''
        """Train."""

        from __future__ import annotations

        import torch  # here too
        from torch import nn

        torch.manual_seed(0)

        model = nn.Linear(2, 2)  # guilty
        ''',
    ),
    "an import that is missing": example(
        """
        from torch import nn
        model = nn.Linear(2, 2)  # guilty
        """,
        """
        from torch import nn
        import torch

        torch.manual_seed(0)

        model = nn.Linear(2, 2)  # guilty
        """,
    ),
    "a name that is taken": example(
        """
        from torch.nn import Linear

        def train(torch):
            return Linear(2, 2)  # guilty
        """,
        """
        from torch.nn import Linear
        import torch as torch_

        torch_.manual_seed(0)

        def train(torch):
            return Linear(2, 2)  # guilty
        """,
    ),
    "an import after a draw": example(
        """
        import os
        os.environ["OMP_NUM_THREADS"] = "1"
        import torch
        x = torch.rand(3)  # guilty
        import numpy
        """,
        """
        import os
        os.environ["OMP_NUM_THREADS"] = "1"
        import torch

        torch.manual_seed(0)

        x = torch.rand(3)  # guilty
        import numpy
        """,
    ),
    "an import that may fail": example(
        """
        try:
            import torch as t
        except ImportError:
            t = None

        x = t.rand(3)  # guilty
        """,
        """
        try:
            import torch as t
        except ImportError:
            t = None

        t.manual_seed(0)

        x = t.rand(3)  # guilty
        """,
    ),
    "one line": example(
        """
        import torch; x = torch.rand(3)  # guilty
        """,
        """
        import torch; torch.manual_seed(0); x = torch.rand(3)  # guilty
        """,
    ),
    "a docstring alone": example(
        '''
        """Draw."""
        x = generator()  # guilty
        ''',
        '''
        """Draw."""

        import torch

        torch.manual_seed(0)

        x = generator()  # guilty
        ''',
    ),
    "no import at all": example(
        """
        #!/usr/bin/env python
        # A licence.

        @decorate
        def draw(generator):
            return generator()  # guilty
        """,
        """
        #!/usr/bin/env python
        # A licence.

        import torch

        torch.manual_seed(0)

        @decorate
        def draw(generator):
            return generator()  # guilty
        """,
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_seed_comes_after_the_imports_and_before_all_draws(tmp_path, name):
    before, after = HEADS[name]
    path = tmp_path / "train.py"
    path.write_text(before)
    line = next(number for number, text in enumerate(before.splitlines(), start=1) if "# guilty" in text)
    assert propose(path, "unseeded-torch", line, None) == after


def test_a_seed_that_stands_there_already_is_not_set_again(tmp_path):
    path = tmp_path / "train.py"
    path.write_text("import torch\n\ntorch.manual_seed(0)\nx = torch.rand(3)\n")
    assert propose(path, "unseeded-torch", 4, None) is None
    assert propose(path, "unseeded-python", 4, None) is not None
