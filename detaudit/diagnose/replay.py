"""Replay a saved operator call alone, in fresh processes, and read what they say."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from detaudit.errors import RunError
from detaudit.run import guard

TIMES = 200
STRESS_THREADS = 8
"""More threads than many machines have cores: a race is then lost in nearly every replay."""

SECONDS = 15.0
"""How long one setting is tried for."""

_GRACE_SECONDS = 60.0
"""How long a process may take beyond that: some kernels never return."""

_START = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from detaudit.replay.operators.many_times import main; main(*sys.argv[2:])"
)
_PACKAGE_PARENT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Replay:
    """What an operator gave when it was run many times with the same inputs."""

    times: int
    distinct: int
    """How many different results there were."""
    differs: int
    """How many of the results were not the first one."""
    largest_absolute: float
    largest_relative: float
    largest_ulp: float | None
    """In units in the last place; None where no result differs, or results are no floating-point numbers."""
    elements: int
    """The most elements in which a result was not the first one."""
    not_a_number: int
    """The most elements of which one was NaN and the other was not."""
    output_index: int
    """The first of the outputs and written arguments that differs."""
    shape: tuple[int, ...]
    dtype: str
    device: str
    threads: int
    threads_tried: tuple[int, ...]
    """Numbers of threads up to this one: more are tried where the run's own give no difference."""
    first: str
    """Digest of the first result, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class SavedCall:
    """What a file with a saved call holds, in words and in Python."""

    operator: str
    """With its overload: `aten.index_put_.default`."""
    device: str
    threads: int
    """Of the run."""
    backward: bool
    accumulate: bool
    """Whether it adds to what is there, for operators that can do either."""
    arguments: dict[str, str]
    """By name: type and shape, or the value."""
    outputs: tuple[str, ...]
    """Python expressions for what it gives and writes, in terms of `result`, `args` and `kwargs`."""
    settings: tuple[str, ...]
    """Python statements that bring about the settings of the run."""
    prepare: tuple[str, ...]
    """Python statements that must come before each call, in terms of `saved`."""


@dataclass(slots=True)
class Answers:
    """What one process said."""

    call: SavedCall | None = None
    replays: dict[str, Replay] = field(default_factory=dict)
    """By setting (see `detaudit.replay.operators.many_times`)."""
    errors: dict[str, str] = field(default_factory=dict)
    """By setting, why it could not be tried; by the empty text, why the process ended early."""


def replay(path: Path, times: int = TIMES, threads: int | None = None) -> Replay:
    """Replay a saved call with the run's number of threads, then with more if that gives no difference.

    Raises RunError if it cannot be replayed.
    """
    own = "captured" if threads is None else f"threads={threads}"
    return strongest(ask(path, times, own, f"stress={STRESS_THREADS}"))


def strongest(answers: Answers) -> Replay:
    """Return the replay under stress, if there was one, else the one under the conditions of the run.

    Raises RunError if there is neither.
    """
    tried = [one for name, one in answers.replays.items() if name != "single"]
    if not tried:
        reason = next(iter(answers.errors.values()), "no answer")
        raise RunError("not-replayed", f"the operator could not be replayed alone: {reason}")
    return replace(tried[-1], threads_tried=tuple(one.threads for one in tried))


def ask(path: Path, times: int, *settings: str) -> Answers:
    """Replay a saved call under several settings in one fresh process."""
    command = [sys.executable, "-P", "-c", _START, str(_PACKAGE_PARENT), str(path.resolve()), str(times)]
    limit = SECONDS * len(settings) + _GRACE_SECONDS
    done = guard.ask([*command, str(SECONDS), *settings], seconds=limit)
    if done.timed_out:
        return _read(done.stdout, f"it did not end within {limit:.0f} s")
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.code}"]
    return _read(done.stdout, lines[-1] if done.code else "")


def _read(output: bytes, problem: str) -> Answers:
    answers = Answers(errors={"": problem} if problem else {})
    for line in output.decode().splitlines(keepends=True):
        # The last line of a process that was ended may be cut.
        values = json.loads(line) if line.endswith("\n") else {}
        if "operator" in values:
            answers.call = _call(values)
        elif "error" in values:
            answers.errors[values["setting"]] = values["error"]
        elif values:
            answers.replays[values["setting"]] = _replay(values)
    return answers


def _call(values: dict[str, Any]) -> SavedCall:
    lists = {name: tuple(values[name]) for name in ("outputs", "settings", "prepare")}
    return SavedCall(**{**values, **lists})


def _replay(values: dict[str, Any]) -> Replay:
    return Replay(
        times=values["times"],
        distinct=values["distinct"],
        differs=values["differs"],
        largest_absolute=values["absolute"],
        largest_relative=values["relative"],
        largest_ulp=values["ulp"],
        elements=values["elements"],
        not_a_number=values["not_a_number"],
        output_index=values["output"],
        shape=tuple(values["shape"]),
        dtype=values["dtype"],
        device=values["device"],
        threads=values["threads"],
        threads_tried=(values["threads"],),
        first=values["first"],
    )
