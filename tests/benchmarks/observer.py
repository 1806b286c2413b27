"""`python -m tests.benchmarks.observer FOLDER`: does being recorded change a program?

Each program that is reproducible, or that fails in a reproducible way, runs twice as it is and once under
`detaudit record` at each level. What the two plain runs have in common (lines printed, exit status, and the
bits of all tensors and generators that are alive at the end) has to be there in the recorded run too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from detaudit.trace.reader import TraceReader
from tests.benchmarks.running import Outcome, detaudit_command, plain_command, run_command
from tests.programs import Program, load_programs

PROBE = Path(__file__).parent / "probe"
LEVELS = ("step", "layer", "op")
COLUMNS = "{:<34.34} {:<6} {:>7} {:>7} {:>7} {:>8}  {}"
TITLES = ("program", "level", "lines", "tensors", "plain s", "record s", "")


@dataclass(frozen=True)
class Ending:
    """What a run left behind: its outcome, and what was alive when its processes ended."""

    outcome: Outcome
    alive: Counter[str]
    """How often each fingerprint of a tensor or generator occurred, all processes together."""


@dataclass(frozen=True)
class Expected:
    """What two plain runs have in common."""

    exit_code: int
    stdout: Counter[str]
    stderr: Counter[str]
    """Lines that both print, and print equally often."""
    alive: Counter[str]
    seconds: float


@dataclass(frozen=True)
class Observation:
    """One program at one level, and each way in which recording changed it."""

    program: Program
    level: str
    expected: Expected
    recorded_seconds: float
    differences: tuple[str, ...]


def main() -> int:
    """Run the programs, print the table and the counts, and return the exit status."""
    options = _parse()
    wanted = set(options.only.split(",")) if options.only else None
    programs = [
        p for p in load_programs(options.folder) if p.observable and (not wanted or p.identity in wanted)
    ]
    if not programs:
        print("no program to observe", file=sys.stderr)
        return 2
    print(COLUMNS.format(*TITLES))
    observations = []
    for program in programs:
        expected = expect(program)
        for level in options.levels.split(","):
            observations.append(observe(program, level, expected))
            print(_row(observations[-1]), flush=True)
    changed = sum(bool(o.differences) for o in observations)
    print(
        f"\n{len(programs)} programs, {len(observations)} recorded runs, {changed} changed by being recorded"
    )
    return 1 if changed else 0


def expect(program: Program) -> Expected:
    """Run a program twice as it is, and keep what both runs have in common."""
    first, second = (run_probed(plain_command(program)) for _ in range(2))
    return what_both_have(first, second)


def what_both_have(first: Ending, second: Ending) -> Expected:
    """Keep what two plain runs have in common."""
    return Expected(
        exit_code=first.outcome.exit_code,
        stdout=_steady_lines(first.outcome.stdout, second.outcome.stdout),
        stderr=_steady_lines(first.outcome.stderr, second.outcome.stderr),
        alive=first.alive & second.alive,
        seconds=min(first.outcome.seconds, second.outcome.seconds),
    )


def observe(program: Program, level: str, expected: Expected) -> Observation:
    """Run a program under `detaudit record`, and say what is not as in the plain runs."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "recorded.trace"
        recorded = run_probed(detaudit_command("record", program, "-o", str(trace), "--level", level))
        if trace.exists():
            with TraceReader(trace) as reader:
                differences = changes(expected, recorded, reader)
        else:
            differences = ["no trace"]
    return Observation(program, level, expected, recorded.outcome.seconds, tuple(differences))


def changes(expected: Expected, recorded: Ending, trace: TraceReader) -> list[str]:
    """Say what is not as in the plain runs. The exit status is the program's own, as its trace states it."""
    status = trace.info.exit_code
    differences = (
        [] if status == expected.exit_code else [f"exit status {status} instead of {expected.exit_code}"]
    )
    differences += _missing("stdout", expected.stdout, _lines(recorded.outcome.stdout))
    differences += _missing("stderr", expected.stderr, _lines(recorded.outcome.stderr))
    differences += _missing("bits", expected.alive, recorded.alive)
    return differences


def run_probed(command: list[str]) -> Ending:
    """Run a command with the probe in every Python process that it starts."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_command(command, {"PYTHONPATH": str(PROBE), "PROBE_FOLDER": folder})
        found = [line for file in Path(folder).glob("*.txt") for line in file.read_text().splitlines()]
    return Ending(outcome, Counter(found))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.observer", description=__doc__)
    parser.add_argument("folder", type=Path, help="programs, with a cases.json or with '# expect:' comments")
    parser.add_argument("--only", metavar="ID,...", help="run these programs alone")
    parser.add_argument("--levels", default=",".join(LEVELS), help="levels to record at (%(default)s)")
    return parser.parse_args()


def _lines(text: str) -> Counter[str]:
    return Counter(text.splitlines())


def _steady_lines(first: str, second: str) -> Counter[str]:
    other = _lines(second)
    return Counter({line: count for line, count in _lines(first).items() if count == other[line]})


def _missing(what: str, expected: Counter[str], got: Counter[str]) -> list[str]:
    """Name what is not there, and lines that come too often; detaudit may add lines of its own."""
    missing = expected - got
    doubled = (
        [] if what == "bits" else [line for line in expected if line.strip() and got[line] > expected[line]]
    )
    found = []
    if missing:
        found.append(f"{what}: {missing.total()} of {expected.total()} missing, {next(iter(missing))!r}")
    if doubled:
        found.append(f"{what}: {len(doubled)} lines too often, {doubled[0]!r}")
    return found


def _row(observation: Observation) -> str:
    expected = observation.expected
    return COLUMNS.format(
        observation.program.identity,
        observation.level,
        expected.stdout.total(),
        expected.alive.total(),
        f"{expected.seconds:.1f}",
        f"{observation.recorded_seconds:.1f}",
        "CHANGED " + "; ".join(observation.differences) if observation.differences else "same",
    )


if __name__ == "__main__":
    sys.exit(main())
