"""Memory that is read before it is written.

Held by glibc, which fills every block that it hands out if it is told to (mallopt(3), M_PERTURB); blocks that
a thread keeps for itself are handed out unfilled, so there must be none. Which `torch.empty` it was is seen
where all operators are: in `detaudit.record.operators`.
"""

from __future__ import annotations

from typing import Any

from detaudit.sources.source import Source, Variation
from detaudit.sources.taps import Asked, Taps

NAME = "fresh-memory"
READ = "read before it was written"
LARGE, MIDDLING = 1, 180
"""glibc fills with the complements: 0xfe, float32 of -1.7e38, and 0x4b, 1.3e7. It cannot fill with 0xff."""
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
        _fill(value, taps.varied(NAME))
        taps.note(NAME, operation, None, subject="fresh memory")
        return value

    return read


def _fill(array: Any, amount: str | None) -> None:  # noqa: ANN401 - a numpy array
    """Fill an array that is to be filled by the program: numpy hands small blocks out again by itself."""
    if amount is not None and array.dtype.kind in "fc":
        array.fill(float("nan") if amount == "large" else float(0x4B4B4B))


SOURCE = Source(
    name=NAME,
    words="the content of fresh memory",
    causes=("uninitialized-memory",),
    tap=_tap,
    held_by=environment(FILL),
    varied_by=(
        Variation("large", "fresh memory filled with huge numbers, or NaN", environment(LARGE)),
        Variation("middling", "fresh memory filled with numbers of some millions", environment(MIDDLING)),
    ),
)
