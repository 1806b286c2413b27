"""`python -m tests.benchmarks.variety FOLDER`: are recorded runs as various as plain ones?

Two runs of a faulty program may agree by chance. If recording made that more likely, faults would be missed.
So each program runs eleven times as it is and eleven times under `detaudit record`, in turns, and each run is
held against the next one of its kind: by what it printed, and by the bits of the tensors that were alive when
it ended. The status is 1 if recorded runs differ less often than plain ones, by Fisher's exact test, in one
program or in all together.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from math import comb
from pathlib import Path

from tests.benchmarks.observer import Ending, run_probed
from tests.benchmarks.running import detaudit_command, plain_command
from tests.programs import Program, load_programs

CAUSES = (
    "address-order",
    "completion-order",
    "nondeterministic-op",
    "thread-race",
    "uninitialized-memory",
    "worker-order",
)
"""Causes of which the outcome is up to the heap or the scheduler; two runs with any other differ surely."""
CHANCE = 0.01
"""How unlikely it must be that rates differ by chance alone before a program counts as less various."""
COLUMNS = "{:<36.36} {:>12} {:>12} {:>12} {:>12} {:>8}  {}"
TITLES = ("program", "plain bits", "recorded", "plain text", "recorded", "chance", "")


@dataclass(frozen=True)
class Result:
    """What a run ended with."""

    printed: str
    tensors: Counter[str]


@dataclass(frozen=True)
class Rate:
    """How many pairs of runs differ."""

    differing: int
    pairs: int

    def __str__(self) -> str:
        """As in a table."""
        return f"{self.differing} / {self.pairs}"

    def __add__(self, other: Rate) -> Rate:
        """Both together."""
        return Rate(self.differing + other.differing, self.pairs + other.pairs)


@dataclass(frozen=True)
class Variety:
    """The runs of one program, plain and recorded."""

    program: Program
    plain: tuple[Result, ...]
    recorded: tuple[Result, ...]

    @property
    def bits(self) -> tuple[Rate, Rate]:
        """How often runs end with other tensors: plain ones, recorded ones."""
        return _rate([one.tensors for one in self.plain]), _rate([one.tensors for one in self.recorded])

    @property
    def text(self) -> tuple[Rate, Rate]:
        """How often runs print something else."""
        return _rate([one.printed for one in self.plain]), _rate([one.printed for one in self.recorded])

    @property
    def chance(self) -> float:
        """How likely it is that recorded runs differ so rarely if they are as various as plain ones."""
        return min(less_by_chance(*self.bits), less_by_chance(*self.text))


def main() -> int:
    """Run the programs, print a row for each and the sums, and return the exit status."""
    options = _parse()
    programs = choose(options.folder, options.only)
    if not programs:
        print("no program to run", file=sys.stderr)
        return 2
    print(COLUMNS.format(*TITLES).rstrip())
    found = []
    for program in programs:
        found.append(measure(program, options.pairs + 1))
        print(_row(program.identity, found[-1].bits, found[-1].text, found[-1].chance), flush=True)
    bits, text = _sum([one.bits for one in found]), _sum([one.text for one in found])
    chance = min(less_by_chance(*bits), less_by_chance(*text))
    print(_row(f"all {len(found)}", bits, text, chance))
    return 1 if any(one.chance < CHANCE for one in found) or chance < CHANCE else 0


def choose(folder: Path, only: str | None) -> list[Program]:
    """Return the programs of a folder that differ by chance; all of them where no faults are stated."""
    told = load_programs(folder)
    if not told:
        told = [Program(path.stem, path, "unknown") for path in sorted(folder.glob("*.py"))]
    if only is not None:
        return [one for one in told if one.identity in only.split(",")]
    return [one for one in told if _left_to_chance(one) and not one.hangs and not one.shared]


def measure(program: Program, runs: int) -> Variety:
    """Run a program in turns, plain and recorded: the load of the machine is then the same for both."""
    plain, recorded = [], []
    for _ in range(runs):
        plain.append(_result(run_probed(plain_command(program))))
        with tempfile.TemporaryDirectory() as folder:
            trace = str(Path(folder, "recorded.trace"))
            recorded.append(_result(run_probed(detaudit_command("record", program, "-o", trace))))
    return Variety(program, tuple(plain), tuple(recorded))


def less_by_chance(plain: Rate, recorded: Rate) -> float:
    """Return how likely so few recorded pairs differ if both kinds differ equally often (Fisher)."""
    differing = plain.differing + recorded.differing
    ways = comb(plain.pairs + recorded.pairs, differing)
    few = range(max(0, differing - plain.pairs), recorded.differing + 1)
    return sum(comb(recorded.pairs, n) * comb(plain.pairs, differing - n) for n in few) / ways


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.variety", description=__doc__)
    parser.add_argument("folder", type=Path, help="programs, with or without a statement of their faults")
    parser.add_argument("--only", metavar="ID,...", help="run these programs alone")
    parser.add_argument("--pairs", type=int, default=10, help="pairs of runs, each way (%(default)s)")
    return parser.parse_args()


def _left_to_chance(program: Program) -> bool:
    causes = {cause for fault in program.faults for cause in fault.causes}
    return program.verdict == "unknown" or not causes.isdisjoint(CAUSES)


def _result(ending: Ending) -> Result:
    # A generator that nothing seeds or draws from differs in any two runs.
    tensors = {line: count for line, count in ending.alive.items() if line.startswith("tensor ")}
    return Result(ending.outcome.stdout, Counter(tensors))


def _rate(results: list[Counter[str]] | list[str]) -> Rate:
    """How many differ from the next one."""
    return Rate(sum(one != other for one, other in pairwise(results)), len(results) - 1)


def _sum(rates: list[tuple[Rate, Rate]]) -> tuple[Rate, Rate]:
    plain, recorded = zip(*rates, strict=True)
    return sum(plain, Rate(0, 0)), sum(recorded, Rate(0, 0))


def _row(name: str, bits: tuple[Rate, Rate], text: tuple[Rate, Rate], chance: float) -> str:
    mark = "LESS VARIOUS" if chance < CHANCE else ""
    return COLUMNS.format(name, *map(str, (*bits, *text)), f"{chance:.3f}", mark).rstrip()


if __name__ == "__main__":
    sys.exit(main())
