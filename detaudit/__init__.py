"""detaudit says whether a training is reproducible, and if not, where it breaks.

Public names are resolved on first use; importing the package does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detaudit.model.version import VERSION

if TYPE_CHECKING:
    from detaudit.determinism import deterministic
    from detaudit.diagnose.audit import check
    from detaudit.model.result import AuditResult, Verdict
    from detaudit.seeding import seed_everything, seed_worker

__version__ = VERSION

__all__ = [
    "AuditResult",
    "Verdict",
    "__version__",
    "check",
    "deterministic",
    "seed_everything",
    "seed_worker",
]

_HOMES = {
    "check": "detaudit.diagnose.audit",
    "deterministic": "detaudit.determinism",
    "seed_everything": "detaudit.seeding",
    "seed_worker": "detaudit.seeding",
    "AuditResult": "detaudit.model.result",
    "Verdict": "detaudit.model.result",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
