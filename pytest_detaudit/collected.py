"""What a session's audits leave for its end: answers, and what they used and wrote of the lock.

Under xdist it comes from the workers, as text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from detaudit.model.lock import Block, LockedTarget
    from detaudit.model.result import AuditResult

OUTPUT = "detaudit"
"""The key under which a worker of xdist hands it over."""


@dataclass
class Collected:
    """All that there is so far; empty in a session that asks for nothing of detaudit's."""

    results: list[AuditResult] = field(default_factory=list)
    used: list[LockedTarget] = field(default_factory=list)
    """What of the lock was held against, or written."""
    written: list[Block] = field(default_factory=list)
    """What is to be written into it."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.results or self.used)

    def packed(self) -> dict[str, Any]:
        """The same as numbers and text, which xdist can carry."""
        from detaudit import __version__
        from detaudit.model.codec import result_to_json
        from detaudit.model.lock import Lock
        from detaudit.reference.lock_file import EMPTY, text_of

        return {
            "results": [result_to_json(result, __version__) for result in self.results],
            "used": [(one.name, one.seed) for one in self.used],
            "written": text_of(Lock(EMPTY.digest, tuple(self.written))) if self.written else None,
        }

    def take(self, packed: dict[str, Any]) -> None:
        """Add what a worker has packed."""
        from detaudit.model.codec import result_from_json
        from detaudit.model.lock import LockedTarget
        from detaudit.reference.lock_file import parse

        self.results += [result_from_json(text, "the result of a worker") for text in packed["results"]]
        self.used += [LockedTarget(name, (), seed) for name, seed in packed["used"]]
        if packed["written"] is not None:
            self.written += parse(packed["written"], "the lock of a worker").blocks


_COLLECTED = pytest.StashKey[Collected]()


def collected(config: pytest.Config) -> Collected:
    """What this session, or this worker of it, has so far."""
    return config.stash.setdefault(_COLLECTED, Collected())
