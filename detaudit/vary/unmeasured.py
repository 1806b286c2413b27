"""Report what measuring layer by layer left out, so that an incomplete measurement never passes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from detaudit.replay.wire.layers import Origin, ValueRow
from detaudit.vary.layer_flags import Measured, calls_around, is_output_of_root

AMPLIFIED = 32.0
"""The factor by which a loss's gradient may be further apart than the outputs that the loss is made of."""

_NAMED = 3
"""The number of layers that a message names."""


def unmeasured(measured: Measured) -> Iterator[str]:
    """List what could not be measured, each reason once."""
    if not measured.rows:
        yield "no layer was measured: the step calls no module"
    reasons: dict[str, dict[str, None]] = {}
    for (root, path, _, _), why in measured.unkept:
        reasons.setdefault(why, {})[_name(root, path)] = None
    for row, why in _whys(measured):
        root, path, _, _ = row.call
        reasons.setdefault(why, {})[_name(root, path)] = None
    for why, names in reasons.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"not measured alone: {', '.join(list(names)[:_NAMED])}{more}: {why}"


def outside(measured: Measured) -> Iterator[str]:
    """Report values computed outside of all modules that cannot be told from another computation.

    A loss is not called again alone. Its gradient may be further apart than the outputs that it is made of,
    but not by any amount.
    """
    reached = max((_apart(row) for row in measured.rows if is_output_of_root(row, measured)), default=0.0)
    for row in measured.rows:
        allowed = max(math.sqrt(row.unit), AMPLIFIED * reached)
        if row.origin is Origin.OUTSIDE and not _apart(row) <= allowed:
            root, path, _, _ = row.call
            yield (
                f"not measured alone: what is computed outside of modules; the {row.value} of "
                f"{_name(root, path)} is {_apart(row):.1e} apart, the outputs of modules {reached:.1e}"
            )
            return


def _whys(measured: Measured) -> Iterator[tuple[ValueRow, str]]:
    seen = {row.call for row in measured.rows if row.only is None}
    for row in measured.rows:
        if row.why:
            yield row, row.why
        elif row.only is not None and measured.compiled and seen.isdisjoint(calls_around(row.call, measured)):
            yield row, "it runs within compiled code, where no call is seen"


def _name(root: str, path: str) -> str:
    return ".".join(filter(None, (root, path)))


def _apart(row: ValueRow) -> float:
    """Give the distance between the runs; NaN where one of them has numbers that are not finite."""
    return 0.0 if row.propagated is None else row.propagated.relative
