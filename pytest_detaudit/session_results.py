"""Collect the results of a session's audits for its end: answers, and lock entries used or written.

Under xdist, the workers send their results as text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from detaudit.model.lock import Block, LockedTarget
    from detaudit.model.result import AuditResult

OUTPUT = "detaudit"
"""The key under which a worker of xdist hands its results over."""


@dataclass
class Collected:
    """The results so far; empty in a session that asks for nothing of detaudit's."""

    results: list[AuditResult] = field(default_factory=list)
    used: list[LockedTarget] = field(default_factory=list)
    """The targets in the lock that runs were held against, or that were written."""
    written: list[Block] = field(default_factory=list)
    """The blocks that are to be written into the lock."""

    def __bool__(self) -> bool:
        """Say whether there are any results."""
        return bool(self.results or self.used)

    def packed(self) -> dict[str, Any]:
        """Pack the results as numbers and text, which xdist can carry."""
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
    """Give the results of this session, or of this worker of the session, so far."""
    return config.stash.setdefault(_COLLECTED, Collected())
