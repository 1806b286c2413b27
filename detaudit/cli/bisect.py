"""Find the commit that broke reproducibility, or changed the numbers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from detaudit.cli.options import Once, add_settings, add_target, target_of
from detaudit.cli.progress import PlainProgress
from detaudit.config import resolve, run_options
from detaudit.errors import EXIT_REPRODUCIBLE, EXIT_UNVERIFIED, UsageError
from detaudit.options import BY_NAME, checked, parse
from detaudit.report.lines import Line, Tone, count
from detaudit.report.terminal import LOG_WIDTH, print_lines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from detaudit.reference.bisect import Found, Request
    from detaudit.reference.trial import Tried

SETTINGS = ("steps", "level", "seed", "timeout", "link")
PROPERTIES = {
    "reproducible": "whose runs differ",
    "numerics": "whose numbers differ",
}
SHORT = 10
MOST_COMMITS = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    add_target(parser)
    parser.add_argument("--good", action=Once, metavar="REF", help="a commit before the fault")
    parser.add_argument("--bad", action=Once, metavar="REF", help="a commit with the fault")
    parser.add_argument(
        "--property",
        action=Once,
        choices=tuple(PROPERTIES),
        help="what the fault broke: runs agree (default), or numbers are the same as at the good commit",
    )
    parser.add_argument(
        "--runs",
        action=Once,
        type=_runs,
        metavar="N",
        help="runs of each commit (default: as many as it takes to see the fault at the bad commit)",
    )
    add_settings(parser, SETTINGS)


def _runs(text: str) -> int:
    return int(str(checked(BY_NAME["runs"], parse(BY_NAME["runs"], text, "--runs"), "--runs")))


def run(arguments: argparse.Namespace) -> int:
    """Search, and say which commit it was."""
    request = _request(arguments)
    # Imported late: everything that is wrong with the command line is told at once.
    from detaudit.reference.bisect import bisect

    # The steps of the search are processes of their own: a moving progress bar would get in their way.
    found = bisect(request, PlainProgress(sys.stderr))
    _print(list(lines(found, request)))
    return EXIT_REPRODUCIBLE if len(found.candidates) == 1 else EXIT_UNVERIFIED


def _print(answer: list[Line]) -> None:
    from rich.console import Console

    width = None if sys.stdout.isatty() else LOG_WIDTH
    print_lines(answer, Console(file=sys.stdout, width=width, highlight=False))


def _request(arguments: argparse.Namespace) -> Request:
    from detaudit.reference.bisect import Request
    from detaudit.reference.ends import Property

    for name in ("good", "bad"):
        if getattr(arguments, name) is None:
            hint = "give both ends: `detaudit bisect train.py --good v1.0 --bad main`"
            raise UsageError("usage", f"no commit is given with --{name}", hint)
    wanted = Property(arguments.property or Property.REPRODUCIBLE)
    ref, runs = target_of(arguments), arguments.runs
    settings = resolve({**vars(arguments), "runs": None})
    return Request(ref, arguments.good, arguments.bad, wanted, runs, run_options(settings), settings.link)


def lines(found: Found, request: Request) -> Iterator[Line]:
    """Yield the lines of the answer."""
    which = PROPERTIES[request.wanted.value]
    if len(found.candidates) == 1:
        (first,) = found.candidates
        yield Line("FOUND", f"{first.hash[:SHORT]} is the first commit {which}", Tone.BAD)
        yield Line("subject", first.subject)
        yield Line("author", f"{first.author}, {first.date}")
        if found.changed:
            yield Line("changed", ", ".join(found.changed))
    else:
        what = f"one of {len(found.candidates)} commits is the first {which}"
        yield Line("NOT FOUND", f"{what}; the commits between them could not be run", Tone.UNSURE)
        for commit in found.candidates[:MOST_COMMITS]:
            yield Line("", f"{commit.hash[:SHORT]} {commit.subject}")
    yield from _how(found, request)
    if len(found.candidates) == 1:
        yield Line("more", f"git show {found.candidates[0].hash[:SHORT]}")


def _how(found: Found, request: Request) -> Iterator[Line]:
    """Yield lines that say how the commit was found, and how sure the answer is."""
    everything = (*found.ends.tried, *found.tried)
    runs = sum(one.runs for one in everything)
    each = f"up to {count(found.ends.trial.runs, 'run')} of each"
    yield Line("tested", f"{count(len(everything), 'commit')} with {count(runs, 'run')}, {each}")
    yield Line("certainty", _certainty(found, request))
    skipped = [one for one in found.tried if one.outcome.value == "skipped"]
    for number, one in enumerate(skipped[:MOST_COMMITS]):
        yield Line("" if number else "skipped", _skipped(one))


def _certainty(found: Found, request: Request) -> str:
    missed = found.ends.missed
    if missed is None:
        return "both ends repeat their own numbers, so one run of each commit is enough"
    whole = min(1.0, missed * found.tried_good)
    return (
        f"a fault that shows as often as at {request.bad} is missed at a commit with a chance of "
        f"{missed:.1%}, so at any of the {found.tried_good} that passed with {whole:.1%} at most"
    )


def _skipped(one: Tried) -> str:
    return f"{one.commit[:SHORT]}: {one.reason}"
