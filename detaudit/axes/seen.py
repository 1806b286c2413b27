"""Read from the environment of a trace whether a switch of torch was in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detaudit.trace.reader import TraceReader


def flag(name: str) -> Callable[[TraceReader, bool], str | None]:
    """Make the question whether a switch was in force, by its name in the environment of a trace."""

    def in_force(reader: TraceReader, on: bool) -> str | None:  # noqa: FBT001 - the value of an axis
        # A process that only starts others which train never loads torch: nothing is known then.
        return None if reader.info.environment.get(name, on) is on else "the program sets it itself"

    return in_force
