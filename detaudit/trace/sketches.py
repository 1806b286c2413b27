"""Read the sketches of a trace, by the digests of the values that they summarize."""

from __future__ import annotations

from detaudit.model.sketch import Sketch
from detaudit.trace.layout import PROJECTION
from detaudit.trace.reader import TraceReader

_QUERY = "SELECT norm, total, count, not_finite, projection FROM sketches WHERE digest=?"
_TYPES = (float, float, int, int, bytes)


def read_sketch(reader: TraceReader, digest: bytes | None) -> Sketch | None:
    """Read the sketch of the value that has this digest; None if the run made none.

    Raises TraceError for a damaged file.
    """
    if digest is None:
        return None
    for norm, total, count, not_finite, projection in reader.rows(_QUERY, digest, types=_TYPES):
        if len(projection) != PROJECTION.size:
            raise reader.damaged("a sketch is cut")
        return Sketch(norm, total, PROJECTION.unpack(projection), count, not_finite)
    return None
