"""The lines of an answer, and words and names of files that several formats use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from detaudit.model.result import Origin
from detaudit.model.trace import Site


class Tone(StrEnum):
    """The kind of a line, for a format that can show it."""

    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"
    PLAIN = "plain"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the answer; the label is empty where it goes on from the line before."""

    label: str
    text: str
    tone: Tone = Tone.PLAIN


def within_run(origin: Origin) -> str:
    """Say where in a run an origin is: step, phase, module, operator."""
    parts = [f"step {origin.step}", origin.phase]
    # Where a whole step or pass is there in one run only, the module that it is told by says nothing.
    if origin.root and not (origin.kind == "structure" and origin.phase in {"optimizer", "eval"}):
        parts.append(f"module {origin.module} of {origin.root}" if origin.module else f"module {origin.root}")
    if origin.op is not None:
        parts.append(f"operator {origin.op}")
    if origin.stream != "main":
        parts.append(f"in {origin.stream}")
    return ", ".join(parts)


def place(site: Site) -> str:
    """Say where a line of source code is: file, number, function."""
    through = f" (through {site.through})" if site.through else ""
    inside = f" in {site.function}" if site.function else ""
    return f"{shortened(site.file)}:{site.line}{inside}{through}"


def shortened(file: str) -> str:
    """Give the path as seen from the current folder if the file is in that folder, otherwise as it is."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def count(number: int, noun: str) -> str:
    """Count things: `1 step`, `2 steps`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def root() -> Path:
    """Find the repository that contains the current folder; if there is none, give the current folder."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def below_root(file: str) -> str | None:
    """Give the path from the root to a file; None if the file is elsewhere, or is no file (`<string>`)."""
    if file.startswith("<"):
        return None
    top, path = root(), Path(file).absolute()
    for folder, inside in ((top, path), (top.resolve(), path.resolve())):
        if inside.is_relative_to(folder):
            return inside.relative_to(folder).as_posix()
    return None
