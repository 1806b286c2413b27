"""What `detaudit check` answered about one program, and which parts of that are right."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any

from tests.programs import Fault, Program


@dataclass(frozen=True)
class Claim:
    """One finding: what it says about the fault."""

    cause: str | None
    line: int | None
    phase: str | None
    module: str | None
    confirmed: bool


@dataclass(frozen=True)
class Times:
    """How long the audit of a program took, and one plain run of it, in seconds."""

    audit: float
    plain: float | None = None

    @property
    def ratio(self) -> float | None:
        """The time of the audit over that of the plain run."""
        return self.audit / self.plain if self.plain else None


@dataclass(frozen=True)
class Answer:
    """What was said about one program, and how long that took."""

    program: Program
    verdict: str
    claims: tuple[Claim, ...]
    extra_runs: int
    times: Times
    note: str = ""

    @property
    def verdict_right(self) -> bool:
        """True for the verdict that the program must get."""
        return self.verdict == self.program.verdict

    @property
    def false_alarm(self) -> bool:
        """True if a reproducible program was called faulty."""
        return self.program.verdict == "reproducible" and self.verdict == "not-reproducible"

    @property
    def cause_right(self) -> bool:
        """True if there is a finding, and each names the cause of one of the faults."""
        named = [any(_same_cause(fault, claim) for fault in self.program.faults) for claim in self.claims]
        return all(named) and bool(named) if self.program.faults else True

    @property
    def line_right(self) -> bool:
        """True if each fault has a finding of its own on one of its lines."""
        return all(line for _, line in self._pairs)

    @property
    def found(self) -> int:
        """How many faults have a finding of their own that names their cause."""
        return sum(cause for cause, _ in self._pairs)

    @property
    def all_found(self) -> bool:
        """True if no fault was missed."""
        return self.found == len(self.program.faults)

    @property
    def wrong(self) -> tuple[str, ...]:
        """The parts of the answer that are wrong."""
        parts = {
            "verdict": self.verdict_right,
            "cause": self.cause_right,
            "line": self.line_right,
            "faults": self.all_found,
        }
        return tuple(part for part, right in parts.items() if not right)

    @cached_property
    def lines(self) -> tuple[frozenset[int], ...]:
        """For each fault, all lines that are right."""
        path = self.program.path
        return tuple(lines_of_statements(path.read_text(), fault.lines) for fault in self.program.faults)

    @cached_property
    def _pairs(self) -> tuple[tuple[bool, bool], ...]:
        """For each fault, whether cause and line are right, with the findings shared out in its favour."""
        faults = self.program.faults
        nothing = [None] * len(faults)
        ways = (
            tuple(map(_agreement, faults, self.lines, shared_out))
            for shared_out in permutations([*self.claims, *nothing], len(faults))
        )
        return max(ways, key=lambda way: (sum(c for c, _ in way), sum(line for _, line in way)))


def answer_from(program: Program, result: dict[str, Any], times: Times, note: str = "") -> Answer:
    """Read an answer from the JSON result of `detaudit check`."""
    return Answer(
        program=program,
        verdict=result["verdict"],
        claims=tuple(_claim(finding) for finding in result["findings"]),
        extra_runs=result.get("extra_runs") or 0,
        times=times,
        note=note or result.get("reason") or "",
    )


def lines_of_statements(source: str, lines: tuple[int, ...]) -> frozenset[int]:
    """Return the lines, and all others of the statements that they are in; of a block only its head."""
    tree = ast.parse(source)
    return frozenset(other for line in lines for other in (line, *_statement(tree, line)))


def _statement(tree: ast.Module, line: int) -> range:
    """Return the lines of the innermost statement that has a line in them."""
    around = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and line in _extent(node)]
    # A line of a block that is in none of its statements, such as `else:`, stands for itself.
    return min(map(_extent, around), key=len, default=range(0))


def _extent(node: ast.stmt) -> range:
    """Return the lines of a statement, without those of its body."""
    inner = getattr(node, "body", None) or getattr(node, "cases", None)
    end = node.end_lineno or node.lineno
    if inner:
        first = inner[0].pattern if isinstance(inner[0], ast.match_case) else inner[0]
        end = max(node.lineno, first.lineno - 1)
    return range(node.lineno, end + 1)


def _claim(finding: dict[str, Any]) -> Claim:
    origin, site = finding.get("origin") or {}, finding.get("site") or {}
    return Claim(
        cause=finding.get("cause"),
        line=site.get("line"),
        phase=origin.get("phase"),
        module=origin.get("module"),
        confirmed=bool(finding.get("confirmed")),
    )


def _same_cause(fault: Fault, claim: Claim) -> bool:
    """Say whether the cause fits; a fault without causes takes any."""
    return not fault.causes or claim.cause in fault.causes


def _agreement(fault: Fault, lines: frozenset[int], claim: Claim | None) -> tuple[bool, bool]:
    if claim is None:
        return False, not fault.lines
    return _same_cause(fault, claim), not fault.lines or claim.line in lines
