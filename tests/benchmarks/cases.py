"""`python -m tests.benchmarks.cases FOLDER`: audit each program of a folder, and compare with the truth.

A verdict is right if it is the one that the folder states; where a program is not reproducible, the phase of
the first finding has to be right as well. Module and line are shown, and counted, but do not decide.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.running import Outcome, detaudit_command, plain_command, run_command
from tests.programs import Program, load_programs

COLUMNS = "{:<6} {:<28.28} {:<16} {:<16} {:<22} {:<26.26} {:<8} {:>7} {:>7}  {}"
REFUSED = 2
TITLES = ("id", "file", "expected", "verdict", "phase", "module", "line", "check s", "plain s", "")


@dataclass(frozen=True)
class Answer:
    """What `detaudit check` said about one program."""

    program: Program
    verdict: str
    note: str
    phase: str | None
    module: str | None
    line: int | None
    seconds: float
    plain_seconds: float

    @property
    def phase_right(self) -> bool:
        """Say whether the origin's phase is right; nothing is asked where nothing differs."""
        return self.program.verdict != "not-reproducible" or self.phase in self.program.phases

    @property
    def right(self) -> bool:
        """Say whether verdict and phase are right."""
        return self.verdict == self.program.verdict and self.phase_right


def main() -> int:
    """Audit the programs, print the table and the totals, and return the exit status."""
    options = _parse()
    wanted = set(options.only.split(",")) if options.only else None
    programs = [p for p in load_programs(options.folder) if wanted is None or p.identity in wanted]
    if not programs:
        print("no program to audit", file=sys.stderr)
        return 2
    print(COLUMNS.format(*TITLES))
    with ThreadPoolExecutor(options.jobs) as pool:
        answers = []
        for answer in pool.map(lambda program: audit(program, options.option), programs):
            answers.append(answer)
            print(_row(answer), flush=True)
    print(_totals(answers))
    return 0 if all(answer.right for answer in answers) else 1


def audit(program: Program, options: list[str], *, plain: bool = True) -> Answer:
    """Run a program under `detaudit check`, and once as it is, for the time that it takes."""
    alone = plain and not program.hangs
    plain_seconds = run_command(plain_command(program)).seconds if alone else 0.0
    if program.hangs:
        options = [*options, "--timeout", "20"]
    outcome = run_command(detaudit_command("check", program, "--json", "-", *options))
    result, note = _result(outcome)
    finding: dict[str, Any] = next(iter(result["findings"]), {})
    origin, site = finding.get("origin") or {}, finding.get("site") or {}
    return Answer(
        program=program,
        verdict=result["verdict"],
        note=note or result.get("reason") or "",
        phase=origin.get("phase"),
        module=origin.get("module"),
        line=site.get("line"),
        seconds=outcome.seconds,
        plain_seconds=plain_seconds,
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cases", description=__doc__)
    parser.add_argument("folder", type=Path, help="programs, with a cases.json or with '# expect:' comments")
    parser.add_argument("--only", metavar="ID,...", help="audit these programs alone")
    parser.add_argument("--jobs", type=int, default=1, help="how many programs at a time")
    parser.add_argument(
        "--option", action="append", default=[], help="handed on to check, as in --option=--runs=4"
    )
    return parser.parse_args()


def _result(outcome: Outcome) -> tuple[dict[str, Any], str]:
    """Return the JSON result, or an empty one and the reason that there is none."""
    try:
        return json.loads(outcome.stdout), ""
    except json.JSONDecodeError:
        # A target that cannot be run has a message in place of a result.
        refused = outcome.exit_code == REFUSED and "a bug in detaudit" not in outcome.stderr
        last = (outcome.stderr.strip() or "nothing printed").splitlines()[-1]
        verdict = "unverified" if refused else "no answer"
        return {"verdict": verdict, "findings": []}, f"status {outcome.exit_code}: {last}"


def _row(answer: Answer) -> str:
    program = answer.program
    faulty = program.verdict == "not-reproducible"
    modules = "|".join(_module(name) for name in program.modules)
    return COLUMNS.format(
        program.identity[:6],
        program.path.name,
        program.verdict,
        answer.verdict,
        f"{'|'.join(program.phases)} / {answer.phase or '-'}" if faulty else "",
        f"{_module(answer.module)} / {modules}" if faulty else "",
        _line(answer) if faulty else "",
        f"{answer.seconds:.1f}",
        f"{answer.plain_seconds:.1f}",
        ("OK" if answer.right else "WRONG") + _remark(answer),
    ).rstrip()


def _module(name: str | None) -> str:
    return {None: "-", "": "<root>"}.get(name, str(name))


def _line(answer: Answer) -> str:
    mark = "=" if answer.line in answer.program.lines else "!"
    return f"{answer.line or '-'} {mark}{answer.program.lines[0]}"


def _remark(answer: Answer) -> str:
    if answer.right:
        return ""
    chance = " (two runs of it may agree by chance)" if answer.program.flaky else ""
    return f"{chance} {answer.note}".rstrip()


def _totals(answers: list[Answer]) -> str:
    faulty = [a for a in answers if a.program.verdict == "not-reproducible"]
    clean = [a for a in answers if a.program.verdict == "reproducible"]
    plain = sum(a.plain_seconds for a in answers) or float("nan")
    return "\n".join(
        [
            "",
            f"verdicts right   {sum(a.verdict == a.program.verdict for a in answers)} of {len(answers)}",
            f"false alarms     {sum(a.verdict == 'not-reproducible' for a in clean)} of {len(clean)}",
            f"phases right     {sum(a.phase_right for a in faulty)} of {len(faulty)}",
            f"modules right    {sum(a.module in a.program.modules for a in faulty)} of {len(faulty)}",
            f"lines right      {sum(a.line in a.program.lines for a in faulty)} of {len(faulty)}",
            f"check / plain    {sum(a.seconds for a in answers) / plain:.1f}",
            f"wrong            {sum(not a.right for a in answers)}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
