"""The table of options: what can be asked for, in files, in the environment and on the command line.

A value that an option cannot have is refused here, wherever it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from detaudit.errors import UsageError

PREFIX = "DETAUDIT_"
LARGEST_SEED = 2**32 - 1
"""numpy accepts no larger seed."""
PERTURBATIONS = (
    "hash-seed",
    "file-order",
    "clock",
    "fresh-memory",
    "thread-schedule",
    "addresses",
    "threads",
    "working-directory",
    "locale-and-time-zone",
    "environment",
)
"""The things that can be made to vary: names of sources, known without importing the sources."""

Scalar = int | float | str
Value = Scalar | tuple[str, ...]
"""The value of an option: one thing, or the texts of an option that may be given several times."""
AUTO = "auto"
BUDGET = "32"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its name in files, `--name` on the command line, `DETAUDIT_NAME` in the environment.

    One of the type bool is true or false in files, 1 or 0 in the environment, `--name` or `--no-name` on the
    command line.
    """

    name: str
    type: type[Scalar]
    metavar: str
    help: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    """A regular expression that a text must match as a whole; a number in a file is read as text."""
    several: tuple[str, ...] = ()
    """The names that the option takes, any number of them, with commas between them; `all` means all names,
    and so does `--name` alone."""
    repeated: bool = False
    """True if the option may be given several times: one per line in the environment, a list in files."""
    is_path: bool = False
    """True if the value is the path of a file or folder; in a configuration file, the path is relative to
    that file."""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()


OPTIONS = (
    Option("runs", int, "N", "how many times the target is run (default: 2)", least=2),
    Option(
        "launch",
        str,
        "COMMAND",
        "the launcher that starts the script or module, in quotes: 'torchrun --nproc-per-node 2'",
        pattern=r".*\S.*",
    ),
    Option("steps", int, "N", "stop each run after N steps (default: when it ends by itself)", least=1),
    Option(
        "scope",
        str,
        "SCOPE",
        "what must be the same: all (default), or training: a difference in evaluations is then a notice",
        choices=("all", "training"),
    ),
    Option(
        "level",
        str,
        "LEVEL",
        "how closely runs are recorded: step, layer, op, or auto (default): layer, and op if runs differ",
        choices=("auto", "step", "layer", "op"),
    ),
    Option(
        "seed",
        int,
        "N",
        "seed for targets that do not seed themselves (default: 0)",
        least=0,
        most=LARGEST_SEED,
    ),
    Option("timeout", float, "SECONDS", "how long one run may take (default: no limit)", least=0.001),
    Option(
        "jobs",
        str,
        "N|auto",
        "how many runs at a time; auto (default): the first runs one by one, and in the search for the cause "
        "as many as cores and memory allow, if no two runs write the same file",
        pattern=r"auto|[1-9]\d{0,3}",
    ),
    Option("diagnose", bool, "", "where runs differ, look for the cause, or do not (default: look)"),
    Option(
        "budget",
        str,
        "RUNS|SECONDSs",
        "how many further runs, or seconds (as 300s), the search for the cause may take (default: "
        f"{BUDGET} runs); after that, the answer says what is known by then",
        pattern=r"\d{1,6}|\d{1,6}(\.\d+)?s",
    ),
    Option(
        "repro",
        str,
        "FOLDER",
        "write to this folder a script that shows a nondeterministic operator by itself",
        is_path=True,
    ),
    Option(
        "fix",
        str,
        "FOLDER",
        "write a patched copy of the target to this folder, if the change is a mechanical one, and check it",
        is_path=True,
    ),
    Option(
        "perturb",
        str,
        "NAME,...",
        "where the runs agree, change what should not matter, one thing at a time, and run again: all (which "
        f"--perturb by itself means), or any of {', '.join(PERTURBATIONS)}",
        several=PERTURBATIONS,
    ),
    Option(
        "vary",
        str,
        "AXIS=A,B",
        "run with each of these values and compare: threads=1,2, workers=0,2, hash-seed=0,1, device=cpu,cuda "
        'dtype=float32,bfloat16, batch=1,8, env:NAME=A,B, args="","--fast", ...; may be given several times',
        repeated=True,
    ),
    Option("keep", str, "FOLDER", "keep the traces and the output of the runs in this folder", is_path=True),
    Option("json", str, "FILE", "write the result as JSON to this file; - is standard output", is_path=True),
    Option(
        "markdown",
        str,
        "FILE",
        "write the answer as Markdown to this file, for a comment; - as above",
        is_path=True,
    ),
    Option("junit", str, "FILE", "write the answer as JUnit XML to this file; - as above", is_path=True),
    Option("sarif", str, "FILE", "write the findings as SARIF to this file; - as above", is_path=True),
    Option("github", bool, "", "print annotations for a GitHub workflow, or do not (default: do not)"),
    Option(
        "lock", str, "FILE", "hold the run against this lock, which `detaudit lock` has written", is_path=True
    ),
    Option(
        "tolerance",
        float,
        "X",
        "the relative difference up to which numbers count as the same, if bits differ from the reference, "
        "or cannot be expected to agree (a lock from another environment)",
        least=0.0,
    ),
    Option("against", str, "GITREF", "hold the work tree against this commit, branch or tag"),
    Option(
        "link",
        str,
        "PATH,...",
        "with --against and bisect: files and folders that git ignores and the other commit needs as well",
    ),
    Option("update", bool, "", "in pytest, and where CI is set: write locks anew (default: do not)"),
    Option("report", str, "FORMAT:PATH,...", "in pytest: write the results of all audits to this file"),
)

