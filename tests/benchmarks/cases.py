"""`python -m tests.benchmarks.cases FOLDER`: audit each program of a folder, and compare with the truth.

An answer is right if the verdict is the one that the folder states, every fault has a finding of its own with
its cause and on its line, and no finding names another cause. The phase is shown, and decides nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from tests.benchmarks.running import Outcome, detaudit_command, plain_command, run_command
from tests.benchmarks.scoring import Answer, Times, answer_from
from tests.benchmarks.table import row, summary, titles
from tests.programs import Program, load_programs

REFUSED = 2


def main() -> int:
    """Audit the programs, print a row for each and the summary, and return the exit status."""
    options = _parse()
    programs = _choose(options.folder, options.only)
    if not programs:
        print("no program to audit", file=sys.stderr)
        return 2
    print(titles())
    answers = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for answer in pool.map(lambda program: audit(program, options.option, plain=options.plain), programs):
            answers.append(answer)
            print(row(answer), flush=True)
    print()
    print(summary(answers, markdown=options.markdown))
    return 1 if any(answer.wrong for answer in answers) else 0


def audit(program: Program, options: list[str], *, plain: bool = False) -> Answer:
    """Run a program under `detaudit check`, in a folder of its own; before that alone, if asked for."""
    if program.hangs:
        options = [*options, "--timeout", "20"]
    alone = run_command(plain_command(program)).seconds if plain and not program.hangs else None
    outcome = run_command(detaudit_command("check", program, "--json", "-", *options))
    result, note = _result(outcome)
    return answer_from(program, result, Times(outcome.seconds, alone), note)


def missing(program: Program) -> list[str]:
    """Return the packages that a program needs and that are not installed."""
    return [name for name in program.requires if not _installed(name)]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cases", description=__doc__)
    parser.add_argument("folder", type=Path, help="programs, with a cases.json or with '# expect:' comments")
    parser.add_argument("--only", metavar="ID,...", help="audit these programs alone")
    parser.add_argument("--jobs", type=int, default=1, help="how many programs at a time")
    parser.add_argument(
        "--plain", action="store_true", help="also run each program alone, and show the ratio"
    )
    parser.add_argument("--markdown", action="store_true", help="print the summary as a Markdown table")
    parser.add_argument(
        "--option", action="append", default=[], help="handed on to check, as in --option=--runs=4"
    )
    return parser.parse_args()


def _choose(folder: Path, only: str | None) -> list[Program]:
    """Return the programs to audit, and say which ones cannot be."""
    wanted = set(only.split(",")) if only else None
    programs = [p for p in load_programs(folder) if wanted is None or p.identity in wanted]
    for program in programs:
        if missing(program):
            print(f"left out: {program.identity} needs {', '.join(missing(program))}", file=sys.stderr)
    return [program for program in programs if not missing(program)]


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


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


if __name__ == "__main__":
    sys.exit(main())
