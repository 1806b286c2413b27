"""Memory that is read before it is written.

Held by glibc, which fills every block that it hands out if it is told to (mallopt(3), M_PERTURB); blocks that
a thread keeps for itself are handed out unfilled, so there must be none. Which `torch.empty` it was is seen
where all operators are: in `detaudit.record.operators`.
"""

from __future__ import annotations

from typing import Any

from detaudit.sources.source import Source
from detaudit.sources.taps import Asked, Taps

NAME = "fresh-memory"
READ = "read before it was written"
FILL = 165
"""glibc fills with the complement of this byte: 0x5a."""


def environment(fill: int) -> dict[str, str]:
    """The variables with which glibc fills fresh memory with the complement of a byte."""
    return {"MALLOC_PERTURB_": str(fill), "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


def _tap(taps: Taps) -> None:
    taps.when_imported("numpy", lambda module: _tap_numpy(taps, module))


def _tap_numpy(taps: Taps, module: object) -> None:
    for name in ("empty", "empty_like"):
        taps.function(module, name, _noting(taps, f"numpy.{name}"), asked_by=Asked.PROGRAM)


def _noting(taps: Taps, operation: str) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function
        value = original(*args, **kwargs)
        taps.note(NAME, operation, None, subject="fresh memory")
        return value

    return read


SOURCE = Source(
    name=NAME,
    words="the content of fresh memory",
    causes=("uninitialized-memory",),
    tap=_tap,
    held_by=environment(FILL),
)
