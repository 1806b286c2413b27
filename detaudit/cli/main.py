"""Take the command line apart, call the verb, print what went wrong, and give the exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import signal
import sys
import traceback
from typing import Any, Never, NoReturn

from detaudit import __version__, nested
from detaudit.errors import EXIT_INTERRUPTED, EXIT_UNVERIFIED, DetauditError, UsageError

VERBS = {
    "check": "Run a training several times and say whether the runs are the same, and if not, where they "
    "part.",
    "lock": "Write digests of a training's first steps into a lock, for `detaudit check --lock` to hold runs "
    "against.",
    "record": "Run a training once and write a trace, to be compared later with `detaudit diff`.",
    "diff": "Compare two traces and say whether the runs are the same, and if not, where they part.",
    "bisect": "Find the commit that broke reproducibility, or changed the numbers.",
    "report": "Show a result again that was saved with --json, or those of a session of pytest.",
    "explain": "Show the page for a cause (what it is, how it shows, what to change) or for a topic.",
    "env": "Show the versions, flags and settings that matter for reproducibility here.",
}
"""Each verb is a module of this package; only the module of the verb that is called is loaded."""

STARTING = frozenset({"check", "lock", "record", "bisect"})
"""The verbs that start programs."""

EPILOG = """\
exit codes: 0 reproducible, 1 not reproducible, 2 unverified or could not run, 130 interrupted
`detaudit VERB --help` says more about each of them."""


class Parser(argparse.ArgumentParser):
    """A parser that raises what it finds wrong, so that all errors look alike."""

    def error(self, message: str) -> Never:
        """Raise UsageError."""
        raise UsageError("usage", message, f"see `{self.prog} --help`")


def main_exit() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    # Unlike the default, this unwinds: the runs under way are ended and their folder is removed.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
    sys.exit(code)


def main(argv: list[str]) -> int:
    """Run the command line and return its exit code; nothing is raised."""
    try:
        return _run(argv)
    except DetauditError as error:
        _explain(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("detaudit: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; the answer was not wholly told, though.
        _forget_output()
        return EXIT_UNVERIFIED
    except Exception as error:  # noqa: BLE001 - the last resort: a bug is told as one
        _explain_bug(error)
        return EXIT_UNVERIFIED


def _run(argv: list[str]) -> int:
    if argv and argv[0] in STARTING:
        nested.refuse(f"detaudit {shlex.join(argv)}")
    own, passed_on = split(argv)
    try:
        arguments, unknown = build_parser(own[0] if own else "").parse_known_args(own)
    except SystemExit as exit_of_help:
        return int(exit_of_help.code or 0)
    if unknown:
        hint = f"see `detaudit {arguments.verb} --help`"
        if hasattr(arguments, "passed_on"):
            hint = (
                "arguments for the target itself go after --, as in `detaudit check train.py -- --epochs 3`"
            )
        raise UsageError("usage", f"unknown arguments: {' '.join(unknown)}", hint)
    if passed_on is not None:
        if not hasattr(arguments, "passed_on"):
            raise UsageError("usage", f"{arguments.verb} runs no target, so it takes no arguments after --")
        arguments.passed_on = tuple(passed_on)
    return int(_module(arguments.verb).run(arguments))


def split(argv: list[str]) -> tuple[list[str], list[str] | None]:
    """Part the arguments at the first `--`: detaudit's own, and the target's (None without `--`)."""
    if "--" not in argv:
        return argv, None
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def build_parser(called: str) -> Parser:
    """Build the parser for all verbs, with the options of the verb that is called."""
    parser = Parser(
        prog="detaudit",
        description="Runs a PyTorch training twice, says whether the runs are the same bit for bit, "
        "and if not, where they part.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"detaudit {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, summary in VERBS.items():
        brief = summary[0].lower() + summary[1:].rstrip(".")
        described = verbs.add_parser(name, help=brief, description=summary, allow_abbrev=False)
        if name == called:
            _module(name).configure(described)
    return parser


def _module(verb: str) -> Any:  # noqa: ANN401 - modules have no common type that says what is in them
    return importlib.import_module(f"detaudit.cli.{verb}")


def _explain(error: DetauditError) -> None:
    print(f"detaudit: {error.message} [{error.slug}]", file=sys.stderr)
    if error.hint:
        print(f"  hint: {error.hint}", file=sys.stderr)
    if debugging():
        traceback.print_exception(error)


def _explain_bug(error: Exception) -> None:
    what = f"{type(error).__name__}: {error}"
    print(f"detaudit: this is a bug in detaudit, not in your program: {what} [internal]", file=sys.stderr)
    if debugging():
        traceback.print_exception(error)
    else:
        print("  hint: set DETAUDIT_DEBUG=1 for the traceback, and please report it", file=sys.stderr)


def debugging() -> bool:
    """Say whether the user wants tracebacks."""
    return os.environ.get("DETAUDIT_DEBUG", "") not in {"", "0"}


def _forget_output() -> None:
    """Point standard output to nowhere, so that Python does not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
