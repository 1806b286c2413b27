"""What a user can say about holding a target against what was recorded before, or against a commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detaudit.diagnose.options import AuditOptions


@dataclass(frozen=True, slots=True)
class LockOptions:
    """The lock that runs are held against."""

    path: Path
    audit: AuditOptions
    """Options for running the target, and for auditing it by itself if it does not repeat itself."""
    tolerance: float | None = None
    """The relative difference up to which a run counts as the same as the lock."""


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """The commit that the work tree is held against."""

    reference: str
    """A commit, branch or tag, as git knows it."""
    audit: AuditOptions
    """Options for running both sides, and for auditing the work tree by itself if it does not repeat
    itself."""
    tolerance: float | None = None
    """The relative difference up to which the work tree counts as the same as the commit."""
    link: str | None = None
    """Folders that git ignores and the other commit needs as well, with commas between them."""
