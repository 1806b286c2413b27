"""Record a process that detaudit has not started: `DETAUDIT_RECORD=folder` in the environment of any command.

A line of `detaudit_record.pth`, which Python reads as it starts, comes here where that variable is set. What
is imported before the program is little, and above all not torch (see `bootstrap`).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sqlite3
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from detaudit.errors import DetauditError
from detaudit.run import variable_names
from detaudit.run.exits import Exits
from detaudit.run.heap import keep_scattering, scatter
from detaudit.sources.imports import ImportWatch

if TYPE_CHECKING:
    from detaudit.run.member import Member

_REFUSED, _TOLD = "refused: ", "told"
_begun: list[int] = []
"""The process in which this has begun: empty or one entry."""

_RANK_VARIABLES = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")


def begin() -> None:
    """Arrange for recording to start when the program imports torch."""
    if _begun or _is_detaudit():
        return
    # In a virtual environment, Python reads the line twice.
    _begun.append(os.getpid())
    if variable_names.LAUNCH not in os.environ:
        from detaudit.run.trace_folder import why_not

        # The first Python of a launch decides for all that it starts: later, traces of this launch are there.
        why = why_not(Path(os.environ[variable_names.RECORD]))
        named = f"{os.uname().nodename} {os.getpid()} {os.urandom(8).hex()}"
        os.environ[variable_names.LAUNCH] = named if why is None else _REFUSED + why
    exits = Exits()
    # Registered early, so run late: behind the end of the recording itself.
    atexit.register(exits.leave)
    scatter()
    ImportWatch().when_imported("torch", lambda torch: _start(torch, exits))


def _is_detaudit() -> bool:
    """Say whether this is detaudit's own command: what it runs, it records by itself."""
    words = sys.orig_argv[1:]
    return words[:2] == ["-m", "detaudit"] or any(os.path.basename(word) == "detaudit" for word in words[:1])


def _start(torch: ModuleType, exits: Exits) -> None:
    from detaudit.torch_private.supported import why_too_old

    launch = os.environ[variable_names.LAUNCH]
    if launch == _TOLD:
        return
    refused = launch.removeprefix(_REFUSED) if launch.startswith(_REFUSED) else None
    why = why_too_old(str(torch.__version__)) or refused
    if why is None:
        try:
            _record(exits)
        except (OSError, DetauditError) as error:
            why = str(error)
    if why is not None:
        _tell(why)


def _record(exits: Exits) -> None:
    """Begin recording. Raises OSError or UsageError where that is not possible."""
    from detaudit.record.install import install
    from detaudit.record.sites import Sites
    from detaudit.run.member import join
    from detaudit.run.tracebacks import show_without_own_frames

    member, session = join()
    exits.when_left(functools.partial(_leave, member))
    install(session, Sites())
    scatter()
    keep_scattering()
    show_without_own_frames()


def _leave(member: Member, status: int) -> None:
    """Hand on what was recorded; the program has ended as it would have, whatever becomes of that."""
    try:
        member.leave(status)
    except (OSError, ValueError, sqlite3.Error, DetauditError) as error:
        _say(f"the trace could not be left in {member.target}: {error}")


def _tell(why: str) -> None:
    """Say once for all processes of a launch that nothing is recorded; the program goes on."""
    os.environ[variable_names.LAUNCH] = _TOLD
    if next((os.environ[name] for name in _RANK_VARIABLES if name in os.environ), "0") == "0":
        _say(f"not recorded: {why}")


def _say(text: str) -> None:
    """Write a line to standard error, if there is any."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"detaudit: {text}\n")
