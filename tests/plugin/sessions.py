"""Sessions of pytest in fresh processes: what a user starts, and what came of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

PLUGIN = ("-p", "pytest_detaudit.plugin")
"""For sessions that load no other plugin, which start in a third of the time."""

VERDICT_ONLY = "[tool.detaudit]\ndiagnose = false\n"
"""Looking for causes takes tens of runs; most sessions ask for verdicts."""

# No optimizer: importing torch.optim's machinery would double the time of each process.
TRAINING = '''
"""A training; `noise` makes it unreproducible, `order` makes it depend on the hash seed."""

import os


def train(lr=0.1, steps=2, noise=False, order=False, model=None, seen=None):
    import torch

    model = model or torch.nn.Linear(3, 2)
    for _ in range(steps):
        x = torch.randn(4, 3)
        if noise:
            x = x + int.from_bytes(os.urandom(2))
        if order:
            x = x * float(list({"a" * n for n in range(1, 30)}).index("aaa"))
        model.zero_grad()
        model(x).square().mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= lr * parameter.grad
    if seen is not None:
        seen.append(float(x.sum()))
    return model
'''

_LINE = re.compile(r"^(PASSED|FAILED|ERROR|XFAIL|XPASS) (\S+?)(?: - (.*))?$", re.MULTILINE)
_OURS = ("DETAUDIT_", "PYTEST_", "COV_", "GITHUB_")


@dataclass(frozen=True)
class Ended:
    """A session that has ended."""

    code: int
    output: str
    folder: Path

    def outcomes(self) -> dict[str, str]:
        """How each test ended, by what follows the file in its node id."""
        return {name.partition("::")[2]: word for word, name, _ in _LINE.findall(self.output)}

    def says(self, test: str) -> str:
        """What the summary says of a test."""
        return next(text for _, name, text in _LINE.findall(self.output) if name.endswith(test))

    def about(self, test: str) -> str:
        """What the session printed about a test that did not pass."""
        parts = re.split(r"^_{3,} (?:ERROR at \w+ of )?(.*?) _{3,}$", self.output, flags=re.MULTILINE)
        told = dict(zip(parts[1::2], parts[2::2], strict=True))
        return told[test].partition("\n=====")[0]

    def text(self, name: str) -> str:
        """A file of the session's folder; empty if it is not there."""
        path = self.folder / name
        return path.read_text(encoding="utf-8") if path.exists() else ""


def files(folder: Path, **sources: str) -> Path:
    """Write python files, `pyproject.toml` as `pyproject`; give the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in {"pyproject": VERDICT_ONLY, "training": TRAINING, **sources}.items():
        path = folder / (f"{name}.toml" if name == "pyproject" else f"{name}.py")
        path.write_text(textwrap.dedent(source), encoding="utf-8")
    return folder


def session(
    folder: Path, *arguments: object, autoload: bool = False, at: Path | None = None, **variables: str
) -> Ended:
    """Start `python -m pytest` in a folder and wait for its end."""
    plugins = () if autoload else PLUGIN
    command = [sys.executable, "-m", "pytest", "-rA", *plugins, *map(str, arguments)]
    return started(command, folder, at=at, autoload=autoload, **variables)


def started(
    command: list[str], folder: Path, *, at: Path | None = None, autoload: bool = False, **variables: str
) -> Ended:
    """Run a command that starts pytest, with nothing of our own session in its environment."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_OURS) and name != "CI"
    }
    environment |= {"COLUMNS": "200", "OMP_WAIT_POLICY": "passive", "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {} if autoload else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command,
        cwd=at or folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr, folder)
