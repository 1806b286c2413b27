"""What a user can say about an audit along axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detaudit.diagnose.options import AuditOptions
from detaudit.model.variation import Setting

Asked = Mapping[str, Sequence[Setting]]
"""Axes by their names and the values of each, at least two."""


@dataclass(frozen=True, slots=True)
class VaryOptions:
    """The axes, and what is asked about runs along them."""

    axes: Asked
    audit: AuditOptions
    """Options for running the target, and for auditing it by itself if it does not repeat itself."""
    tolerance: float | None = None
    """The relative difference up to which numbers count as the same where bits may differ."""
