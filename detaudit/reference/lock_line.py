"""Write and read one entry of a lock as one line of text, with tabs between the fields.

    step  phase  layer  what  digest  numbers  norm  sum  projection

`numbers` says how many there are; `+3` behind it, that 3 more are infinite or NaN. Norm and sum are for the
reader; the norm also gives the projection its scale. The projection (see `model.sketch`), divided by the
norm, is 16 float32 in base64: enough for differences down to some 5e-8 of the norm. What holds no
floating-point numbers ends with its digest.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct

from detaudit.model.lock import BEFORE, VARIES, Entry
from detaudit.model.sketch import BUCKETS, Sketch
from detaudit.model.trace import Phase

_PROJECTION = struct.Struct(f"<{BUCKETS}f")
_BEFORE = "before"
_VARIES = "varies"
_NO_LAYER = "-"
_ESCAPED = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[\\tnr])")
_DIGEST_DIGITS = 32
_PLAIN_FIELDS, _SKETCHED_FIELDS = 5, 9


def line_of(entry: Entry) -> str:
    """Write an entry."""
    step = _BEFORE if entry.step == BEFORE else str(entry.step)
    digest = _VARIES if entry.digest == VARIES else entry.digest.hex()
    fields = [step, entry.phase.value, escaped(entry.layer) or _NO_LAYER, escaped(entry.what), digest]
    if entry.sketch is not None:
        fields += _sketch_fields(entry.sketch)
    return "\t".join(fields)


def entry_of(line: str) -> Entry:
    """Read an entry. Raises ValueError for a line that is none."""
    fields = line.split("\t")
    if len(fields) not in {_PLAIN_FIELDS, _SKETCHED_FIELDS}:
        raise ValueError("an entry has 5 fields, or 9")
    step, phase, layer, what, digest = fields[:_PLAIN_FIELDS]
    return Entry(
        step=BEFORE if step == _BEFORE else whole(step),
        phase=Phase(phase),
        layer="" if layer == _NO_LAYER else unescaped(layer),
        what=unescaped(what),
        digest=VARIES if digest == _VARIES else _digest(digest),
        sketch=_sketch(*fields[_PLAIN_FIELDS:]) if len(fields) == _SKETCHED_FIELDS else None,
    )


def escaped(text: str) -> str:
    """Put text on one line, without tabs."""
    return "".join(
        letter if letter.isprintable() and letter != "\\" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def unescaped(text: str) -> str:
    """Undo `escaped`."""
    return _ESCAPED.sub(lambda found: found[0].encode().decode("unicode_escape"), text)


def whole(text: str) -> int:
    """Read a whole number, not below zero. Raises ValueError for anything else, `1_000` too."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no whole number")
    return int(text)


def _sketch_fields(sketch: Sketch) -> list[str]:
    count = str(sketch.count - sketch.not_finite)
    numbers = f"{count}+{sketch.not_finite}" if sketch.not_finite else count
    scale = sketch.norm if sketch.norm and math.isfinite(sketch.norm) else 1.0
    parts = [value / scale if math.isfinite(value) else 0.0 for value in sketch.projection]
    packed = base64.b64encode(_PROJECTION.pack(*parts)).decode().rstrip("=")
    return [numbers, f"{sketch.norm:.9g}", f"{sketch.total:.6g}", packed]


def _sketch(numbers: str, norm: str, total: str, packed: str) -> Sketch:
    finite, _, rest = numbers.partition("+")
    not_finite = whole(rest) if rest else 0
    scale = float(norm)
    try:
        parts = _PROJECTION.unpack(base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True))
    except (binascii.Error, struct.error) as error:
        raise ValueError("the projection is cut") from error
    projection = tuple(part * scale for part in parts)
    return Sketch(scale, float(total), projection, whole(finite) + not_finite, not_finite)


def _digest(text: str) -> bytes:
    if len(text) != _DIGEST_DIGITS:
        raise ValueError("the digest is cut")
    return bytes.fromhex(text)
