"""The oldest torch that detaudit knows: an older one is refused before anything is asked of it."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

from detaudit.errors import TorchError

OLDEST = (2, 11)
"""Stated in pyproject.toml and in the README too."""

_HINT = "install a newer one: pip install 'torch>={}'"


def torch_version() -> str | None:
    """Say which torch is loaded, or else would be; None where that is not known. Loads nothing of it."""
    loaded = getattr(sys.modules.get("torch"), "__version__", None)
    return _version_found() if loaded is None else str(loaded)


def _version_found() -> str | None:
    # Not from the metadata: reading them loads far more, and a torch that was built by hand may have none.
    try:
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.origin is None:
            return None
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except (ImportError, OSError, ValueError):
        return None
    stated = re.search(r"""^__version__ = ['"](.+)['"]""", text, re.MULTILINE)
    return None if stated is None else stated[1]


def why_too_old(found: str) -> str | None:
    """Say why a version of torch cannot be looked into; None if it can."""
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if numbers is None or (int(numbers[1]), int(numbers[2])) >= OLDEST:
        return None
    return f"torch {found} is too old: detaudit needs torch {_in_words()} or later"


def refuse_older() -> None:
    """Raise TorchError if the torch that is loaded or installed is too old."""
    found = torch_version()
    why = None if found is None else why_too_old(found)
    if why is not None:
        raise TorchError("torch-too-old", why, _HINT.format(_in_words()))


def _in_words() -> str:
    return ".".join(map(str, OLDEST))
