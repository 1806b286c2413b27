"""What runs leave about operator calls, one line of JSON for each: read also where there is no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KEPT = "kept.jsonl"
"""What the first run leaves: of each call `number`, identity, `site`, digests, and the values."""

ANSWERS = "answers.jsonl"
"""What the second run leaves: for the `number` of a kept call, whether its bits changed, and how far."""

AGAIN = "again.jsonl"
"""The numbers of kept calls that a further run under the first conditions is to make several times."""

IDENTITY = ("phase", "root", "module", "operator", "occurrence")
"""What tells a call from all others of its step."""


class Lines:
    """A file that grows by a line of JSON at a time, and is whole up to there whenever the program ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._notes: set[str] = set()

    def add(self, line: dict[str, Any]) -> None:
        """Write a line. Raises OSError where that fails, TypeError for what JSON cannot hold."""
        # In one piece, and at once: a forked child must not write it again.
        self._file.write(json.dumps(line, default=_complex) + "\n")
        self._file.flush()

    def note(self, text: str) -> None:
        """Leave word, once, of what cannot be judged."""
        if text not in self._notes:
            self._notes.add(text)
            self.add({"note": text})


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of such a file; none if there is no file. What a killed program has left half is left out."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def identity_of(line: dict[str, Any]) -> tuple[Any, ...]:
    """What tells the call of a line from all others of its step."""
    return tuple(line[name] for name in IDENTITY)


def _complex(value: object) -> dict[str, list[float]]:
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    raise TypeError(f"{type(value).__name__} cannot be written down")
