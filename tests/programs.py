"""The training programs of a folder, and what an audit of each must say.

What a program must give stands in the folder's `cases.json`, or, where there is none, in comments at the head
of each program (`# expect: not-reproducible phase=data module=None line=12`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER = re.compile(r"^# (expect|exit|args|flaky|hangs|requires|suspicious|alone|slow): (.+)$", re.MULTILINE)
ROOT = "<root>"


@dataclass(frozen=True)
class Program:
    """One program and the right answers about it; where several are right, all of them."""

    identity: str
    path: Path
    verdict: str
    phases: tuple[str, ...] = ()
    modules: tuple[str | None, ...] = ()
    lines: tuple[int, ...] = ()
    arguments: tuple[str, ...] = ()
    exit_code: int = 0
    flaky: bool = False
    """True if two plain runs may agree by chance."""
    hangs: bool = False
    requires: tuple[str, ...] = ()
    alone: bool = False
    """True if it must have a process to itself: for what it starts, or for what it leaves behind in it."""
    slow: bool = False
    """True if a run takes several times as long as others."""
    suspicious: bool = False
    """True if it is reproducible and two runs differ all the same, in what reaches no number."""

    @property
    def observable(self) -> bool:
        """Say whether a run of it ends, and ends in the same way each time."""
        return self.verdict != "not-reproducible" and not self.hangs


def load_programs(folder: Path) -> list[Program]:
    """Return the programs of a folder, in the order of its `cases.json` or of their names."""
    listing = folder / "cases.json"
    if listing.exists():
        return [_from_case(folder, case) for case in json.loads(listing.read_text())["cases"]]
    headed = [_from_header(path) for path in sorted(folder.glob("*.py"))]
    return [program for program in headed if program]


def _from_case(folder: Path, case: dict[str, Any]) -> Program:
    guilty = case.get("guilty") if not case["reproducible"] else None
    guilty = guilty or {"phase": None, "module": None, "line": None}
    return Program(
        identity=case["id"],
        path=folder / case["file"],
        verdict="reproducible" if case["reproducible"] else "not-reproducible",
        phases=_with_others(guilty, "phase"),
        modules=(guilty["module"], *guilty.get("also_acceptable_modules", ())),
        lines=_with_others(guilty, "line"),
        flaky=0 < case["flaky_rate"] < 1,
        requires=tuple(case.get("requires", ())),
    )


def _with_others(guilty: dict[str, Any], name: str) -> tuple[Any, ...]:
    first = () if guilty[name] is None else (guilty[name],)
    return (*first, *guilty.get(f"also_acceptable_{name}s", ()))


def _from_header(path: Path) -> Program | None:
    fields = dict(HEADER.findall(path.read_text()))
    if "expect" not in fields:
        return None
    verdict, *details = fields["expect"].split()
    answers = {name: values.split("|") for name, values in (detail.split("=") for detail in details)}
    return Program(
        identity=path.stem,
        path=path,
        verdict=verdict,
        phases=tuple(answers.get("phase", ())),
        modules=tuple(_module(name) for name in answers.get("module", ())),
        lines=tuple(int(line) for line in answers.get("line", ())),
        arguments=tuple(fields.get("args", "").split()),
        exit_code=int(fields.get("exit", 0)),
        flaky=fields.get("flaky") == "true",
        hangs=fields.get("hangs") == "true",
        alone=fields.get("alone") == "true",
        slow=fields.get("slow") == "true",
        suspicious=fields.get("suspicious") == "true",
        requires=tuple(fields.get("requires", "").split()),
    )


def _module(name: str) -> str | None:
    return {"None": None, ROOT: ""}.get(name, name)