TRUTHS = {"1": True, "true": True, "0": False, "false": False}
"""The words for yes and no in the environment."""

BY_NAME = {option.name: option for option in OPTIONS}


def parse(option: Option, text: str, source: str) -> Value:
    """Read an option's value from text. Raises UsageError if it is not of the option's type."""
    try:
        return TRUTHS[text.lower()] if option.type is bool else option.type(text)
    except (KeyError, ValueError):
        raise _wrong(option, text, source) from None


def checked(option: Option, value: object, source: str) -> Value:
    """Return the value if it is one the option can have. Raises UsageError otherwise."""
    if option.several:
        return _names(option, value, source)
    if option.repeated:
        return _texts(option, value, source)
    if option.pattern and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if option.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # To Python a bool is a whole number as well.
    if not isinstance(value, option.type) or isinstance(value, bool) is not (option.type is bool):
        raise _wrong(option, value, source)
    if option.choices and value not in option.choices:
        raise _wrong(option, value, source)
    if isinstance(value, str):
        if not value or (option.pattern and not re.fullmatch(option.pattern, value)):
            raise _wrong(option, value, source)
        return value
    in_range = (option.least is None or value >= option.least) and (
        option.most is None or value <= option.most
    )
    if not in_range or value == float("inf"):
        raise _wrong(option, value, source)
    return value


def _texts(option: Option, value: object, source: str) -> tuple[str, ...]:
    """Check what may be given several times, a list or lines. Raises UsageError for what is neither."""
    texts = value.splitlines() if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts:
        raise _wrong(option, value, source)
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise _wrong(option, value, source)
    return tuple(text.strip() for text in texts)


def _names(option: Option, value: object, source: str) -> str:
    """Check a list of names; the same with commas between them. Raises UsageError for an unknown one."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise _wrong(option, value, source)
    names = [name.strip() for name in names]
    if names == ["all"]:
        return "all"
    unknown = next((name for name in names if name not in option.several), None)
    if unknown is not None:
        raise unknown_name(f"name {unknown!r} in {source}", unknown, ("all", *option.several))
    return ",".join(names)


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """Make the error for a name that nobody knows, with the nearest one that exists."""
    nearest = get_close_matches(name, list(known), n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are: {', '.join(sorted(known))}"
    return UsageError("configuration-unknown", f"unknown {what}", hint)


def _wrong(option: Option, value: object, source: str) -> UsageError:
    return UsageError(
        "configuration-invalid", f"{source}: {value!r} is not possible", f"give {_expected(option)}"
    )


def _expected(option: Option) -> str:
    if option.several:
        return "all, or any of " + ", ".join(option.several)
    if option.repeated:
        return option.metavar
    if option.choices:
        return "one of " + ", ".join(option.choices)
    if option.type is str:
        return option.metavar if option.pattern else "a path"
    if option.type is bool:
        return "true or false"
    noun = "a whole number" if option.type is int else "a number"
    least = "" if option.least is None else f" of at least {option.least:g}"
    most = "" if option.most is None else f" and at most {option.most:.0f}"
    return noun + least + most
