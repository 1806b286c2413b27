"""Say whether torch is really loaded. Imports nothing, since programs without torch ask this too."""

from __future__ import annotations

import sys


def is_loaded() -> bool:
    """Say whether torch's own code has run: one that is imported lazily is listed as a module before that."""
    return {"torch", "torch._C"} <= sys.modules.keys()
