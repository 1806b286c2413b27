"""Run a training once and write a trace, to be compared later with `detaudit diff`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from detaudit import nested
from detaudit.cli.options import Once, add_settings, add_target, target_of
from detaudit.cli.progress import PlainProgress
from detaudit.config import resolve, run_options
from detaudit.errors import EXIT_REPRODUCIBLE, EXIT_UNVERIFIED, UsageError
from detaudit.report.output import check_file

if TYPE_CHECKING:
    import argparse

    from detaudit.model.plan import RunOutcome

SETTINGS = ("launch", "steps", "level", "seed", "timeout")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    add_target(parser)
    parser.add_argument(
        "-o", "--output", action=Once, metavar="FILE", help="the file for the trace; replaced if it exists"
    )
    add_settings(parser, SETTINGS)


def run(arguments: argparse.Namespace) -> int:
    """Record the target; say on standard error what became of it."""
    options = run_options(resolve(vars(arguments)))
    target = target_of(arguments, options.launch)
    if arguments.output is None:
        raise UsageError("usage", "no file for the trace is given", "add `-o RUN.trace`")
    output = Path(arguments.output)
    check_file(output)
    # Imported late: everything that is wrong with the command line is told at once.
    from detaudit.run.runs import record

    # The program's own output passes through, so a moving progress bar would get in its way.
    outcome = record(target, options, output, PlainProgress(sys.stderr))
    return conclude(outcome, output)


def conclude(outcome: RunOutcome, output: Path) -> int:
    """Say how the recorded program ended, and give the exit code."""
    problem = None
    if outcome.timed_out:
        problem = f"the program was stopped after {outcome.seconds:.0f} s"
    elif outcome.exit_code != 0:
        problem = f"the program ended with exit code {outcome.exit_code}"
    elif outcome.trace is None:
        problem = "the program ended without using torch, so there is nothing to record"
        if outcome.nested:
            problem = f"there is nothing to record: {nested.in_words(outcome.nested)}; {nested.HINT}"
    elif outcome.problem is not None:
        problem = f"not everything was recorded: {outcome.problem}"
    if problem is None:
        print(f"detaudit: recorded in {output}", file=sys.stderr)
        return EXIT_REPRODUCIBLE
    kept = "" if outcome.trace is None else f"; what it did until then is in {output}"
    print(f"detaudit: {problem}{kept}", file=sys.stderr)
    return EXIT_UNVERIFIED
