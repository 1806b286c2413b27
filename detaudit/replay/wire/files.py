"""Name the files that a run leaves in a folder; write and read records, a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from detaudit.model.codec import from_plain, to_plain

LAYERS = "layers.json"
"""In the second run's folder: its measurements of the modules of a step."""

KEPT = "kept.jsonl"
"""In the folder that two runs exchange values through: the first run's operator calls."""

ANSWERS = "answers.jsonl"
"""In the second run's folder: its answer to each of these calls."""

AGAIN = "again.jsonl"
"""Beside the kept calls: the numbers of the calls that a further run must make several times."""

FLOAT64 = "float64"
"""In the folder that two runs exchange values through: the folder of a third run, all in float64."""

CAPTURED = "operator.pt"
"""In a run's folder: the arguments of the operator call that had to be saved."""

NAMED = "named.txt"
"""In a run's folder: settings that were chosen for the exchange of random numbers, a line each."""

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Note:
    """A text about something that could not be judged."""

    text: str


class RecordFile:
    """A file that grows line by line, and is complete up to its last line whenever the program ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._notes: set[str] = set()

    def add(self, record: object) -> None:
        """Write a record. Raises OSError if that fails."""
        # In one piece, and at once: a forked child must not write it again.
        self._file.write(line_of(record))
        self._file.flush()

    def note(self, text: str) -> None:
        """Note, once, something that cannot be judged."""
        if text not in self._notes:
            self._notes.add(text)
            self.add(Note(text))


def line_of(record: object) -> str:
    """Write a record as a line, with the line break."""
    return f"{_start(type(record))}{json.dumps(to_plain(record))}}}\n"


def records_in(lines: Iterable[str], kind: type[Record]) -> Iterator[Record]:
    """Read the records of one kind. A line that a killed program left unfinished is left out."""
    start = _start(kind)
    for line in lines:
        if line.startswith(start) and line.endswith("\n"):
            yield from_plain(kind, json.loads(line)[kind.__name__], kind.__name__)


def read_records(path: Path, kind: type[Record]) -> Iterator[Record]:
    """Read the records of one kind in a file; none if the file does not exist."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from records_in(file, kind)


def _start(kind: type[Any]) -> str:
    return f'{{"{kind.__name__}": '
