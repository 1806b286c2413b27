"""Compare two traces: what differs, where the difference starts, whether it reaches a number.

Reads traces and knows the nouns of `model`; never imports torch.
"""

from __future__ import annotations

from detaudit.compare.compare import compare

__all__ = ["compare"]
