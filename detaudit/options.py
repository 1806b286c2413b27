"""The table of options: what can be asked for, in files, in the environment and on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PREFIX = "DETAUDIT_"
LARGEST_SEED = 2**32 - 1
"""numpy takes no larger one."""
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
class Settings:
    """All options, resolved."""

    runs: int = 2
    steps: int | None = None
    scope: str = "all"
    """The part of a run that is asked about: all, or the training alone."""
    level: str = "auto"
    seed: int = 0
    timeout: float | None = None
    jobs: str = AUTO
    """Runs at a time: a number, or `auto`: the first ones one by one, further ones as the machine carries."""
    diagnose: bool = True
    """Whether to look for the cause where runs differ."""
    budget: str = BUDGET
    """The limit for finding the cause: a number of further runs, or seconds (`300s`)."""
    repro: Path | None = None
    """The folder for scripts that show a nondeterministic operator differing by itself."""
    fix: Path | None = None
    """The folder for a patched copy of the target."""
    perturb: str | None = None
    """The things to change, one at a time, where the runs agree: names, or `all`."""
    vary: tuple[str, ...] = ()
    """Axes with their values, `threads=1,2`, along which the target is run."""
    keep: Path | None = None
    json: str | None = None
    """The file for the JSON result; `-` is standard output, as for the other reports."""
    markdown: str | None = None
    junit: str | None = None
    sarif: str | None = None
    github: bool = False
    """Whether annotations for GitHub's log go to standard output."""
    lock: Path | None = None
    """The lock that runs are held against."""
    tolerance: float | None = None
    """The relative difference up to which a run counts as the same as its reference."""
    against: str | None = None
    """The git reference that the work tree is held against."""
    link: str | None = None
    """Folders that git ignores and the other commit needs as well, with commas between them."""
    update: bool = False
    """In pytest, and where CI is set: whether locks are written anew."""
    report: str | None = None
    """In pytest: FORMAT:PATH, with commas between several."""

    @property
    def first_jobs(self) -> int:
        """How many of the first runs go side by side: one by one, if that is not asked for."""
        return 1 if self.jobs == AUTO else int(self.jobs)


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
    """Names of which it takes any number, with commas between them; `all` means all, and so does `--name`."""
    repeated: bool = False
    """True if it may be given several times: one per line in the environment, a list in files."""
    is_path: bool = False
    """True if it names a file or folder; one in a configuration file is relative to that file."""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()


OPTIONS = (
    Option("runs", int, "N", "how many times the target is run (default: 2)", least=2),
    Option("steps", int, "N", "stop each run after N steps (default: when it ends by itself)", least=1),
    Option(
        "scope",
        str,
        "SCOPE",
        "what must be the same: all (default), or training: where only evaluations differ, that is a notice",
        choices=("all", "training"),
    ),
    Option(
        "level",
        str,
        "LEVEL",
        "how much is recorded: step, layer, op, or auto (default): layer, then op where the runs differ",
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
    Option(
        "timeout", float, "SECONDS", "how long one run may take (default: as long as it likes)", least=0.001
    ),
    Option(
        "jobs",
        str,
        "N|auto",
        "how many runs at a time; auto (default): the first ones one by one, and while the cause is looked "
        "for, as many as cores and memory carry, if the runs write no file in common",
        pattern=r"auto|[1-9]\d{0,3}",
    ),
    Option("diagnose", bool, "", "where runs differ, look for the cause, or do not (default: look)"),
    Option(
        "budget",
        str,
        "RUNS|SECONDSs",
        "how many further runs, or seconds (as 300s), looking for the cause may cost (default: "
        f"{BUDGET} runs); then the answer is given as far as it is known",
        pattern=r"\d{1,6}|\d{1,6}(\.\d+)?s",
    ),
    Option(
        "repro",
        str,
        "FOLDER",
        "write a script there that shows a nondeterministic operator by itself",
        is_path=True,
    ),
    Option(
        "fix",
        str,
        "FOLDER",
        "write a patched copy of the target there, where the change is a mechanical one, and check it",
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
    Option("keep", str, "FOLDER", "keep the traces and the output of the runs there", is_path=True),
    Option("json", str, "FILE", "write the result as JSON there; - is standard output", is_path=True),
    Option(
        "markdown", str, "FILE", "write the answer as Markdown there, for a comment; - as above", is_path=True
    ),
    Option("junit", str, "FILE", "write the answer as JUnit XML there; - as above", is_path=True),
    Option("sarif", str, "FILE", "write the findings as SARIF there; - as above", is_path=True),
    Option("github", bool, "", "print annotations for a GitHub workflow, or do not (default: do not)"),
    Option(
        "lock", str, "FILE", "hold the run against this lock, which `detaudit lock` has written", is_path=True
    ),
    Option(
        "tolerance",
        float,
        "X",
        "where the bits of a reference cannot be expected (a lock from another environment), or differ: the "
        "relative difference up to which numbers count as the same",
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
    Option("report", str, "FORMAT:PATH,...", "in pytest: write the results of all audits there"),
)

BY_NAME = {option.name: option for option in OPTIONS}
