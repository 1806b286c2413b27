"""The training programs of a folder, and what an audit of each must say.

What a program must give stands in the folder's `cases.json`, or, where there is none, in comments at the head
of each program (`# expect: not-reproducible cause=fs-order phase=data module=None line=12|14`, and for each
further fault `# also: cause=wall-clock line=31`). Where several answers are right, `|` is between them, and
the first line is the guilty one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER = re.compile(
    r"^# (expect|also|exit|args|flaky|hangs|requires|suspicious|alone|shared): (.+)$", re.MULTILINE
)
ROOT = "<root>"
IN_ONE_FOLDER = "plain-shared-cwd"
WITHOUT_CAUSE = {"reproducible": "clean", "not-reproducible": "faulty", "unverified": "broken"}
"""The families of programs whose header names no cause."""


@dataclass(frozen=True)
class Fault:
    """One fault: the causes and the lines that are right answers about it."""

    causes: tuple[str, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """One program and the right answers about it; where several are right, all of them."""

    identity: str
    path: Path
    verdict: str
    phases: tuple[str, ...] = ()
    modules: tuple[str | None, ...] = ()
    lines: tuple[int, ...] = ()
    causes: tuple[str, ...] = ()
    also: tuple[Fault, ...] = ()
    """Its further faults, where it has more than one."""
    family: str = ""
    arguments: tuple[str, ...] = ()
    exit_code: int = 0
    flaky: bool = False
    """True if two plain runs may agree by chance."""
    hangs: bool = False
    requires: tuple[str, ...] = ()
    alone: bool = False
    """True if it must have a process to itself: for what it starts, or for what it leaves behind in it."""
    suspicious: bool = False
    """True if it is reproducible and two runs differ all the same, in what reaches no number."""
    shared: bool = False
    """True if its runs have to be in one folder, one after the other."""

    @property
    def observable(self) -> bool:
        """Say whether a run of it ends, and ends in the same way each time."""
        return self.verdict != "not-reproducible" and not self.hangs

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All its faults; none if two runs of it agree."""
        if self.verdict != "not-reproducible":
            return ()
        return (Fault(self.causes, self.lines), *self.also)


def load_programs(folder: Path) -> list[Program]:
    """Return the programs of a folder, in the order of its `cases.json` or of their names."""
    listing = folder / "cases.json"
    if listing.exists():
        return [_from_case(folder, case) for case in json.loads(listing.read_text())["cases"]]
    headed = [_from_header(path) for path in sorted(folder.glob("*.py"))]
    return [program for program in headed if program]


def in_one_process(*paths: Path, first: str = "") -> str:
    """Return the source of a program that runs others one after the other and keeps what they made.

    `first`: what comes before them.
    """
    names = [str(path) for path in paths]
    return f"{first}import runpy\nkept = [runpy.run_path(path, run_name='__main__') for path in {names}]\n"


def _from_case(folder: Path, case: dict[str, Any]) -> Program:
    # A program that differs only when resumed, or with another setting, has a guilty line all the same.
    faulty = not case["reproducible"]
    guilty = (case.get("guilty") if faulty else None) or {"phase": None, "module": None, "line": None}
    return Program(
        identity=case["id"],
        path=folder / case["file"],
        verdict="not-reproducible" if faulty else "reproducible",
        phases=_with_others(guilty, "phase"),
        modules=(guilty["module"], *guilty.get("also_acceptable_modules", ())),
        lines=_with_others(guilty, "line"),
        causes=_with_others(case, "cause") if faulty else (),
        family=case.get("family", ""),
        shared=case.get("protocol") == IN_ONE_FOLDER,
        flaky=0 < case["flaky_rate"] < 1,
        requires=tuple(case.get("requires", ())),
    )


def _with_others(answers: dict[str, Any], name: str) -> tuple[Any, ...]:
    first = () if answers.get(name) is None else (answers[name],)
    return (*first, *answers.get(f"also_acceptable_{name}s", ()))


def _from_header(path: Path) -> Program | None:
    header = HEADER.findall(path.read_text())
    fields = dict(header)
    if "expect" not in fields:
        return None
    verdict, *details = fields["expect"].split()
    answers = _answers(details)
    fault = _fault(answers)
    return Program(
        identity=path.stem,
        path=path,
        verdict=verdict,
        phases=tuple(answers.get("phase", ())),
        modules=tuple(_module(name) for name in answers.get("module", ())),
        lines=fault.lines,
        causes=fault.causes,
        also=tuple(_fault(_answers(text.split())) for name, text in header if name == "also"),
        family=path.stem.split("_")[0] if fault.causes else WITHOUT_CAUSE[verdict],
        arguments=tuple(fields.get("args", "").split()),
        exit_code=int(fields.get("exit", 0)),
        flaky=fields.get("flaky") == "true",
        hangs=fields.get("hangs") == "true",
        alone=fields.get("alone") == "true",
        suspicious=fields.get("suspicious") == "true",
        shared=fields.get("shared") == "true",
        requires=tuple(fields.get("requires", "").split()),
    )


def _answers(details: list[str]) -> dict[str, list[str]]:
    return {name: values.split("|") for name, values in (detail.split("=") for detail in details)}


def _fault(answers: dict[str, list[str]]) -> Fault:
    return Fault(tuple(answers.get("cause", ())), tuple(int(line) for line in answers.get("line", ())))


def _module(name: str) -> str | None:
    return {"None": None, ROOT: ""}.get(name, name)
