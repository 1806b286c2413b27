"""How long it takes until detaudit is there: fresh processes in turns, beside `python -c pass`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from detaudit.errors import EXIT_NOT_REPRODUCIBLE
from tests.benchmarks.speed.processes import DETAUDIT, on_one_core, timed
from tests.benchmarks.speed.rows import Bar, Row, interleaved, ratios, row_of

PART = "startup"
ROUNDS = 25
QUICK_ROUNDS = 7

BARE = "python -c pass"
BARS = {"import detaudit": 30.0, "detaudit --help": 150.0, "detaudit report x.json": 400.0}
"""Milliseconds over `python -c pass` that each may take."""

PLUGIN = "pytest_detaudit.plugin"
PLUGIN_BAR = 5.0
IMPORT_PLUGIN = f"""\
import time, pytest
start = time.perf_counter()
import {PLUGIN}
print(time.perf_counter() - start)
"""
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def rows(*, quick: bool = False) -> list[Row]:
    """The rows of this part."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder, on_one_core():
        commands = _commands(Path(folder))
        runners = [partial(timed, *command) for command in commands.values()]
        # The first process of each compiles what it imports, and reads it from the disk.
        interleaved(runners, 1)
        taken = interleaved(runners, rounds)
        imports = [float(timed([sys.executable, "-c", IMPORT_PLUGIN]).output) for _ in range(rounds)]
    return rows_from(dict(zip(commands, taken, strict=True)), imports)


def rows_from(taken: dict[str, list[float]], imports: Sequence[float]) -> list[Row]:
    """The rows from the seconds of each command and of the plugin's import, round by round."""
    bare = taken[BARE]
    made = [row_of(PART, f"{BARE}, ms", _milliseconds(bare))]
    for name, limit in BARS.items():
        more = [one - nothing for one, nothing in zip(taken[name], bare, strict=True)]
        made.append(row_of(PART, f"{name}, ms over {BARE}", _milliseconds(more), Bar(limit)))
        made.append(row_of(PART, f"{name}, over {BARE}", ratios(taken[name], bare)))
    made.append(
        row_of(PART, "import of the plugin behind pytest, ms", _milliseconds(imports), Bar(PLUGIN_BAR))
    )
    made.extend(_sessions(taken["pytest with the plugin"], taken["pytest without it"], bare))
    return made


def _sessions(with_it: Sequence[float], without: Sequence[float], bare: Sequence[float]) -> list[Row]:
    more = [one - other for one, other in zip(with_it, without, strict=True)]
    # No bar here: a session takes some hundred times the bar, and varies by more than it.
    return [
        row_of(PART, "a session of pytest with the plugin, ms over one without", _milliseconds(more)),
        row_of(PART, f"a session of pytest with the plugin, over {BARE}", ratios(with_it, bare)),
    ]


def _commands(folder: Path) -> dict[str, tuple[list[str], int]]:
    """Every command by what the table calls it, and the exit status that it must have."""
    result, test = folder / "x.json", folder / "test_nothing.py"
    result.write_bytes(_result(folder))
    test.write_text("def test_nothing():\n    pass\n", encoding="utf-8")
    session = [*PYTEST, "--rootdir", str(folder), str(test)]
    return {
        BARE: ([sys.executable, "-c", "pass"], 0),
        "import detaudit": ([sys.executable, "-c", "import detaudit"], 0),
        "detaudit --help": ([*DETAUDIT, "--help"], 0),
        "detaudit report x.json": ([*DETAUDIT, "report", str(result)], EXIT_NOT_REPRODUCIBLE),
        "pytest with the plugin": (session, 0),
        "pytest without it": ([*session, "-p", "no:detaudit"], 0),
    }


def _result(folder: Path) -> bytes:
    """A result as `check` writes it: of one of the examples, with a cause that was confirmed."""
    file = folder / "result.json"
    command = [*DETAUDIT, "check", "-m", "detaudit.examples.unseeded_augmentation", "--steps", "3"]
    timed([*command, "--json", str(file)], EXIT_NOT_REPRODUCIBLE)
    return file.read_bytes()


def _milliseconds(seconds: Sequence[float]) -> list[float]:
    return [1000 * one for one in seconds]
