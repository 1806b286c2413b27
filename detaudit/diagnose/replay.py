"""Replay a saved operator call alone, in fresh processes, and read what they say."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from detaudit.errors import RunError
from detaudit.replay.wire.files import records_in
from detaudit.replay.wire.operators import Replay, SavedCall, SettingTried
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


@dataclass(slots=True)
class Answers:
    """What one process said."""

    call: SavedCall | None = None
    replays: dict[str, Replay] = field(default_factory=dict)
    """By setting (see `detaudit.replay.operators.many_times`)."""
    errors: dict[str, str] = field(default_factory=dict)
    """By setting, why it could not be tried; by the empty text, why the process ended early."""


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
    # The last line of a process that was ended may be cut.
    lines = output.decode().splitlines(keepends=True)
    answers = Answers(next(records_in(lines, SavedCall), None), errors={"": problem} if problem else {})
    for tried in records_in(lines, SettingTried):
        if tried.replay is None:
            answers.errors[tried.setting] = tried.error
        else:
            answers.replays[tried.setting] = tried.replay
    return answers
