"""Gather what the processes of a run have left: one trace of all of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from detaudit import nested
from detaudit.errors import TraceError
from detaudit.record.session import SESSION_FILE, load_session, problems_in
from detaudit.trace.merge import merge, settle
from detaudit.trace.reader import TraceReader
from detaudit.trace.writer import TraceWriter


def complete(folder: Path, trace: Path, code: int | None, seconds: float | None) -> bool:
    """Put a run's traces together; False if no process recorded anything, or left word that it failed to.

    `code` and `seconds` are None for a program of which nobody saw the end.
    """
    parts = sorted(folder.glob("*.part"))
    for part in parts:
        settle(part)
    parts = [part for part in parts if _readable(part)]
    problems = problems_in(folder)
    if not trace.exists():
        if not parts and not problems:
            return False
        _write_empty(folder, trace)
    settle(trace)
    merge(trace, parts)
    values: dict[str, object] = {"exit_code": code, "seconds": seconds}
    if problems:
        # What was left beside the trace tells more than what the trace itself has of it.
        values["problems"] = problems
    note(trace, {**values, "nested": nested.asked_in(folder)})
    return True


def note(trace: Path, values: Mapping[str, object]) -> None:
    """Set entries of a trace's header."""
    connection = sqlite3.connect(trace)
    try:
        with connection:
            rows = [(name, json.dumps(value)) for name, value in values.items()]
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", rows)
    finally:
        connection.close()


def _write_empty(folder: Path, trace: Path) -> None:
    """Make the trace of a main process that only started others and saw nothing itself."""
    writer = TraceWriter(trace)
    session = load_session(str(folder / SESSION_FILE), is_main=True)
    for name, value in {**session.header(), "finished": True}.items():
        writer.set_meta(name, value)
    writer.close()


def _readable(part: Path) -> bool:
    # A child that was killed while it made its file leaves an empty one: it recorded nothing.
    try:
        with TraceReader(part) as reader:
            return bool(reader.streams)
    except TraceError:
        return False
