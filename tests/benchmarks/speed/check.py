"""What `detaudit check` costs as a whole, start-up and imports included, over one plain run of the script."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence

from detaudit.errors import EXIT_NOT_REPRODUCIBLE
from tests.benchmarks.speed.processes import DETAUDIT, PROGRAMS, Ended, cores, on_one_core, timed
from tests.benchmarks.speed.rows import Bar, Row, ratios, row_of

PART = "check"
SCRIPT = str(PROGRAMS / "convnet.py")
ROUNDS = 3

LEAST_SECONDS, AIM_SECONDS = 20.0, 22.0
"""How long the script takes, so that start-up is a small part of it, as it is for users."""
FIRST_STEPS = 30

SEQUENTIAL_BAR, JOBS_BAR = Bar(2.3), Bar(1.4)

RUN_STARTED = re.compile(r"run \d+ of \d+ started, level (\w+)")
RUN_ENDED = re.compile(r"run \d+ of \d+ ended: (\d+) steps? in ([\d.]+) s")


def rows(*, quick: bool = False) -> list[Row]:
    """The rows of this part."""
    steps = _long_enough()
    plain: list[Ended] = []
    sequential: list[Ended] = []
    jobs: list[Ended] = []
    for _ in range(1 if quick else ROUNDS):
        with on_one_core():
            plain.append(timed([sys.executable, SCRIPT, str(steps)]))
            sequential.append(timed(_check([], steps)))
        if cores() > 1:
            jobs.append(timed(_check(["--jobs", "2"], steps)))
    return [
        row_of(PART, f"the plain script, {steps} steps: seconds", _wall(plain)),
        *_over(plain, sequential, "check of a clean script", SEQUENTIAL_BAR),
        *_over(plain, jobs, "check --jobs 2 of it", JOBS_BAR),
        *_faulty(steps),
    ]


def _over(plain: Sequence[Ended], checks: Sequence[Ended], what: str, bar: Bar) -> Iterator[Row]:
    if checks:
        yield row_of(PART, f"{what}, over one plain run", ratios(_wall(checks), _wall(plain)), bar)
        used = [[one.processor for one in ended] for ended in (checks, plain)]
        yield row_of(PART, f"{what}: processor time over one plain run", ratios(*used))


def _wall(ended: Sequence[Ended]) -> list[float]:
    return [one.seconds for one in ended]


def _long_enough() -> int:
    """A number of steps with which the script takes long enough on this machine."""
    steps = FIRST_STEPS
    while True:
        with on_one_core():
            ended = timed([sys.executable, SCRIPT, str(steps)])
        if ended.seconds >= LEAST_SECONDS:
            return steps
        steps = math.ceil(steps * AIM_SECONDS / float(ended.output))


def _check(options: Sequence[str], *arguments: int) -> list[str]:
    return [*DETAUDIT, "check", SCRIPT, *options, "--", *map(str, arguments)]


def _faulty(steps: int) -> Iterator[Row]:
    """A script with one unseeded draw in the middle: how far the runs go that look closer, and the whole."""
    with on_one_core():
        plain = timed([sys.executable, SCRIPT, str(steps)]).seconds
        located, diagnosed = (
            timed(_check(options, steps, steps // 2), EXIT_NOT_REPRODUCIBLE)
            for options in (["--no-diagnose"], [])
        )
    closer = closer_runs(located)
    what = f"a fault in step {steps // 2} of {steps}"
    yield row_of(
        PART, f"{what}: steps of a run that looks closer, over all", [one[0] / steps for one in closer]
    )
    yield row_of(PART, f"{what}: time of such a run, over one plain run", [one[1] / plain for one in closer])
    yield row_of(PART, f"{what}: check --no-diagnose, over one plain run", [located.seconds / plain])
    yield row_of(
        PART, f"{what}: check with the cause and its proof, over one plain run", [diagnosed.seconds / plain]
    )


def closer_runs(check: Ended) -> list[tuple[int, float]]:
    """Steps and seconds of the runs at level `op`, as a check told its progress."""
    level, found = "", []
    for line in check.progress.splitlines():
        if started := RUN_STARTED.search(line):
            level = started[1]
        elif (ended := RUN_ENDED.search(line)) and level == "op":
            found.append((int(ended[1]), float(ended[2])))
    return found
