"""Fold the traces of a run's other processes into the trace of its main process."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path

from detaudit.model.trace import Stream
from detaudit.trace.reader import TraceReader


def merge(main: Path, others: list[Path]) -> None:
    """Copy every stream of `others` (in order of process start) into `main`, which is changed in place.

    Further processes of the same name get `#2`, `#3`, ... behind it. What the others say of their ranks, and
    of what they could not record, is put into the header. The files `others` are not changed. Raises
    TraceError for a damaged trace and sqlite3.Error if `main` cannot be written.
    """
    with TraceReader(main) as reader:
        ranks, problems = list(reader.info.ranks), list(reader.info.problems)
    connection = sqlite3.connect(main, isolation_level=None)
    try:
        for other in others:
            with TraceReader(other) as reader:
                streams = reader.streams
                ranks += reader.info.ranks
                problems += reader.info.problems
            connection.execute("ATTACH ? AS other", (str(other),))
            connection.execute("BEGIN")
            _copy(connection, streams)
            connection.execute("COMMIT")
            connection.execute("DETACH other")
        header = {"ranks": [asdict(one) for one in ranks], "problems": list(dict.fromkeys(problems))}
        rows = [(name, json.dumps(value)) for name, value in header.items()]
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", rows)
    finally:
        connection.close()


def settle(path: Path) -> None:
    """Fold the write-ahead log that a killed process left beside its trace into the file."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    finally:
        connection.close()


def _copy(connection: sqlite3.Connection, streams: tuple[Stream, ...]) -> None:
    execute = connection.execute
    execute("INSERT OR IGNORE INTO places SELECT * FROM other.places")
    execute("INSERT OR IGNORE INTO sites SELECT * FROM other.sites")
    execute("INSERT OR IGNORE INTO sketches SELECT * FROM other.sketches")
    execute("INSERT OR IGNORE INTO lines SELECT * FROM other.lines")
    # Behind the numbers that are taken already.
    ((taken,),) = execute("SELECT COALESCE(MAX(number), 0) FROM packed")
    execute("INSERT INTO packed SELECT number + ?, identity, sequences FROM other.packed", (taken,))
    process = _free_name(connection, streams[0].process) if streams else ""
    for stream in streams:
        ((number,),) = execute("SELECT COALESCE(MAX(id), 0) + 1 FROM streams")
        execute("INSERT INTO streams VALUES (?,?,?,?)", (number, stream.role.value, process, stream.thread))
        execute(
            "INSERT INTO steps "
            "SELECT ?, step, part, complete, digest, events, generators, first, lines, packed + ? "
            "FROM other.steps WHERE stream=?",
            (number, taken, stream.id),
        )
        execute(
            "INSERT INTO copies SELECT ?, step, part, ranks, digest FROM other.copies WHERE stream=?",
            (number, stream.id),
        )
        execute(
            "INSERT INTO batches SELECT ?, sequence, loader, iteration, number, worker, step, content, "
            "samples FROM other.batches WHERE stream=?",
            (number, stream.id),
        )
        execute(
            "INSERT INTO iterations SELECT ?, loader, iteration, dataset, sampler, shuffles, covers, "
            "iterable, droppable, length, workers, processes, round, exhausted "
            "FROM other.iterations WHERE stream=?",
            (number, stream.id),
        )
        execute(
            "INSERT INTO fetches SELECT ?, round, step, number, process, before "
            "FROM other.fetches WHERE stream=?",
            (number, stream.id),
        )
        execute(
            "INSERT INTO ledger SELECT ?, step, thread, in_main_thread, sequence, source, operation, act, "
            "whose, about, phase, site, count, amount, digest, shown FROM other.ledger WHERE stream=?",
            (number, stream.id),
        )


def _free_name(connection: sqlite3.Connection, name: str) -> str:
    taken = {process for (process,) in connection.execute("SELECT DISTINCT process FROM streams")}
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    return free
