"""What grows with the length of a run, and what must not: memory, the trace, the time of `detaudit diff`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detaudit.errors import EXIT_NOT_REPRODUCIBLE, EXIT_REPRODUCIBLE
from detaudit.trace.reader import TraceReader
from tests.benchmarks.speed.long_trace import Difference, write_trace
from tests.benchmarks.speed.processes import DETAUDIT, PROGRAMS, on_one_core, timed, timed_with_memory
from tests.benchmarks.speed.rows import Bar, Row, row_of

PART = "scale"
PERCEPTRON = PROGRAMS / "perceptron.py"

STEPS = {"step": 100_000, "op": 1_000}
QUICK = 20
"""How many times shorter quick runs and traces are."""
TRACE_STEPS = 100_000
"""Steps of the traces that are compared, with 100 events each."""

GROWTH_BAR = Bar(50.0)
"""MiB by which the memory of a recorded run may grow."""
EVENT_BAR = Bar(60.0)
"""Bytes of the trace file for each event."""
DIFF_BARS = {
    Difference.NONE: Bar(10.0),
    Difference.LAST_STEP: Bar(15.0),
    Difference.EVERYTHING: Bar(15.0),
    Difference.STRINGS: Bar(15.0),
}
"""Seconds that a whole comparison may take. Where only strings differ, no step settles the matter."""
HARMLESS = frozenset({Difference.NONE, Difference.STRINGS})

KIB_PER_MIB = 1024
WARMED_UP = 10
"""Position of the mark from which memory may not grow any more: a tenth of the run."""
DIFF_ROUNDS = 3


Taken = tuple[float, float, float]
"""Seconds and memory of a comparison, and seconds of a report of what it gave."""


@dataclass(frozen=True)
class Marks:
    """What a program noted a hundred times on its way: seconds, memory then and at most so far, in MiB."""

    seconds: tuple[float, ...]
    resident: tuple[float, ...]
    most: tuple[float, ...]

    @property
    def growth(self) -> float:
        """How much more memory there was at the end than at a tenth of the way."""
        return self.resident[-1] - self.resident[min(WARMED_UP, len(self.resident)) - 1]

    @property
    def span(self) -> float:
        """Seconds from the first mark to the last: without what happens once."""
        return self.seconds[-1] - self.seconds[0]


def marks_from(text: str) -> Marks:
    """Read what the program wrote down."""
    table = [tuple(map(float, line.split())) for line in text.splitlines()]
    seconds, resident, most = zip(*table, strict=True)
    return Marks(
        seconds, tuple(one / KIB_PER_MIB for one in resident), tuple(one / KIB_PER_MIB for one in most)
    )


def rows(*, quick: bool = False) -> list[Row]:
    """The rows of this part."""
    shorter = QUICK if quick else 1
    made: list[Row] = []
    with on_one_core():
        for level, steps in STEPS.items():
            with tempfile.TemporaryDirectory() as folder:
                made.extend(_recorded(level, steps // shorter, Path(folder)))
        with tempfile.TemporaryDirectory() as folder:
            made.extend(_compared(TRACE_STEPS // shorter, Path(folder), 1 if quick else DIFF_ROUNDS))
    return made


def _recorded(level: str, steps: int, folder: Path) -> Iterator[Row]:
    trace = folder / "long.trace"
    plain = _run([sys.executable, str(PERCEPTRON), str(steps)], folder)
    command = [*DETAUDIT, "record", str(PERCEPTRON), "--level", level, "-o", str(trace), "--", str(steps)]
    recorded = _run(command, folder)
    with TraceReader(trace) as reader:
        per_event = trace.stat().st_size / reader.event_count
    run = f"{steps:,} steps at level {level}"
    bar = GROWTH_BAR if steps == STEPS[level] else None
    yield row_of(PART, f"{run}: growth of memory, MiB", [recorded.growth], bar)
    yield row_of(PART, f"{run}: peak of memory, MiB over the plain run", [recorded.most[-1] - plain.most[-1]])
    yield row_of(PART, f"{run}: bytes per event", [per_event], EVENT_BAR)
    yield row_of(PART, f"{run}: time of a step over the plain run", [recorded.span / plain.span])


def _run(command: Sequence[str], folder: Path) -> Marks:
    marks = folder / "marks.txt"
    timed([*command, str(marks)])
    return marks_from(marks.read_text(encoding="ascii"))


def _compared(steps: int, folder: Path, rounds: int) -> Iterator[Row]:
    """Compare the trace of a long run with others that differ from it in one way each, in turns."""
    first = folder / "first.trace"
    events = write_trace(first, steps, Difference.NONE)
    others = {difference: folder / f"{difference.name}.trace" for difference in Difference}
    for difference, other in others.items():
        write_trace(other, steps, difference)
    taken: dict[Difference, list[Taken]] = {difference: [] for difference in Difference}
    for _ in range(rounds):
        for difference, other in others.items():
            taken[difference].append(_diff(first, other, difference))
    for difference, all_taken in taken.items():
        what = f"diff of {events / 1e6:g} million events, {difference.value}"
        seconds, memory, report = zip(*all_taken, strict=True)
        bar = DIFF_BARS[difference] if steps == TRACE_STEPS else None
        yield row_of(PART, f"{what}: seconds", seconds, bar)
        yield row_of(PART, f"{what}: peak of memory, MiB", memory)
        yield row_of(PART, f"{what}: seconds of a report of the result", report)


def _diff(first: Path, other: Path, difference: Difference) -> Taken:
    result = other.with_suffix(".json")
    status = EXIT_REPRODUCIBLE if difference in HARMLESS else EXIT_NOT_REPRODUCIBLE
    ended, memory = timed_with_memory(
        [*DETAUDIT, "diff", str(first), str(other), "--json", str(result)], status
    )
    return ended.seconds, memory, timed([*DETAUDIT, "report", str(result)], status).seconds
