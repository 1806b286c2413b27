"""The oldest torch that detaudit knows: an older one is refused before anything is asked of it."""

from __future__ import annotations

import re
import sys

from detaudit.errors import TorchError

OLDEST = (2, 11)
"""Stated in pyproject.toml and in the README too."""

_HINT = "install a newer one: pip install 'torch>={}'"


def torch_version() -> str | None:
    """Say which torch is loaded, or else installed; None where there is none. Loads nothing."""
    loaded = getattr(sys.modules.get("torch"), "__version__", None)
    if loaded is not None:
        return str(loaded)
    # Imported late: a process of the program asks about the torch that it has loaded, and needs none of it.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("torch")
    except PackageNotFoundError:
        return None


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
